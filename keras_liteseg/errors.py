"""The one exception that means "the user can cure this"."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake in what the user asked for or handed over.

    The message is one sentence or two for a person: what came, what was wanted, what to do. The command line prints
    it without a traceback and exits with status 1 (see `keras_liteseg.cli`); library callers catch it as any exception.
    """


def nearest(word: str, known: Iterable[str], count: int = 3) -> str:
    """Return `known` words most like `word`, best first, as 'a, b, c' for an error message."""
    matches = difflib.get_close_matches(word, list(known), n=count, cutoff=0.3)
    return ", ".join(matches) or ", ".join(sorted(known))
