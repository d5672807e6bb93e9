"""Progress bars, on a terminal alone."""

import sys


class _NoProgress:
    """What takes the place of a bar where nobody sees it, without the time that it takes to import tqdm."""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def update(self, count=1):
        """Do nothing."""


def progress_bar(shown=True, **options):
    """Return a bar for a `with` block, whose `update()` counts: one of tqdm's with these options on a terminal.

    Args:
        shown: whether to show it on a terminal either.
        **options: for `tqdm.tqdm`.
    """
    if not shown or sys.stderr is None or not sys.stderr.isatty():
        return _NoProgress()
    from tqdm import tqdm

    return tqdm(file=sys.stderr, **options)
