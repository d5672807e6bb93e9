"""Cross-entropy over all pixels, less of the easy ones, over the hardest ones and over those at class boundaries."""

import keras
import numpy as np
from keras import ops

from keras_liteseg.errors import UserError
from keras_liteseg.training.losses.base import PixelLoss, divide, zero_where_not
from keras_liteseg.training.losses.likelihood import negative_log_likelihood


@keras.saving.register_keras_serializable("keras_liteseg")
class CrossEntropy(PixelLoss):
    """Mean cross-entropy over the valid pixels; equal to PyTorch's `cross_entropy` with the same options.

    Args:
        class_weights: weight of each class, or None for 1 each. The mean is the sum of the weighted losses over the sum
            of the weights of the pixels' classes.
        label_smoothing: share of the target distribution, from 0 up to 1, that is spread evenly over all classes
            (C. Szegedy et al., Rethinking the Inception Architecture for Computer Vision, 2016, section 7).

    Raises:
        UserError: an option is out of range; at the first call, the number of weights is not that of the classes.
    """

    def __init__(self, class_weights=None, label_smoothing=0.0, name="cross_entropy"):
        super().__init__(name)
        if class_weights is not None and not (
            len(class_weights) and all(0 <= weight < np.inf for weight in class_weights)
        ):
            raise UserError(f"class_weights are {list(class_weights)}; give one number of 0 or more per class.")
        if not 0 <= label_smoothing < 1:
            raise UserError(f"label_smoothing is {label_smoothing}; it must be 0 or more and below 1.")
        self.class_weights = None if class_weights is None else [float(weight) for weight in class_weights]
        self.label_smoothing = label_smoothing

    def value(self, labels, valid, logits):
        return self.mean_over(valid, labels, valid, logits)

    def mean_over(self, mask, labels, valid, logits):
        """Return the weighted mean over the pixels where `mask`, bool (N, height, width), is true; 0 without any."""
        loss, weight = self.weigh(negative_log_likelihood(labels, valid, logits), labels, valid, logits)
        mask = ops.cast(mask, loss.dtype)
        return divide(ops.sum(loss * mask), ops.sum(weight * mask))

    def weigh(self, loss, labels, valid, logits):
        """Return (weighted and smoothed loss, weight of the label's class) per pixel, from its log-likelihood loss."""
        weight = ops.ones_like(loss)
        if self.class_weights is not None:
            if len(self.class_weights) != logits.shape[-1]:
                raise UserError(
                    f"There are {len(self.class_weights)} class_weights for {logits.shape[-1]} classes; give one each."
                )
            weight = ops.take(ops.convert_to_tensor(self.class_weights, loss.dtype), labels)
            loss = loss * weight
        if self.label_smoothing:
            evenly = -ops.log_softmax(zero_where_not(valid, logits), axis=-1)
            if self.class_weights is not None:
                evenly = evenly * ops.convert_to_tensor(self.class_weights, loss.dtype)
            loss = (1 - self.label_smoothing) * loss + self.label_smoothing * ops.mean(evenly, axis=-1)
        return loss, weight

    def get_config(self):
        return {**super().get_config(), "class_weights": self.class_weights, "label_smoothing": self.label_smoothing}


@keras.saving.register_keras_serializable("keras_liteseg")
class OhemCrossEntropy(CrossEntropy):
    """Mean cross-entropy over the hard pixels, mined online in each batch (PaddleSeg's OHEM).

    Hard are the pixels whose true class has a probability below `threshold` or below the `min_kept`-th smallest
    probability of the batch, whichever is larger; all valid pixels when there are no more than `min_kept`, or when
    that is 0. The mean is taken over their number plus 1e-5 times the number of all pixels. The choice ignores class
    weights and label smoothing and carries no gradient.

    Source: A. Shrivastava et al., Training Region-based Object Detectors with Online Hard Example Mining, 2016, for
    pixels; this form is that of the reference code of PP-LiteSeg (2022).

    Args:
        threshold: probability of the true class from 0 to 1.
        min_kept: pixels per batch on one device.
        class_weights, label_smoothing: as of `CrossEntropy`.

    Raises:
        UserError: as `CrossEntropy`.
    """

    def __init__(
        self, threshold=0.7, min_kept=10_000, class_weights=None, label_smoothing=0.0, name="ohem_cross_entropy"
    ):
        super().__init__(class_weights, label_smoothing, name)
        if not 0 <= threshold <= 1:
            raise UserError(f"The OHEM threshold is {threshold}; it is a probability, from 0 to 1.")
        if min_kept != int(min_kept) or min_kept < 0:
            raise UserError(f"OHEM's min_kept is {min_kept}; it is a number of pixels per batch, 0 or more.")
        self.threshold, self.min_kept = threshold, int(min_kept)

    def value(self, labels, valid, logits):
        loss = negative_log_likelihood(labels, valid, logits)
        hard = ops.cast(self._hard(ops.exp(-ops.stop_gradient(loss)), valid), loss.dtype)
        loss, weight = self.weigh(loss, labels, valid, logits)
        return ops.mean(loss * hard) / (ops.mean(weight * hard) + 1e-5)

    def _hard(self, probability, valid):
        if self.min_kept == 0:
            return valid
        probability = ops.where(valid, ops.minimum(probability, 1.0), 2.0)  # ignored pixels come last
        limit = at_least_kth_smallest(probability, self.min_kept, self.threshold)
        mine = ops.sum(ops.cast(valid, "int32")) > self.min_kept
        return ops.logical_and(valid, ops.logical_or(probability < limit, ops.logical_not(mine)))

    def get_config(self):
        return {**super().get_config(), "threshold": self.threshold, "min_kept": self.min_kept}


