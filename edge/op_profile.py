"""Times of the single ops of a model. Goes onto the device with `edge/runner.py`."""


def profile(model, threads, accelerator, runs):
    """Return {"ops": [...]} or {"unsupported": reason}."""
    return {"unsupported": "not written yet"}
