"""`liteseg demo` of a checkout that is not installed: `make demo`.

python demo.py --output_dir demo_output
python demo.py --help
"""

import sys

from keras_liteseg.commands import main

if __name__ == "__main__":
    sys.exit(main(["demo", *sys.argv[1:]]))
