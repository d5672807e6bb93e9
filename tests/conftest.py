"""Fixtures for all tests."""

import pathlib

import pytest


@pytest.fixture(scope="session")
def shared():
    """The folder of real data and fixtures beside the repository; without it the test is skipped."""
    path = pathlib.Path(__file__).resolve().parents[2] / "shared"
    if not path.is_dir():
        pytest.skip("../shared is not here")
    return path
