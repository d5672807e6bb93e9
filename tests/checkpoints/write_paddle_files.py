"""Write the files `paddle_bfloat16*.pdparams` of `files/` with Paddle; those in the repository are of Paddle 3.3.

python -m tests.checkpoints.write_paddle_files FOLDER
"""

import pathlib
import sys

import numpy as np
import paddle


def main(folder):
    folder = pathlib.Path(folder)
    weight, bias = np.arange(6, dtype="float32").reshape(3, 2) / 8 - 0.25, np.array([1, -1], "float32")
    state = {
        name: paddle.to_tensor(value).astype("bfloat16") for name, value in {"weight": weight, "bias": bias}.items()
    }
    paddle.save(state, str(folder / "paddle_bfloat16.pdparams"))
    paddle.save(
        {"epoch": 3, "model": state, "miou": np.float64(0.5)},
        str(folder / "paddle_bfloat16_nested.pdparams"),
        protocol=2,
    )


if __name__ == "__main__":
    main(sys.argv[1])
