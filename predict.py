"""`liteseg predict` of a checkout that is not installed.

python predict.py --model a.tflite --input street.jpg --output_dir predictions
python predict.py --help
"""

import sys

from keras_liteseg.commands import main

if __name__ == "__main__":
    sys.exit(main(["predict", *sys.argv[1:]]))
