"""PP-LiteSeg: an STDC backbone, pyramid pooling, and a decoder of attention fusions with fewer and fewer channels.

Juncai Peng, Yi Liu, Shiyu Tang, Yuying Hao, Lutao Chu, Guowei Chen, Zewu Wu, Zeyu Chen, Zhiliang Yu, Yuning Du,
Qingqing Dang, Baohua Lai, Qiwen Liu, Xiaoguang Hu, Dianhai Yu, Yanjun Ma: "PP-LiteSeg: A Superior Real-Time Semantic
Segmentation Model" (2022), arXiv 2204.02681.

Deviations
- From the paper: those of the authors' code (PaddleSeg). The pooled context is first fused with the stride-32 map
  itself, which makes three fusions instead of two; auxiliary heads sit on the two coarser fusions; the 1 in 1 - a is a
  stored value that is not trained.
- From the authors' code: the numbers of backbone maps, fusions and heads are fixed at three, and all resizes bilinear.
"""

import keras

from keras_liteseg.choices import is_whole
from keras_liteseg.errors import UserError, suggestion
from keras_liteseg.networks.backbones.stdc import STDC1, STDC2, stdc_backbone
from keras_liteseg.networks.layers import BilinearResize, conv
from keras_liteseg.networks.paddle_layers import conv_bn_relu
from keras_liteseg.networks.registry import register
from keras_liteseg.networks.sppm import sppm
from keras_liteseg.networks.uafm import FUSIONS, uafm

# Outputs of the heads at strides 8, 16 and 32.
OUTPUTS = ("logits", "aux_logits", "aux_logits1")


@register("pp_liteseg_t", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), output_stride=32)
def pp_liteseg_t(
    input_shape,
    num_classes,
    aux_heads,
    fusion="UAFM_SpAtten",
    fusion_channels=(32, 64, 128),
    head_channels=(32, 64, 64),
    sppm_bins=(1, 2, 4),
    sppm_channels=128,
):
    """PP-LiteSeg-T, on STDC1. The options are those of `_pp_liteseg`."""
    options = fusion, fusion_channels, head_channels, sppm_bins, sppm_channels
    return _pp_liteseg("pp_liteseg_t", STDC1, input_shape, num_classes, aux_heads, *options)


@register("pp_liteseg_b", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), output_stride=32)
def pp_liteseg_b(
    input_shape,
    num_classes,
    aux_heads,
    fusion="UAFM_SpAtten",
    fusion_channels=(64, 96, 128),
    head_channels=(64, 64, 64),
    sppm_bins=(1, 2, 4),
    sppm_channels=128,
):
    """PP-LiteSeg-B, on STDC2. The options are those of `_pp_liteseg`."""
    options = fusion, fusion_channels, head_channels, sppm_bins, sppm_channels
    return _pp_liteseg("pp_liteseg_b", STDC2, input_shape, num_classes, aux_heads, *options)


def _pp_liteseg(
    name,
    depths,
    input_shape,
    num_classes,
    aux_heads,
    fusion,
    fusion_channels,
    head_channels,
    sppm_bins,
    sppm_channels,
):
    """Build the network.

    Args:
        name: name of the model.
        depths: modules of the backbone, see `stdc_backbone`.
        input_shape, num_classes, aux_heads: see `create_model`.
        fusion: form of the fusions, a name of `keras_liteseg.networks.uafm.FUSIONS`.
        fusion_channels: channels of the fusions at strides 8, 16 and 32.
        head_channels: channels inside the heads at strides 8, 16 and 32.
        sppm_bins: bins per axis of every branch of the pyramid pooling.
        sppm_channels: channels of the pyramid pooling.

    Raises:
        UserError: an option cannot be used.
    """
    if fusion not in FUSIONS:
        raise UserError(f"There is no fusion '{fusion}'; {suggestion(str(fusion), FUSIONS)}")
    _check_list("fusion_channels", fusion_channels, count=3)
    _check_list("head_channels", head_channels, count=3)
    _check_list("sppm_bins", sppm_bins)
    if not _is_positive(sppm_channels):
        raise UserError(f"sppm_channels is {sppm_channels!r}; it takes a positive whole number.")
    # Python's own, as NumPy's are none to JSON.
    fusion_channels, head_channels, sppm_bins = (
        [*map(int, each)] for each in (fusion_channels, head_channels, sppm_bins)
    )
    sppm_channels = int(sppm_channels)

    images = keras.Input(input_shape, name="images")
    maps = stdc_backbone(images, depths)
    x = sppm(maps[-1], sppm_bins, sppm_channels, sppm_channels, "ppseg_head_cm")
    outputs = []
    for index in (2, 1, 0):  # strides 32, 16 and 8
        x = uafm(maps[index], x, fusion_channels[index], fusion, f"ppseg_head_arm_list_{index}")
        if index == 0 or aux_heads:
            scores = seg_head(x, head_channels[index], num_classes, f"seg_heads_{index}")
            # Logits are float32 under mixed precision too: the loss needs the range.
            resize = BilinearResize(align_corners=False, name=OUTPUTS[index], dtype="float32")
            outputs.insert(0, resize(scores, like=images))
    return keras.Model(images, outputs if aux_heads else outputs[0], name=name)


def seg_head(x, width, num_classes, name):
    """Scores of the classes at the size of `x`: a 3x3 convolution to `width`, a 1x1 convolution without bias."""
    x = conv_bn_relu(x, width, 3, f"{name}_conv")
    return conv(x, num_classes, 1, f"{name}_conv_out")


def _check_list(option, value, count=None):
    if not isinstance(value, list | tuple) or not value or not all(map(_is_positive, value)):
        raise UserError(f"{option} is {value!r}; it takes a list of positive whole numbers.")
    if count is not None and len(value) != count:
        raise UserError(f"{option} is {value!r}; it takes {count} numbers, for strides 8, 16 and 32.")


def _is_positive(value):
    return is_whole(value) and value > 0