@keras.saving.register_keras_serializable("keras_liteseg")
class FocalLoss(CrossEntropy):
    """Mean over the valid pixels of (1 - p) ** gamma times the cross-entropy, where p is the probability of the true
    class.

    Pixels that the network is sure of count little: with gamma 2 and p = 0.9 a hundredth. The class weights are the
    paper's alpha. As in `CrossEntropy`, the mean is the sum over the sum of the weights of the pixels' classes, so that
    with gamma 0 both losses are equal; the paper divides by the number of objects. Label smoothing changes the
    cross-entropy, not the factor before it.

    Source: T.-Y. Lin, P. Goyal, R. Girshick, K. He and P. Dollar, Focal Loss for Dense Object Detection, 2017, arXiv
    1708.02002, equation 5; for pixels and with a softmax.

    Args:
        gamma: 0 or more; the paper's choice is 2.
        class_weights, label_smoothing: as of `CrossEntropy`.

    Raises:
        UserError: as `CrossEntropy`.
    """

    def __init__(self, gamma=2.0, class_weights=None, label_smoothing=0.0, name="focal_loss"):
        super().__init__(class_weights, label_smoothing, name)
        if not 0 <= gamma < np.inf:
            raise UserError(f"The focal gamma is {gamma}; it must be 0 or more.")
        self.gamma = gamma

    def weigh(self, loss, labels, valid, logits):
        # 1 - p without the digits that a difference of numbers near 1 loses, and above 0, where the slope of a power
        # below 1 is infinite.
        doubt = ops.maximum(-ops.expm1(-loss), 1e-7)
        loss, weight = super().weigh(loss, labels, valid, logits)
        return loss * doubt**self.gamma, weight

    def get_config(self):
        return {**super().get_config(), "gamma": self.gamma}


@keras.saving.register_keras_serializable("keras_liteseg")
class BoundaryCrossEntropy(CrossEntropy):
    """Mean cross-entropy over the pixels near a boundary between classes; 0 without any.

    Near are the valid pixels within `width` rows and columns of a valid pixel of another class. The border of an
    ignored region is no boundary. It asks of the network's own output what detail guidance (M. Fan et al., Rethinking
    BiSeNet For Real-time Semantic Segmentation, 2021) asks of an extra head: to be right where classes meet. The
    restriction of cross-entropy to boundary pixels is that of PIDNet (J. Xu et al., 2023), which finds them with a
    boundary head; here they come from the labels.

    Args:
        width: pixels, 1 or more; a band has twice this width.
        class_weights, label_smoothing: as of `CrossEntropy`.

    Raises:
        UserError: as `CrossEntropy`.
    """

    def __init__(self, width=3, class_weights=None, label_smoothing=0.0, name="boundary_cross_entropy"):
        super().__init__(class_weights, label_smoothing, name)
        if width != int(width) or width < 1:
            raise UserError(f"The boundary width is {width}; it is a whole number of pixels, 1 or more.")
        self.width = int(width)

    def value(self, labels, valid, logits):
        return self.mean_over(near_boundary(labels, valid, self.width), labels, valid, logits)

    def get_config(self):
        return {**super().get_config(), "width": self.width}


def near_boundary(labels, valid, width):
    """Return bool (N, height, width): the valid pixels within `width` rows and columns of one of another class."""
    labels = ops.cast(labels, "float32")
    nothing = ops.full_like(labels, -np.inf)
    extremes = ops.stack([ops.where(valid, labels, nothing), ops.where(valid, -labels, nothing)], axis=-1)
    for window in ((2 * width + 1, 1), (1, 2 * width + 1)):
        extremes = ops.max_pool(extremes, window, strides=1, padding="same", data_format="channels_last")
    return ops.logical_and(valid, extremes[..., 0] != -extremes[..., 1])


def at_least_kth_smallest(values, k, floor):
    """Return the larger of `floor` and the k-th smallest of `values`, or 1 when fewer than k are below 1.

    Bisects the bit patterns, which order floats of 0 and more as the floats themselves: exact after some 23 counts,
    and a count is far cheaper than a sort.

    Args:
        values: float32 tensor of numbers of 0 or more.
        k: integer, 1 or more.
        floor: number from 0 to 1.
    """
    bits = ops.view(values, "int32")

    def enough(limit):
        return ops.sum(ops.cast(bits <= limit, "int32")) >= k

    def halve(low, high):
        middle = low + (high - low) // 2
        found = enough(middle)
        return ops.where(found, low, middle + 1), ops.where(found, middle, high)

    low, high = (ops.convert_to_tensor(np.float32(bound).view(np.int32)) for bound in (floor, 1))
    # Nothing is left to search when the floor itself is large enough, as it is until the network gets good.
    high = ops.where(enough(low), low, high)
    low, _ = ops.while_loop(lambda low, high: low < high, halve, (low, high))
    return ops.view(low, "float32")
