"""Ctrl-C in the middle of a training, at a moment that a test chooses."""

import contextlib

import pytest

from keras_liteseg.training import trainer


@contextlib.contextmanager
def interrupted_in(epoch):
    """Expect the training inside to be interrupted at the end of an epoch, before its validation and checkpoint."""

    class Stopping(trainer.Validation):
        def on_epoch_end(self, current, logs):
            if current == epoch:
                raise KeyboardInterrupt
            super().on_epoch_end(current, logs)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(trainer, "Validation", Stopping)
        yield
