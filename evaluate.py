"""`liteseg evaluate` of a checkout that is not installed.

python evaluate.py --model runs/camvid/best.keras --data camvid --data_dir DIR --split test
python evaluate.py --help
"""

import sys

from keras_liteseg.commands import main

if __name__ == "__main__":
    sys.exit(main(["evaluate", *sys.argv[1:]]))
