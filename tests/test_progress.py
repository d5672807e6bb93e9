import io
import sys

from keras_liteseg.progress import progress_bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


def count(shown=True):
    with progress_bar(shown, total=3, desc="frames", mininterval=0) as bar:
        for _ in range(3):
            bar.update()


def test_bar_is_on_a_terminal_alone(monkeypatch):
    for stream, shown in ((io.StringIO(), True), (Terminal(), False), (None, True)):
        monkeypatch.setattr(sys, "stderr", stream)
        count(shown)
        assert stream is None or stream.getvalue() == ""
    monkeypatch.setattr(sys, "stderr", Terminal())
    count()
    assert "frames: 100%" in sys.stderr.getvalue() and "3/3" in sys.stderr.getvalue()
