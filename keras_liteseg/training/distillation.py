"""A training model that may learn from a larger network."""

import keras
from keras import ops

from keras_liteseg.errors import UserError
from keras_liteseg.graph.size import at_size
from keras_liteseg.models.archive import load_model
from keras_liteseg.networks.registry import check_input_shape, model_spec
from keras_liteseg.training.losses import Distillation


class Student(keras.Model):
    """A functional model that adds the loss of its `teacher`, when it has one, to its own.

    Attributes:
        teacher: function (images, labels, logits) -> loss, see `load_teacher`.
    """

    teacher = None

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        if self.teacher is None or not training:
            return loss
        return loss + self.teacher(x, keras.tree.flatten(y)[0], keras.tree.flatten(y_pred)[0])


def load_teacher(config, train_data):
    """Return the distillation loss of a config: a function of the student's images, labels and logits.

    Raises:
        UserError: the teacher cannot be read, has other classes, or cannot take the crops.
    """
    network, metadata = load_model(config.teacher)
    if tuple(metadata.classes.names) != tuple(train_data.classes.names):
        raise UserError(
            f"The teacher {config.teacher} knows {len(metadata.classes)} classes ({metadata.classes.names[0]}, ...), "
            f"not the {len(train_data.classes)} of {train_data.name}; take a teacher that was trained on these classes."
        )
    check_input_shape(metadata.model, (*config.crop_size, 3))
    network = at_size(network, config.crop_size)
    # The student's images, normalized as the teacher wants them.
    own = model_spec(config.model)
    factor = [theirs / ours for theirs, ours in zip(own.std, metadata.std)]
    offset = [(theirs - ours) / std for theirs, ours, std in zip(own.mean, metadata.mean, metadata.std)]
    divergence = Distillation(config.temperature)

    def teach(images, labels, logits):
        scale, shift = (ops.convert_to_tensor(values, "float32") for values in (factor, offset))
        teacher_logits = network(ops.cast(images, "float32") * scale + shift, training=False)
        return config.distillation_weight * divergence((labels, teacher_logits), logits)

    return teach
