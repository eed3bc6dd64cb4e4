"""Hypothesis as the tests of this project want it: what is slow is slow, and not wrong."""

from __future__ import annotations

from hypothesis import HealthCheck, settings


def load() -> None:
    """Set what every test has that says nothing else; to be called before its module is imported.

    By default an example that takes longer than 200 ms fails its test, as one may on any machine that others use, too.
    """
    settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("patient")
