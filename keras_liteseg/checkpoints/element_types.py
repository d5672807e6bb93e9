"""The types of numbers that weight files hold."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class ElementType:
    """A type by NumPy's name for it without byte order, such as 'f4', or bfloat16, which NumPy lacks."""

    code: str

    @property
    def itemsize(self):
        return 2 if self is BFLOAT16 else int(self.code[-1])

    def decode(self, data, order="<"):
        """Return the numbers in `data`, stored in the byte order `order` ('<' or '>'), as a native array (count,).

        It is a read-only view of `data` where the machine has the same order and type; bfloat16 becomes float32.

        Raises:
            ValueError: `data` is no whole number of elements.
        """
        if self is BFLOAT16:
            # A bfloat16 is the upper half of a float32.
            return (np.frombuffer(data, f"{order}u2").astype(np.uint32) << 16).view(np.float32)
        array = np.frombuffer(data, f"{order}{self.code}")
        return array.astype(array.dtype.newbyteorder("="), copy=False)


NUMERIC = {code: ElementType(code) for code in ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")}
BFLOAT16 = ElementType("bfloat16")
