#!/bin/sh
# torchmetrics 1.9.0 (torch 2.13.0): segmentation.MeanIoU is not the mIoU of Cityscapes, CamVid and the papers.
#
# Expected: intersections and unions are added up over all pictures, then divided, then averaged over the classes, as
# MulticlassJaccardIndex of the same package does; a label map given where one-hot maps are wanted is refused.
# Seen, for the same two label maps of two classes, 4 of 16 pixels wrong:
#   MulticlassJaccardIndex                       0.600
#   MeanIoU with input_format="index"            0.375: an IoU for each picture, then their mean, in which a class that
#                                                a picture hardly has counts as much as one that fills it
#   MeanIoU as it is made without input_format   0.500, without a warning: the rows of the label maps
#                                                count as classes and the class numbers as one-hot values
# So: take MulticlassJaccardIndex(num_classes, ignore_index=255) for numbers that are compared with published ones.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet torch==2.13.0 torchmetrics==1.9.0 numpy==2.4.6
cat > miou.py <<'PYTHON'
import torch
from torchmetrics.classification import MulticlassJaccardIndex
from torchmetrics.segmentation import MeanIoU

truth = torch.tensor([[[0, 0, 0, 0], [0, 0, 0, 1]], [[0, 1, 1, 1], [1, 1, 1, 1]]])
labels = torch.tensor([[[0, 0, 0, 0], [0, 0, 1, 0]], [[1, 0, 1, 1], [1, 1, 1, 1]]])


def score(metric):
    metric.update(labels, truth)
    print(f"{type(metric).__name__}: {metric.compute():.4f}")
    return metric.compute().item()


added_up = score(MulticlassJaccardIndex(2))
per_picture = score(MeanIoU(num_classes=2, input_format="index"))
taken_for_one_hot = score(MeanIoU(num_classes=5))

inside = [((labels == k) & (truth == k)).sum().item() / ((labels == k) | (truth == k)).sum().item() for k in (0, 1)]
assert abs(added_up - sum(inside) / 2) < 1e-6
assert abs(added_up - per_picture) > 0.1
assert abs(added_up - taken_for_one_hot) > 0.01 and abs(per_picture - taken_for_one_hot) > 0.01
PYTHON
venv/bin/python miou.py
