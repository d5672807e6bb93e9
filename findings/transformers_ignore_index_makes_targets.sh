#!/bin/sh
# transformers 5.24.0 (Hugging Face): the processors of MaskFormer, Mask2Former and EoMT with ignore_index=255, which is
# the number of unlabelled pixels in the masks.
#
# Expected: those pixels are left out, and the classes keep their numbers.
# Seen, without a warning:
#   MaskFormer, Mask2Former: the targets of 0 and 1 are padded with 255 where another picture of the batch is larger.
#     The losses take 255 for how much a pixel belongs to the class; a mask of 16 pixels sums up to 16336 here.
#   EoMT: class 0 is left out, and every other number goes down by one, as if labels were to be reduced: class 1 is
#     learnt as class 0, and unlabelled pixels as class 254.
# So: for the first two, set what is 2 or more in mask_labels to 0, or hand over pictures of one size. For EoMT, leave
#   ignore_index out, and drop the mask whose class_labels is 255.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet torch==2.14.1 torchvision==0.29.1 transformers==5.24.0 pillow==13.0.0 numpy==2.4.6
cat > targets.py <<'PYTHON'
import numpy as np
from transformers import EomtImageProcessor, Mask2FormerImageProcessor, MaskFormerImageProcessor

small, large = np.zeros((8, 8), np.uint8), np.ones((8, 16), np.uint8)
small[2:4], small[4:6], small[6:] = 1, 2, 255
ONES = {0: 16, 1: 16, 2: 16}  # how many pixels each class has in the small picture


def areas(processor, *labels):
    """Give the sum of the target of each class, and the values that occur, of the first picture."""
    pictures = [np.zeros((*mask.shape, 3), np.uint8) for mask in labels]
    made = processor(images=pictures, segmentation_maps=list(labels), return_tensors="pt")
    classes, masks = made["class_labels"][0].tolist(), made["mask_labels"][0]
    found = dict(zip(classes, masks.flatten(1).sum(1).int().tolist(), strict=True))
    print(type(processor).__name__, [mask.shape for mask in labels], found, "values", masks.unique().tolist())
    return found, masks.unique().tolist()


for processor in (MaskFormerImageProcessor, Mask2FormerImageProcessor):
    processor = processor(do_resize=False, size_divisor=0, ignore_index=255)
    assert areas(processor, small) == (ONES, [0, 1])
    assert areas(processor, small, large) == ({k: 16 + 64 * 255 for k in ONES}, [0, 1, 255])
plain = {"do_resize": False, "do_pad": False}
assert areas(EomtImageProcessor(**plain), small) == ({**ONES, 255: 16}, [0, 1])
assert areas(EomtImageProcessor(ignore_index=255, **plain), small) == ({0: 16, 1: 16, 254: 16}, [0, 1])
PYTHON
venv/bin/python targets.py
