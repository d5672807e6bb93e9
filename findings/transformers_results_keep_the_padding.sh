#!/bin/sh
# transformers 5.24.0 (Hugging Face): post_process_semantic_segmentation of MaskFormer and Mask2Former.
#
# Expected: for a network that is right, the class maps of target_sizes are those of the pictures, whatever other
#   pictures are in the batch, as in the authors' code, which cuts the padding off first.
# Seen, without a warning: pictures of a batch are padded below and to the right up to the largest one, and what comes
#   out is brought to the size of the picture with its padding. One by one, all pixels are right. A landscape and a
#   portrait picture of 64 x 96 in one batch, each with a class in every quarter, have half of their pixels right:
#   everything lies at two thirds of its place. There is no argument that says which part is the picture.
# So: give one picture at a time, or pictures of one size; or cut masks_queries_logits of each picture first.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet torch==2.13.0 transformers==5.24.0 pillow==13.0.0 numpy==2.4.6
cat > padding.py <<'PYTHON'
import numpy as np
import torch
from transformers import Mask2FormerImageProcessorPil, MaskFormerImageProcessorPil
from transformers.models.mask2former.modeling_mask2former import Mask2FormerForUniversalSegmentationOutput
from transformers.models.maskformer.modeling_maskformer import MaskFormerForInstanceSegmentationOutput

CLASSES = 4


def shares(processor, output, maps, cut=False):
    """Return the share of right pixels of each picture, of a network that is right in all."""
    pictures = [np.zeros((*each.shape, 3), np.uint8) for each in maps]
    sizes = [each.shape for each in processor(images=pictures, return_tensors="pt").pixel_mask]
    found = []
    for n, each in enumerate(maps):
        masks = torch.full((1, CLASSES, *sizes[n]), -20.0)
        for k in range(CLASSES):
            masks[0, k, : each.shape[0], : each.shape[1]][torch.from_numpy(each == k)] = 20.0
        if cut:
            masks = masks[:, :, : each.shape[0], : each.shape[1]]
        classes = torch.eye(CLASSES, CLASSES + 1)[None] * 20
        result = output(class_queries_logits=classes, masks_queries_logits=masks)
        (labels,) = processor.post_process_semantic_segmentation(result, target_sizes=[each.shape])
        found.append(round(float((labels.numpy() == each).mean()), 2))
    return found

pairs = {
    MaskFormerImageProcessorPil: MaskFormerForInstanceSegmentationOutput,
    Mask2FormerImageProcessorPil: Mask2FormerForUniversalSegmentationOutput,
}
landscape = np.kron(np.arange(CLASSES).reshape(2, 2), np.ones((32, 48))).astype(np.uint8)
batch = [landscape, landscape.T.copy()]
for processor, output in pairs.items():
    processor = processor(do_resize=False, size_divisor=0)
    alone = [*shares(processor, output, batch[:1]), *shares(processor, output, batch[1:])]
    together, cut = shares(processor, output, batch), shares(processor, output, batch, cut=True)
    print(type(processor).__name__, "alone", alone, "in a batch", together, "with the padding cut off", cut)
    assert alone == cut == [1.0, 1.0] and all(0.4 < share < 0.6 for share in together)
PYTHON
venv/bin/python padding.py
