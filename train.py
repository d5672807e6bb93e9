"""`liteseg train` of a checkout that is not installed.

python train.py --config demo --output_dir runs/street
python train.py --help
"""

import sys

from keras_liteseg.commands import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
