"""Interpreting the pickles of weight files, without running them.

A pickle is a program, so a checkpoint from the internet must not reach `pickle.Unpickler`. Restricting `find_class`
stops it from calling functions, but not from hashing a tuple that is nested a million deep (the interpreter crashes) or
from naming memo slot 2**30 (it takes 16 GB). `interpret` therefore follows the few instructions that weight files need
itself: it calls nothing, hashes only strings and memo numbers, and builds only plain values. What a name in the file
stands for, and what calling or building it gives, is up to the reader of the file format.
"""

import dataclasses
import pickletools

from keras_liteseg.checkpoints.refusal import needless, quoted

# A tensor takes about 40 instructions, so this allows for some 50,000 tensors and bounds what a hostile file can cost.
_MAX_INSTRUCTIONS = 2_000_000
_MAX_DIMENSIONS = 32

_ORDERED_DICT = object()

# What a value that no weights need stands for on the stack: it is carried along and never looked at.
_SKIPPED = object()

# Names of such values, which training programs save beside the weights: settings, results, places, times.
_SKIPPED_NAMES = {
    "_codecs.encode",
    "argparse.Namespace",
    "types.SimpleNamespace",
    *(f"collections.{name}" for name in ("Counter", "defaultdict", "deque")),
    *(f"datetime.{name}" for name in ("date", "datetime", "time", "timedelta", "timezone")),
    *(
        f"{module}.{name}"
        for module in ("builtins", "__builtin__")  # protocol 2 has Python 2's names
        for name in ("bool", "complex", "dict", "float", "frozenset", "int", "list", "set", "str", "tuple")
    ),
    *(
        f"{module}.{name}"
        for module in ("pathlib", "pathlib._local")
        for name in ("Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath", "PureWindowsPath")
    ),
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
    *(f"numpy.{core}.numeric._frombuffer" for core in ("core", "_core")),
    *("numpy.dtype", "numpy.ndarray"),
    *("torch.Size", "torch.device", "torch.torch_version.TorchVersion"),
    *(
        f"torch.{name}"
        for name in ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
    ),
    "lightning.fabric.utilities.data.AttributeDict",
    "lightning_fabric.utilities.data.AttributeDict",
    "pytorch_lightning.utilities.parsing.AttributeDict",
}


@dataclasses.dataclass(eq=False)
class Dictionary:
    """A dictionary as a list of pairs, because hashing what a file gives as key is not safe."""

    items: list


def interpret(stream, names, call, build=None, refer=None):
    """Interpret one pickle and leave `stream` behind it.

    The instructions are those with which the pickle protocols 2 to 5 write data; `pickletools` describes them.

    Args:
        stream: binary stream in memory, at the pickle.
        names: what each global that the file may ask for, as 'module.name', stands for on the stack; besides them it
            may ask for those that training programs save beside weights, which are skipped.
        call: function (callee, arguments) that returns what the call of an entry of `names` stands for; `callee` may
            be any value, `arguments` is a tuple.
        build: function (value, state) for an instruction that sets the state of a value; without it, such instructions
            do nothing.
        refer: function (identity) that returns what a persistent id stands for; without it, they are refused.

    Returns:
        None, a number, a string, bytes, what `call` and `refer` return, an object of its own for what is skipped, or a
        tuple, list or `Dictionary` of these.

    Raises:
        Refused: for any other instruction, or a name that is not in `names`.
        ValueError, LookupError, TypeError: the pickle makes no sense.
    """
    names = dict.fromkeys(_SKIPPED_NAMES, _SKIPPED) | names | {"collections.OrderedDict": _ORDERED_DICT}
    stack, marks, memo = [], [], {}

    def pop_to_mark():
        start = marks.pop()
        values = stack[start:]
        del stack[start:]
        return values

    def into(kind):
        """Return the list of the object on top to put values into; for one that is skipped, a list for nothing."""
        if stack[-1] is _SKIPPED:
            return []
        return stack[-1] if kind is list else checked(stack[-1], kind).items

    def find(name):
        if name not in names:
            raise needless(quoted(name))
        return names[name]

    for index, (instruction, argument, _) in enumerate(pickletools.genops(stream)):
        if index == _MAX_INSTRUCTIONS:
            raise needless(f"more than {_MAX_INSTRUCTIONS:,} pickle instructions")
        match instruction.name:
            case "PROTO" | "FRAME":
                pass
            case "STOP":
                return stack.pop()
            case "MARK":
                marks.append(len(stack))

            case "NONE":
                stack.append(None)
            case "NEWTRUE":
                stack.append(True)
            case "NEWFALSE":
                stack.append(False)
            # LONG4 is not among them: arithmetic with numbers of millions of digits takes too long.
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT":
                stack.append(argument)
            case "SHORT_BINUNICODE" | "BINUNICODE" | "BINUNICODE8":
                stack.append(argument)
            case "SHORT_BINBYTES" | "BINBYTES" | "BINBYTES8" | "BYTEARRAY8":
                stack.append(argument)

            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                values = [stack.pop() for _ in range(int(instruction.name[-1]))]
                stack.append(tuple(reversed(values)))
            case "TUPLE":
                stack.append(tuple(pop_to_mark()))

            case "EMPTY_LIST":
                stack.append([])
            case "APPEND":
                value = stack.pop()
                checked(into(list), list).append(value)
            case "APPENDS":
                values = pop_to_mark()
                checked(into(list), list).extend(values)

            case "EMPTY_DICT":
                stack.append(Dictionary([]))
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                into(Dictionary).append((key, value))
            case "SETITEMS":
                values = pop_to_mark()
                pairs = zip(values[::2], values[1::2], strict=True)
                into(Dictionary).extend(pairs)

            case "EMPTY_SET":
                stack.append(_SKIPPED)
            case "ADDITEMS":
                pop_to_mark()
                if stack[-1] is not _SKIPPED:
                    raise ValueError("elements of a set for something else")
            case "FROZENSET":
                pop_to_mark()
                stack.append(_SKIPPED)

            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])

            case "GLOBAL":
                stack.append(find(argument.replace(" ", ".", 1)))
            case "STACK_GLOBAL":
                name, module = stack.pop(), stack.pop()
                stack.append(find(f"{checked(module, str)}.{checked(name, str)}"))
            case "REDUCE":
                arguments, callee = checked(stack.pop(), tuple), stack.pop()
                if callee is _SKIPPED:
                    stack.append(_SKIPPED)
                elif callee is _ORDERED_DICT and not arguments:
                    stack.append(Dictionary([]))
                else:
                    stack.append(call(callee, arguments))
            case "NEWOBJ":
                checked(stack.pop(), tuple)
                if stack[-1] is not _SKIPPED:
                    raise needless("an object of a class")
            case "BUILD":
                state = stack.pop()
                if build and stack[-1] is not _SKIPPED:
                    build(stack[-1], state)
            case "BINPERSID" if refer:
                stack.append(refer(stack.pop()))

            case "INST":
                raise needless(quoted(argument.replace(" ", ".", 1)))
            case other:
                raise needless(f"the pickle instruction '{other}'")


def checked(value, kind):
    """Return `value`, which must be of the type `kind`."""
    if not isinstance(value, kind):
        raise TypeError(f"a {type(value).__name__} where a {kind.__name__} belongs")
    return value


def checked_sizes(sizes):
    """Return `sizes`, a shape or strides, which must be a tuple of a few numbers from 0."""
    if len(checked(sizes, tuple)) > _MAX_DIMENSIONS or any(checked(size, int) < 0 for size in sizes):
        raise ValueError("too many dimensions or a negative size or stride")
    return sizes
