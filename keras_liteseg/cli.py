"""What every command line of the project shares: clean errors, exit status, quiet TensorFlow."""

import os
import sys

# TensorFlow's C++ start-up notes bury the output that matters; errors still show.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

from absl import app, flags

from keras_liteseg.errors import UserError


def run(main, required=()):
    """Run `main()` as an absl app: a `UserError` becomes one sentence on stderr and exit status 1, Ctrl-C 130.

    Args:
        main: a function without arguments that reads `flags.FLAGS`.
        required: names of flags that must be given.
    """
    flags.mark_flags_as_required(list(required))

    def guarded(arguments):
        if len(arguments) > 1:
            print(f"error: unexpected argument {arguments[1]!r}; see --help", file=sys.stderr)
            sys.exit(2)
        try:
            main()
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(1)
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            sys.exit(130)

    app.run(guarded)


def parse_size(text):
    """Return (height, width) from 'HEIGHTxWIDTH', such as '512x1024'.

    Raises:
        UserError: `text` has another form.
    """
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.strip().isdigit() and int(part) > 0 for part in parts):
        raise UserError(f"'{text}' is not a size; write HEIGHTxWIDTH in pixels, for example 512x1024.")
    return int(parts[0]), int(parts[1])
