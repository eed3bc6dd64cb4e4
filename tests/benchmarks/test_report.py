"""The benchmarks' own arithmetic: what they conclude from figures that are known."""

from __future__ import annotations

import threading
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.benchmarks import svg
from tests.benchmarks.budgets import typical, verdicts
from tests.benchmarks.drive import Drive, beat
from tests.benchmarks.plan import sessions
from tests.benchmarks.report import plots, run_table
from tests.benchmarks.spec import Quantiles, Record, Run, quantiles
from tests.benchmarks.wiretap import describe, task_number

POD = b'{"metadata": {"annotations": {"task_id": "task_17"}}}'


def record(subject: str, per_second: float, heartbeat: float = 1.0, scenario: str = "burst", **more: Any) -> Record:
    values: dict[str, Any] = dict.fromkeys(
        ("seconds", "its_cpu_ms", "all_heartbeats_s", "queueing_ms", "client_cpu_s", "peak_mb", "helpers_mb"), 1.0
    )
    values |= {"lost": 0, "heartbeats": 9, "helpers": 0, "server_cpu_s": None, "to_ready": None, "to_reported": None}
    values |= {"to_post": Quantiles(4.0, 60.0, 10), "to_created": None, "calls": {"create pods": 10, "delete pods": 11}}
    run = Run(subject=subject, scenario=scenario, server="local", tasks=10)
    given = {"run": run, "tasks_per_second": per_second, "longest_heartbeat_ms": heartbeat}
    given["longest_on_the_clock_ms"] = heartbeat
    return Record(**{**values, **given, **more})


class Holder:
    """An executor whose heartbeat waits for something."""

    def __init__(self, seconds: float) -> None:
        self._free, self._seconds = threading.Event(), seconds

    def heartbeat(self) -> None:
        self._free.wait(self._seconds)


def test_a_heartbeat_that_waits_for_a_lock_holds_the_scheduler() -> None:
    """Only what it waits for a core is taken off."""
    seen = Drive()
    beat(Holder(0.02), seen)
    (one,) = seen.heartbeats
    assert one.held + one.waited == pytest.approx(one.wall)
    assert one.held >= 0.015
    assert one.cpu < one.wall


def test_quantiles_are_in_ms() -> None:
    assert quantiles([number / 1000 for number in range(1, 102)]) == Quantiles(51.0, 100.0, 101)
    assert quantiles([]) is None


def test_repeated_runs_count_by_their_median_and_their_longest_heartbeat() -> None:
    (one,) = typical([record("ours", 90.0, 2.0), record("ours", 100.0, 3.0), record("ours", 200.0, 30.0)])
    assert (one.tasks_per_second, one.longest_heartbeat_ms) == (100.0, 30.0)


@pytest.mark.parametrize(("ours", "met"), [(90.0, True), (89.0, False)])
def test_the_ratio_is_to_the_bare_client_of_the_same_place(ours: float, met: bool) -> None:
    elsewhere = record("bare", 1.0, run=Run(subject="bare", scenario="burst", server="answers only", tasks=10))
    judged = verdicts([record("ours", ours), record("bare", 100.0), elsewhere], {})
    assert [one.met for one in judged if one.unit == "x"] == [met]


def test_a_missed_budget_is_seen() -> None:
    judged = verdicts(
        [record("ours", 1.0, heartbeat=10.1, scenario="steady 50/s")], {"test_build_small_with_override": 0.2}
    )
    missed = {one.what.split(":")[0] for one in judged if not one.met}
    assert missed == {"longest heartbeat", "queued to POST, p99", "build one pod, small template"}


@pytest.mark.parametrize(
    ("method", "url", "what"),
    [
        ("POST", "https://h/api/v1/namespaces/a/pods?fieldValidation=Strict", "create pods"),
        ("GET", "https://h/api/v1/namespaces/a/pods?labelSelector=x", "list pods"),
        ("GET", "/api/v1/pods?watch=true", "watch pods"),
        ("GET", "/api/v1/namespaces/a/pods/one", "get pods"),
        ("PATCH", "/api/v1/namespaces/a/secrets/one", "patch secrets"),
    ],
)
def test_requests_are_told_apart(method: str, url: str, what: str) -> None:
    assert describe(method, url) == what


def test_a_pod_says_whose_it_is() -> None:
    assert (task_number(POD), task_number(POD.decode()), task_number(None)) == (17, 17, None)


def test_a_chart_is_xml_with_a_bar_for_each_figure() -> None:
    drawn = svg.chart(
        "A < B", "ms", [svg.Bar("one & two", 5.0, "ours"), svg.Bar("none", 0.0, "bare")], limit=10, log=True
    )
    widths = [
        float(one.get("width", 0)) for one in ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}rect")
    ]
    assert len(widths) == 3
    assert widths[1] > widths[2] >= 1


def test_tables_and_plots_of_some_runs() -> None:
    records = [record("ours", 95.0), record("bare", 100.0), record("upstream", 3.0, 400.0)]
    assert "| 0.95 x | 95.0 |" in run_table(records)
    assert "upstream, local" in plots(records)["heartbeat.svg"]


def test_no_run_is_planned_twice_but_those_that_are_repeated() -> None:
    names = [run for session in sessions(real=True) for run in session.runs]
    repeated = {run.name for run in names if names.count(run) > 1}
    assert repeated == {f"{who}, burst, {where}, half-busy" for who in ("bare", "ours") for where in ("local", "real")}
