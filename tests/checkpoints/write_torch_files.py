"""Write the files `torch_*.pth` of `files/` with PyTorch; those in the repository are of PyTorch 2.13.

python -m tests.checkpoints.write_torch_files FOLDER
"""

import argparse
import collections
import datetime
import pathlib
import sys
import types

import numpy as np
import torch

WEIGHT = torch.arange(6, dtype=torch.float32).reshape(2, 3) / 8
STATE = collections.OrderedDict(weight=WEIGHT, bias=torch.tensor([1.0, -1.0]))
AVERAGES = collections.OrderedDict(weight=WEIGHT + 1, bias=torch.tensor([2.0, -2.0]))
# What training programs save beside the weights.
BESIDE = {
    "epoch": np.int64(3),
    "best": np.float64(0.5),
    "word": np.str_("x"),
    "args": argparse.Namespace(lr=0.1, output=pathlib.Path("runs/a"), size=(3, 4), decay=np.float32(1)),
    "settings": types.SimpleNamespace(a=1),
    "shape": WEIGHT.shape,
    "path": pathlib.PurePosixPath("a/b"),
    "set": {"a", "b"},
    "frozen": frozenset((1, 2)),
    "by_name": collections.defaultdict(list, {"x": [1]}),
    "counts": collections.Counter("aab"),
    "when": datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
    "device": torch.device("cpu"),
    "dtype": torch.float32,
    "array": np.arange(3.0),
    "version": torch.__version__,
    "complex": 1 + 2j,
    "large": 2**70,
}


def main(folder):
    folder = pathlib.Path(folder)
    saved = BESIDE | {"state_dict": STATE}
    torch.save(saved, folder / "torch_beside.pth")
    torch.save(saved, folder / "torch_beside_legacy.pth", _use_new_zipfile_serialization=False)
    torch.save(saved, folder / "torch_beside_protocol_4.pth", pickle_protocol=4)
    config = {"name": "tiny", "width": 4}
    torch.save(
        {"model": config, "net": {}, "state_dict": STATE, "state_dict_ema": AVERAGES}, folder / "torch_averages.pth"
    )
    torch.serialization.set_crc32_options(False)
    torch.save(STATE, folder / "torch_without_crc.pth")


if __name__ == "__main__":
    main(sys.argv[1])
