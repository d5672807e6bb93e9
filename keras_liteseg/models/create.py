"""Networks with weights: random ones, those that we publish, or a backbone's."""

from typing import Any

import keras

from keras_liteseg.checkpoints.backbone import load_backbone
from keras_liteseg.choices import require_bool
from keras_liteseg.errors import UserError
from keras_liteseg.files import AnyPath
from keras_liteseg.models.pretrained import load_pretrained, read_card
from keras_liteseg.networks.registry import ImageShape, build_network, resolved_name


def create_model(
    name: str,
    input_shape: ImageShape = (512, 1024, 3),
    num_classes: int | None = None,
    aux_heads: bool = False,
    head: str | None = None,
    weights: str | None = None,
    backbone_weights: AnyPath | None = None,
    averaged: bool = False,
    **options: Any,
) -> keras.Model:
    """Build a network.

        >>> from keras_liteseg import create_model
        >>> create_model("lps_net_tiny", (64, 128, 3), num_classes=9).output.shape
        (None, 64, 128, 9)

    Args:
        name: one of `list_models()`, or of a family such as "lps_net_d1-3-3-10-10_w8-24-48-96-96_r6-2": an LPS-Net with
            these depths, widths and resolutions of its paths in eighths of the image.
        input_shape: (height, width, channels), 3 channels for RGB. Height and width may be None for any size, which
            training uses; a network for export needs both.
        num_classes: number of classes, at least 2; by default those of `weights`, or the 19 of Cityscapes.
        aux_heads: whether the auxiliary heads of the training loss are built. LiteSeg and LPS-Net have none.
        head: head of an NDNet, "ende", "fcn8" or "fcn32": `create_model("ndnet45", head="fcn8")` is
            `create_model("ndnet45_fcn8")`.
        weights: name of weights that we publish, such as "camvid" or "ndnet45/camvid", see
            `keras_liteseg.models.pretrained.list_pretrained`. By default all weights are random. Other channels than
            those of RGB start from its weights, see `keras_liteseg.checkpoints.first_kernel`.
        backbone_weights: weights that the backbone starts from, a file or "imagenet" to download them; see
            `keras_liteseg.checkpoints.load_backbone`.
        averaged: take the averaged weights (EMA) of `backbone_weights`, see `keras_liteseg.load_checkpoint`.
        **options: arguments of the network itself, see its function in `keras_liteseg.networks`.

    Returns:
        A `keras.Model` from normalized float images (N, height, width, channels), see `model_spec(name).mean` and
        `.std`, to logits (N, height, width, num_classes); with `aux_heads`, to the list [logits, auxiliary logits,
        ...], all of that shape.

    Raises:
        UserError: the name, the input shape, the number of classes or an option cannot be used, or Keras is set to
            channels first.
    """
    require_bool("aux_heads", aux_heads)
    require_bool("averaged", averaged)
    if averaged and backbone_weights is None:
        raise UserError("averaged chooses among the weights in a file of backbone_weights; name that too.")
    name = resolved_name(name, head)
    if num_classes is None:
        num_classes = 19 if weights is None else len(read_card(name, weights).metadata.classes)
    model = build_network(name, input_shape, num_classes, aux_heads, **options)
    if backbone_weights is not None:
        load_backbone(model, backbone_weights, averaged)
    if weights is not None:
        load_pretrained(model, weights)
    return model
