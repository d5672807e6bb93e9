"""The trainings that the pages show, in their order."""

import dataclasses

from benchmarks.tables import ROOT


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A training, under the name of its config.

    Attributes:
        network: what the pages call the network.
        how: what it was trained from and on.
        start: the name of the training that it starts from, or what else.
        teacher: the name of the training of the network that taught it, or "".
        split: the split that the accuracy is of.
    """

    network: str
    how: str
    start: str
    teacher: str = ""
    split: str = "test"


_FINE = "ndnet45_camvid_finetuned"
_SCRATCH = "ndnet45_camvid_trainval"
# What a training starts from that is none of ours, and what that has seen.
_BEFORE = {"scratch": "", "ImageNet": "ImageNet", "Cityscapes": "Cityscapes", "official weights": "Cityscapes"}
EXPERIMENTS = {
    "ndnet45_cityscapes": Experiment("NDNet45", "official weights, Cityscapes", "official weights", split="val"),
    _FINE: Experiment("NDNet45", "from Cityscapes", "Cityscapes"),
    f"{_FINE}_720x960": Experiment("NDNet45", "from Cityscapes, in two steps", _FINE),
    f"{_FINE}_720x960_gpu": Experiment("NDNet45", "from Cityscapes, on a GPU", "Cityscapes"),
    f"{_FINE}_trainval_864x1152": Experiment("NDNet45", "from Cityscapes, train and val", "Cityscapes"),
    f"{_FINE}_trainval_864x1152_cutmix": Experiment(
        "NDNet45",
        "from Cityscapes, train and val, CutMix",
        f"{_FINE}_trainval_864x1152",
        f"{_FINE}_trainval_864x1152",
    ),
    f"{_FINE}_trainval_distilled_864x1152": Experiment(
        "NDNet45",
        "from Cityscapes, train and val, distilled, CutMix",
        "Cityscapes",
        "liteseg_mobilenetv2_camvid_trainval_672x896",
    ),
    f"{_FINE}_trainval_distilled_864x1152_dice": Experiment(
        "NDNet45",
        "from Cityscapes, train and val, distilled, CutMix, copy-paste, Dice",
        "Cityscapes",
        "liteseg_mobilenetv2_camvid_trainval_672x896_dice",
    ),
    "ndnet45_camvid_scratch": Experiment("NDNet45", "from scratch", "scratch"),
    f"{_SCRATCH}_720x960": Experiment("NDNet45", "from scratch, train and val", "ndnet45_camvid_scratch"),
    f"{_SCRATCH}_distilled_720x960": Experiment(
        "NDNet45",
        "from scratch, train and val, distilled",
        f"{_SCRATCH}_720x960",
        f"{_FINE}_trainval_864x1152",
    ),
    f"{_SCRATCH}_distilled_864x1152": Experiment(
        "NDNet45",
        "from scratch, train and val, distilled",
        f"{_SCRATCH}_distilled_720x960",
        f"{_FINE}_trainval_864x1152",
    ),
    f"{_SCRATCH}_distilled_864x1152_cutmix": Experiment(
        "NDNet45",
        "from scratch, train and val, distilled, CutMix",
        f"{_SCRATCH}_distilled_864x1152",
        f"{_FINE}_trainval_864x1152",
    ),
    f"{_SCRATCH}_distilled_imagenet_720x960": Experiment(
        "NDNet45",
        "from scratch, train and val, distilled, CutMix",
        f"{_SCRATCH}_720x960",
        "liteseg_mobilenetv2_camvid_trainval_672x896",
    ),
    f"{_SCRATCH}_distilled_imagenet_720x960_dice": Experiment(
        "NDNet45",
        "from scratch, train and val, distilled, CutMix, Dice",
        f"{_SCRATCH}_distilled_imagenet_720x960",
        "liteseg_mobilenetv2_camvid_trainval_672x896",
    ),
    f"{_SCRATCH}_distilled_360x480_dice": Experiment(
        "NDNet45",
        "from scratch, train and val, distilled, CutMix, Dice",
        f"{_SCRATCH}_distilled_imagenet_720x960_dice",
        "liteseg_mobilenetv2_camvid_trainval_672x896",
    ),
    "pp_liteseg_t_camvid_scratch": Experiment("PP-LiteSeg-T", "from scratch", "scratch"),
    "pp_liteseg_t_camvid_trainval_720x960": Experiment("PP-LiteSeg-T", "from scratch, train and val", "scratch"),
    "pp_liteseg_t_camvid_trainval_distilled_384x512": Experiment(
        "PP-LiteSeg-T",
        "from scratch, train and val, distilled, CutMix",
        "pp_liteseg_t_camvid_scratch",
        "liteseg_mobilenetv2_camvid_trainval_672x896",
    ),
    "pp_liteseg_t_camvid_trainval_distilled_384x512_dice": Experiment(
        "PP-LiteSeg-T",
        "from scratch, train and val, distilled, CutMix, Dice",
        "pp_liteseg_t_camvid_trainval_distilled_384x512",
        "liteseg_mobilenetv2_camvid_trainval_672x896",
    ),
    "pp_liteseg_t_camvid_trainval_distilled_384x512_dice_longer": Experiment(
        "PP-LiteSeg-T",
        "from scratch, train and val, distilled, CutMix, Dice, longer",
        "pp_liteseg_t_camvid_trainval_distilled_384x512_dice",
        "liteseg_mobilenetv2_camvid_trainval_672x896",
    ),
    "liteseg_mobilenetv2_camvid_scratch": Experiment("LiteSeg-MobileNetV2", "from scratch", "scratch"),
    "liteseg_mobilenetv2_camvid_distilled_576x768": Experiment(
        "LiteSeg-MobileNetV2",
        "from scratch, distilled",
        "liteseg_mobilenetv2_camvid_scratch",
        f"{_FINE}_720x960",
    ),
    "liteseg_mobilenetv2_camvid_imagenet_576x768": Experiment(
        "LiteSeg-MobileNetV2", "from ImageNet, CutMix", "ImageNet"
    ),
    "liteseg_mobilenetv2_camvid_trainval_672x896": Experiment(
        "LiteSeg-MobileNetV2",
        "from ImageNet, train and val, CutMix",
        "liteseg_mobilenetv2_camvid_imagenet_576x768",
    ),
    "liteseg_mobilenetv2_camvid_trainval_672x896_dice": Experiment(
        "LiteSeg-MobileNetV2",
        "from ImageNet, train and val, CutMix, copy-paste, Dice",
        "liteseg_mobilenetv2_camvid_trainval_672x896",
    ),
    "liteseg_shufflenet_camvid_trainval_distilled_576x768": Experiment(
        "LiteSeg-ShuffleNet",
        "from scratch, train and val, distilled, CutMix",
        "scratch",
        "liteseg_mobilenetv2_camvid_trainval_672x896",
    ),
    "liteseg_shufflenet_camvid_trainval_distilled_576x768_longer": Experiment(
        "LiteSeg-ShuffleNet",
        "from scratch, train and val, distilled, CutMix, longer",
        "liteseg_shufflenet_camvid_trainval_distilled_576x768",
        "liteseg_mobilenetv2_camvid_trainval_672x896",
    ),
    "liteseg_shufflenet_camvid_trainval_distilled_576x768_dice": Experiment(
        "LiteSeg-ShuffleNet",
        "from scratch, train and val, distilled, CutMix, Dice",
        "liteseg_shufflenet_camvid_trainval_distilled_576x768_longer",
        "liteseg_mobilenetv2_camvid_trainval_672x896",
    ),
    "lps_net_s_camvid_scratch": Experiment("LPS-Net-S", "from scratch", "scratch"),
    "lps_net_s_camvid_trainval_720x960": Experiment("LPS-Net-S", "from scratch, train and val", "scratch"),
    "lps_net_s_camvid_trainval_distilled_720x960": Experiment(
        "LPS-Net-S",
        "from scratch, train and val, distilled, CutMix",
        "lps_net_s_camvid_trainval_720x960",
        "liteseg_mobilenetv2_camvid_trainval_672x896",
    ),
    "lps_net_s_camvid_trainval_distilled_720x960_copy_paste": Experiment(
        "LPS-Net-S",
        "from scratch, train and val, distilled, CutMix, copy-paste",
        "lps_net_s_camvid_trainval_distilled_720x960",
        "liteseg_mobilenetv2_camvid_trainval_672x896",
    ),
    "lps_net_s_camvid_trainval_distilled_720x960_dice": Experiment(
        "LPS-Net-S",
        "from scratch, train and val, distilled, CutMix, copy-paste, Dice",
        "lps_net_s_camvid_trainval_distilled_720x960_copy_paste",
        "liteseg_mobilenetv2_camvid_trainval_672x896",
    ),
    "lps_net_expanded_camvid_scratch": Experiment("LPS-Net, found by expansion", "from scratch", "scratch"),
    "lps_net_expanded_camvid_trainval_720x960": Experiment(
        "LPS-Net, found by expansion", "from scratch, train and val", "scratch"
    ),
    "lps_net_expanded_camvid_trainval_distilled_720x960": Experiment(
        "LPS-Net, found by expansion",
        "from scratch, train and val, distilled, CutMix",
        "lps_net_expanded_camvid_trainval_720x960",
        "liteseg_mobilenetv2_camvid_trainval_672x896",
    ),
}

# What README.md shows: of each family the best, and the best that is published.
HEADLINES = (
    f"{_FINE}_trainval_864x1152_cutmix",
    f"{_SCRATCH}_distilled_imagenet_720x960_dice",
    "pp_liteseg_t_camvid_trainval_distilled_384x512_dice_longer",
    "lps_net_s_camvid_trainval_distilled_720x960_dice",
    "lps_net_expanded_camvid_trainval_distilled_720x960",
    "liteseg_mobilenetv2_camvid_trainval_672x896_dice",
    "liteseg_shufflenet_camvid_trainval_distilled_576x768_dice",
)
KINDS = {"int8": "int8, post-training", "int8_qat": "int8, quantization-aware", "int16x8": "16x8, post-training"}


def config_path(name):
    """Return the path of a config file, relative to the root of the project, wherever it lies in configs/.

    Raises:
        FileNotFoundError: there is none of that name.
    """
    found = sorted((ROOT / "configs").rglob(f"{name}.yaml"))
    if not found:
        raise FileNotFoundError(f"No config in configs/ is named {name}.yaml; results/ has a training of that name.")
    return found[0].relative_to(ROOT)


def seen_by(name, trainings):
    """Return what the weights of a training have learned from, over all trainings that it started from, and what its
    teachers had seen besides, in words such as 'CamVid train and val (teacher: Cityscapes)'.

    Args:
        name: of the training.
        trainings: {name: its row of trainings.csv}.
    """
    own, taught = _seen(name, trainings)
    besides = [each for each in taught if each not in own]
    return _words(own) + (f" (teacher: {_words(besides)})" if besides else "")


def _seen(name, trainings):
    """Return what the weights have learned from themselves, and what their teachers had seen, in order."""
    if name not in EXPERIMENTS:
        return [_BEFORE[name]] if _BEFORE[name] else [], []
    experiment = EXPERIMENTS[name]
    own, taught = _seen(experiment.start, trainings)
    if name in trainings:
        own = own + [
            f"CamVid {split}" for split in trainings[name]["train_split"].replace("trainval", "train val").split()
        ]
    if experiment.teacher:
        taught = taught + [each for part in _seen(experiment.teacher, trainings) for each in part]
    return list(dict.fromkeys(own)), list(dict.fromkeys(taught))


def _words(seen):
    return ", ".join(seen).replace("CamVid train, CamVid val", "CamVid train and val")
