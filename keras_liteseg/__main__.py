"""`python -m keras_liteseg` is `liteseg`."""

import sys

from keras_liteseg.commands import main

if __name__ == "__main__":
    sys.exit(main())
