"""Where a model can be measured.

A target is written SCHEME:ADDRESS, such as host:cpu. Each scheme is one module here, with one function:

    connect(address) -> device
        Checks the address, before anything is measured. Raises `UserError` when it makes no sense or does not answer.

and the two things it leads to:

    device.start(model, threads, timeout_s) -> session
        Starts a fresh process on the device for the file `model`.
    session.ask(line) -> dict
        Sends one line of the protocol of `edge/runner.py` and returns the answer. Raises `MeasurementFailed` when the
        model fails, the process dies or no answer comes within `timeout_s` seconds; the session is then over.
    session.close()
        Ends the process; may be called twice.

The benchmark asks one session at a time, but keeps all of them loaded to the end.
"""

import importlib

from keras_liteseg.errors import UserError

TARGETS = {"host": ("edge.targets.host_cpu", "host:cpu")}
"""Scheme: (module, how such a target is written)."""


class MeasurementFailed(Exception):
    """One model could not be measured; the message is the reason. Others may go on."""


def connect(target):
    """Return the device that `target` names.

    Raises:
        UserError: there is no such target.
    """
    scheme, _, address = target.partition(":")
    if scheme not in TARGETS:
        forms = ", ".join(form for _, form in TARGETS.values())
        raise UserError(f"Unknown target '{target}'; choose from {forms}.")
    module, _ = TARGETS[scheme]
    return importlib.import_module(module).connect(address)
