"""BDD100K: F. Yu et al., BDD100K: A Diverse Driving Dataset for Heterogeneous Multitask Learning, CVPR 2020.

The semantic segmentation of its 10k images, which has the 19 classes of Cityscapes.
"""

from keras_liteseg.datasets.cityscapes import CLASSES, train_id_table
from keras_liteseg.datasets.folder import FileDataset, pair_by_name, require_folder, unread_pictures


class BDD100K(FileDataset):
    """The official layout, `images/10k/SPLIT/*.jpg` and `labels/sem_seg/masks/SPLIT/*.png`.

    Masks hold the train ids 0 to 18, and 255 for void. The 'test' split is published without masks.

    Raises:
        UserError: `data_dir` is not a folder or has no images of the split.
    """

    def __init__(self, data_dir, split="train"):
        root = require_folder(data_dir)
        self._folders = root / "images/10k" / split, root / "labels/sem_seg/masks" / split
        pairs = pair_by_name(*self._folders)
        super().__init__("bdd100k", split, CLASSES, pairs, train_id_table(), root=self._folders[0])

    def left_out(self):
        return unread_pictures(self.pairs(), *self._folders)
