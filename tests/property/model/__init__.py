"""A naive model of the loyalty engine, written from the published semantics alone; the oracle of tests/property/run.py."""
from .engine import Model  # noqa: F401
