"""Extension of griffe that makes the docstrings of this package render well."""

import ast
import re
import textwrap

import griffe

EXAMPLE = re.compile(r"^ *>>> .*(?:\n *\S.*)*", re.MULTILINE)


class Docstrings(griffe.Extension):
    """Fences the examples, and names the words of a `Choice` with their meanings."""

    def on_object(self, *, obj, **arguments):
        if obj.docstring:
            obj.docstring.value = EXAMPLE.sub(_fenced, obj.docstring.value)

    def on_class(self, *, cls, **arguments):
        if cls.docstring and "Choice" in map(str, cls.bases):
            members = [each for name, each in cls.members.items() if name.isupper()]
            pairs = [ast.literal_eval(str(each.value)) for each in members]
            lines = [f'- `"{word}"`: {meaning}' for word, meaning in pairs]
            cls.docstring.value += "\n\n" + "\n".join(lines)


def _fenced(example):
    return f"```pycon\n{textwrap.dedent(example[0])}\n```"
