"""The one exception that means "the user can cure this"."""

import difflib
from collections.abc import Iterable

# Keras lists every object that it could not load.
_LONGEST_REASON = 1500


class UserError(Exception):
    """A mistake in what the user asked for or handed over.

    The message is one sentence or two for a person: what came, what was wanted, what to do. The command line prints
    it without a traceback and exits with status 1 (see `keras_liteseg.commands`); library callers catch it as any
    exception.

        >>> from keras_liteseg import UserError, model_spec
        >>> try:
        ...     model_spec("ndnet4")
        ... except UserError as error:
        ...     print(error)
        There is no model 'ndnet4'; did you mean ndnet45, ndnet61, ndnet29?
    """


def nearest(word: str, known: Iterable[str], count: int = 3) -> str:
    """Return the `known` words that are like `word` in any case, best first, as 'a, b, c'; '' where none is."""
    words = {each.casefold(): each for each in known}
    return ", ".join(words[each] for each in difflib.get_close_matches(word.casefold(), words, n=count, cutoff=0.3))


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return how the message about a `word` that is none of the `known` ones ends: 'did you mean a, b?' with those that
    are like it, or 'there are a, b, c.' with all where none is."""
    known = list(known)
    near = nearest(word, known)
    return f"did you mean {near}?" if near else f"there are {', '.join(sorted(known)) or 'none'}."


def reason(error: BaseException) -> str:
    """Return what an exception of a library says, all its lines as one: Keras names layers and shapes in later ones."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _LONGEST_REASON else text[:_LONGEST_REASON] + " ..."
