"""`liteseg expand` of a checkout that is not installed.

  python expand.py --budget_ms 20 --config lps_net_s_cityscapes --data_dir DIR --candidate_epochs 5 \\
      --output_dir runs/search
  python expand.py --help
"""

import sys

from keras_liteseg.commands import main

if __name__ == "__main__":
    sys.exit(main(["expand", *sys.argv[1:]]))
