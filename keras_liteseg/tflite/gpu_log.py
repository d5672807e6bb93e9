"""What LiteRT writes to stderr about its GPU accelerator."""

import re


def refused_ops(log):
    """Return the kinds of op that the accelerator did not take, sorted: "OP: reason", or "OP" where there is none."""
    found = re.search(r"operations are not supported by GPU delegate:\n(.*?)\n[^\n]*operations will", log, re.DOTALL)
    return sorted({line.strip().rstrip(".:") for line in found[1].splitlines()}) if found else []
