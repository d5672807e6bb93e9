"""The loss of a config."""

import keras

from keras_liteseg.errors import UserError
from keras_liteseg.training.losses.base import PixelLoss
from keras_liteseg.training.losses.cross_entropy import BoundaryCrossEntropy, CrossEntropy, FocalLoss, OhemCrossEntropy
from keras_liteseg.training.losses.overlap import Dice, Lovasz


@keras.saving.register_keras_serializable("keras_liteseg")
class SegmentationLoss(PixelLoss):
    """Weighted sum of losses: a cross-entropy of weight 1, and those of the others whose weight is not 0.

    Args:
        loss: 'cross_entropy', 'ohem' or 'focal'.
        ohem_threshold, ohem_min_kept: `threshold` and `min_kept` of `OhemCrossEntropy`.
        class_weights, label_smoothing: of every cross-entropy in the sum, see `CrossEntropy`.
        dice_weight, lovasz_weight, boundary_weight: weights of `Dice`, `Lovasz` and `BoundaryCrossEntropy`, 0 or more.
        boundary_width: `width` of `BoundaryCrossEntropy`, pixels.
        focal_gamma: `gamma` of `FocalLoss`.

    Raises:
        UserError: an option is unknown or out of range.
    """

    def __init__(
        self,
        loss="cross_entropy",
        ohem_threshold=0.7,
        ohem_min_kept=10_000,
        class_weights=None,
        label_smoothing=0.0,
        dice_weight=0.0,
        lovasz_weight=0.0,
        boundary_weight=0.0,
        boundary_width=3,
        focal_gamma=2.0,
        name="segmentation_loss",
    ):
        super().__init__(name)
        shared = {"class_weights": class_weights, "label_smoothing": label_smoothing}
        main = {
            "cross_entropy": CrossEntropy(**shared),
            "ohem": OhemCrossEntropy(ohem_threshold, ohem_min_kept, **shared),
            "focal": FocalLoss(focal_gamma, **shared),
        }
        if loss not in main:
            raise UserError(f"loss is '{loss}'; known are {', '.join(main)}.")
        terms = {
            "dice_weight": (dice_weight, Dice()),
            "lovasz_weight": (lovasz_weight, Lovasz()),
            "boundary_weight": (boundary_weight, BoundaryCrossEntropy(boundary_width, **shared)),
        }
        for option, (weight, _) in terms.items():
            if not 0 <= weight < float("inf"):
                raise UserError(f"{option} is {weight}; it must be 0 or more.")
        self._terms = [(1.0, main[loss])]
        self._terms += [(weight, term) for weight, term in terms.values() if weight]
        self._config = {
            "loss": loss,
            "ohem_threshold": ohem_threshold,
            "ohem_min_kept": ohem_min_kept,
            "class_weights": main[loss].class_weights,
            "label_smoothing": label_smoothing,
            "dice_weight": dice_weight,
            "lovasz_weight": lovasz_weight,
            "boundary_weight": boundary_weight,
            "boundary_width": boundary_width,
            "focal_gamma": focal_gamma,
        }

    def value(self, labels, valid, logits):
        return sum(weight * term.value(labels, valid, logits) for weight, term in self._terms)

    def get_config(self):
        return {**super().get_config(), **self._config}
