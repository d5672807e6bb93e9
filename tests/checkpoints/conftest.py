"""Fixtures for the readers of weight files."""

import pytest


@pytest.fixture
def written(tmp_path):
    """A function that writes bytes to a file and returns its path."""

    def write(data, name="weights.pth"):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write
