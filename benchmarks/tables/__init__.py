"""The tables of README.md and docs/, written from results/ and pretrained/."""

import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
