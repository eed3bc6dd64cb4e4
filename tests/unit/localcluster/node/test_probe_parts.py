"""Probes without a container: their settings, how results add up, ports."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.localcluster.node.handlers import PortError, port_number
from executor.localcluster.node.probes import Probe, Tally, probe_of

PROBE = Probe("readiness", {}, 0, 1, 1, successes=2, failures=3, grace=None)


def test_settings_and_their_defaults() -> None:
    handler = {"exec": {"command": ["x"]}, "periodSeconds": 3, "terminationGracePeriodSeconds": 0}
    probe = probe_of({"livenessProbe": handler}, "liveness")
    assert probe == Probe("liveness", handler, 0, 3, 1, 1, 3, 0)
    assert probe_of({"livenessProbe": handler}, "startup") is None


@pytest.mark.parametrize(
    ("results", "counted"),
    [
        ("ffff", "..xx"),
        ("fsfff", "....x"),
        ("sfss", "...x"),
        ("ssff", ".x.."),
    ],
)
def test_results_count_when_there_are_enough_in_a_row(results: str, counted: str) -> None:
    tally = Tally(PROBE)
    assert "".join("x" if tally.add(result == "s") else "." for result in results) == counted


@given(st.lists(st.booleans(), max_size=30), st.integers(1, 5))
def test_with_thresholds_of_one_every_result_counts(results: list[bool], failures: int) -> None:
    every = Tally(replace(PROBE, successes=1, failures=1))
    assert all(every.add(result) for result in results)
    some = Tally(replace(PROBE, successes=1, failures=failures))
    counted = [some.add(result) for result in results]
    assert all(yes for yes, result in zip(counted, results, strict=True) if result)


@pytest.mark.parametrize(("port", "number"), [(80, 80), ("81", 81), ("web", 82)])
def test_ports(port: object, number: int) -> None:
    assert port_number(port, {"ports": [{"name": "web", "containerPort": 82}]}) == number


def test_unknown_ports_are_named() -> None:
    with pytest.raises(PortError, match='parsing "http"'):
        port_number("http", {"ports": [{"name": "web", "containerPort": 82}]})
