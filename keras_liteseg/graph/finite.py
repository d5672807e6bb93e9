"""Numbers that a network cannot compute with: NaN and infinity."""

import keras
import numpy as np

_NAMED = 3


def not_finite(variables):
    """Return the names of the `variables` that hold NaN or infinity, such as 'head/kernel', in their order.

    Args:
        variables: variables of Keras, or of tf_keras.
    """
    return [_name(variable) for variable in variables if not np.isfinite(_array(variable)).all()]


def listed(names):
    """Return names for a message: the first few, and how many more there are."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _name(variable):
    return getattr(variable, "path", None) or variable.name


def _array(variable):
    # Keras's own conversion knows its variables alone; bfloat16 is a type that NumPy cannot test.
    if isinstance(variable, keras.Variable):
        return keras.ops.convert_to_numpy(variable).astype(np.float32)
    return variable.numpy().astype(np.float32)
