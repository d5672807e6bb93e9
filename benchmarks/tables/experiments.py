"""The trainings that the pages show, in their order."""

# Name of the config and the results: (what it is, what the training started from).
EXPERIMENTS = {
    "ndnet45_cityscapes": ("NDNet45, official weights, 2 Cityscapes val frames (1024x2048)", ""),
    "ndnet45_camvid_finetuned": ("NDNet45, CamVid test, from the official Cityscapes weights", "Cityscapes"),
    "ndnet45_camvid_finetuned_720x960": (
        "NDNet45, CamVid test at 720x960, the one above trained further",
        "the one above",
    ),
    "ndnet45_camvid_finetuned_720x960_gpu": (
        "NDNet45, CamVid test at 720x960, from the official Cityscapes weights, on a GPU",
        "Cityscapes",
    ),
    "ndnet45_camvid_finetuned_trainval_864x1152": (
        "NDNet45, CamVid test at 864x1152, from the official Cityscapes weights, train and val",
        "Cityscapes",
    ),
    "ndnet45_camvid_finetuned_trainval_864x1152_cutmix": (
        "NDNet45, CamVid test at 864x1152, from the official Cityscapes weights, train and val, mixed pictures",
        "the one above, itself the teacher",
    ),
    "ndnet45_camvid_scratch": ("NDNet45, CamVid test, from scratch", "scratch"),
    "ndnet45_camvid_distilled_720x960": (
        "NDNet45, CamVid test at 720x960, from scratch, distilled",
        "the one above, distilled",
    ),
    "ndnet45_camvid_trainval_720x960": (
        "NDNet45, CamVid test at 720x960, from scratch, train and val",
        "scratch at 360x480",
    ),
    "ndnet45_camvid_trainval_distilled_720x960": (
        "NDNet45, CamVid test at 720x960, from scratch, train and val, distilled",
        "the one above, distilled",
    ),
    "ndnet45_camvid_trainval_distilled_864x1152": (
        "NDNet45, CamVid test at 864x1152, from scratch, train and val, distilled",
        "the one above, distilled",
    ),
    "ndnet45_camvid_trainval_distilled_864x1152_cutmix": (
        "NDNet45, CamVid test at 864x1152, from scratch, train and val, distilled, mixed pictures",
        "the one above, distilled",
    ),
    "ndnet45_camvid_trainval_distilled_864x1152_cutmix_weighted": (
        "NDNet45, CamVid test at 864x1152, the same with class weights",
        "the same, distilled",
    ),
    "ndnet45_camvid_trainval_distilled_864x1152_second_teacher": (
        "NDNet45, CamVid test at 864x1152, from scratch, train and val, distilled, taught further by a second teacher",
        "the same, distilled",
    ),
    "ndnet45_camvid_trainval_720x960_gpu": (
        "NDNet45, CamVid test at 720x960, from scratch, train and val, on a GPU",
        "scratch",
    ),
    "pp_liteseg_t_camvid_scratch": ("PP-LiteSeg-T, CamVid test at 384x512, from scratch", "scratch"),
    "pp_liteseg_t_camvid_trainval_720x960": (
        "PP-LiteSeg-T, CamVid test at 720x960, from scratch, train and val",
        "scratch",
    ),
    "liteseg_mobilenetv2_camvid_scratch": (
        "LiteSeg-MobileNetV2, CamVid test at 384x512, from scratch",
        "scratch",
    ),
    "liteseg_mobilenetv2_camvid_distilled_576x768": (
        "LiteSeg-MobileNetV2, CamVid test at 576x768, from scratch, distilled",
        "the one above, distilled",
    ),
    "liteseg_mobilenetv2_camvid_trainval_720x960": (
        "LiteSeg-MobileNetV2, CamVid test at 720x960, from scratch, train and val",
        "scratch",
    ),
    "lps_net_s_camvid_scratch": ("LPS-Net-S, CamVid test, from scratch", "scratch"),
    "lps_net_s_camvid_distilled_720x960": (
        "LPS-Net-S, CamVid test at 720x960, from scratch, distilled",
        "the one above, distilled",
    ),
    "lps_net_s_camvid_trainval_720x960": ("LPS-Net-S, CamVid test at 720x960, from scratch, train and val", "scratch"),
    "lps_net_expanded_camvid_scratch": ("LPS-Net of the expansion's round 7, CamVid test, from scratch", "scratch"),
    "lps_net_expanded_round8_camvid_scratch": (
        "LPS-Net of the expansion's round 8, CamVid test, from scratch",
        "scratch",
    ),
    "lps_net_expanded_camvid_trainval_720x960": (
        "LPS-Net of the expansion's round 7, CamVid test at 720x960, from scratch, train and val",
        "scratch",
    ),
}

# What README.md shows of them: per network and start that at the size of the labels, the best, and what has every file.
HEADLINES = (
    "ndnet45_cityscapes",
    "ndnet45_camvid_finetuned",
    "ndnet45_camvid_finetuned_720x960",
    "ndnet45_camvid_finetuned_trainval_864x1152_cutmix",
    "ndnet45_camvid_scratch",
    "ndnet45_camvid_trainval_720x960",
    "ndnet45_camvid_trainval_distilled_864x1152_cutmix",
    "pp_liteseg_t_camvid_scratch",
    "pp_liteseg_t_camvid_trainval_720x960",
    "liteseg_mobilenetv2_camvid_scratch",
    "liteseg_mobilenetv2_camvid_distilled_576x768",
    "lps_net_s_camvid_scratch",
    "lps_net_s_camvid_trainval_720x960",
    "lps_net_expanded_camvid_scratch",
    "lps_net_expanded_camvid_trainval_720x960",
)
KINDS = {"int8": "int8, post-training", "int8_qat": "int8, quantization-aware", "int16x8": "16x8, post-training"}
