"""A training model that may learn from a larger network."""

import keras
from keras import ops

from keras_liteseg.classes import difference, listed
from keras_liteseg.datasets.samples import normalization
from keras_liteseg.errors import UserError
from keras_liteseg.files import suffix_of
from keras_liteseg.graph.size import at_size
from keras_liteseg.models.archive import load_model
from keras_liteseg.models.network import load_network
from keras_liteseg.models.pretrained import find_card
from keras_liteseg.networks.registry import check_input_shape, model_spec
from keras_liteseg.training.losses import Distillation


class Student(keras.Model):
    """A functional model that adds the loss of its `teacher`, when it has one, to its own.

    Attributes:
        teacher: a `Teacher`, or None.
    """

    teacher = None

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        if self.teacher is None or not training:
            return loss
        return loss + self.teacher(x, keras.tree.flatten(y)[0], keras.tree.flatten(y_pred)[0])


class Teacher:
    """A trained network whose logits are a loss for a student's.

    No Keras object, so that Keras counts the network among the layers of no student that has a teacher.

    Args:
        config: `TrainingConfig` of the student: its `teacher`, `temperature`, `distillation_weight`, `crop_size` and
            `model`, whose normalization the images have.
        train_data: `SegmentationDataset` of the student.

    Raises:
        UserError: the teacher cannot be read, has other classes, or cannot take the crops.
    """

    def __init__(self, config, train_data):
        network, metadata = _load(config)
        unlike = difference(metadata.classes, train_data.classes)
        if unlike:
            raise UserError(
                f"The teacher {config.teacher} knows {listed(metadata.classes)}, not the {listed(train_data.classes)} "
                f"of {train_data.name}; {unlike}. Take a teacher that was trained on these classes."
            )
        metadata.image_format.require(train_data.image_format, f"The teacher {config.teacher}", train_data.name)
        check_input_shape(metadata.model, (*config.crop_size, train_data.image_format.channels))
        mean, std = normalization(train_data, model_spec(config.model))
        # Of the student's images, which become those that the teacher was trained on.
        self._scale = [theirs / ours for theirs, ours in zip(std, metadata.std, strict=True)]
        self._shift = [
            (theirs - ours) / scale for theirs, ours, scale in zip(mean, metadata.mean, metadata.std, strict=True)
        ]
        self._network = at_size(network, config.crop_size)
        self._divergence = Distillation(config.temperature)
        self._weight = config.distillation_weight

    def __call__(self, images, labels, logits):
        """Return the loss of a student's `logits`, float (N, height, width, classes), for a batch of its images, float
        (N, height, width, channels), and labels, integers (N, height, width)."""
        scale, shift = (ops.convert_to_tensor(values, "float32") for values in (self._scale, self._shift))
        teacher_logits = self._network(ops.cast(images, "float32") * scale + shift, training=False)
        return self._weight * self._divergence((labels, teacher_logits), logits)


def _load(config):
    """Return (model, metadata) of the teacher of a config."""
    card = find_card(config.model, config.teacher)
    if card is not None:
        return load_network(card.model, card.name)
    if suffix_of(config.teacher) != ".keras":
        raise UserError(
            f"The teacher {config.teacher} is neither a .keras file nor the name of published weights; give one of "
            "them, such as runs/large/best.keras or liteseg_mobilenetv2/camvid (liteseg weights lists them)."
        )
    return load_model(config.teacher)
