"""`liteseg export` of a checkout that is not installed.

  python export_tflite.py --model runs/camvid/best.keras --quantization int8 --data camvid --data_dir DIR \\
      --output a.tflite
  python export_tflite.py --help
"""

import sys

from keras_liteseg.commands import main

if __name__ == "__main__":
    sys.exit(main(["export", *sys.argv[1:]]))
