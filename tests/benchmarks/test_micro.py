"""What one pod costs, step by step: build, render, merge, decode, decide.

`make bench` measures; among the other tests each step runs once, and what it gives is checked. CPU time is measured,
of many calls at once, so that neither the machine's other work counts nor the clock's grain.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kubernetes.client import models as k8s

from executor.kube.port import PodChanged
from executor.kube.watch_lines import WatchLines
from executor.manifest import ManifestSettings, PodBuilder, TemplateSource, WorkloadMount
from executor.manifest.merge import strategic_merge
from executor.observe.decide import decide
from executor.observe.decision import NOT_READ, Progress, ReadRow
from tests.benchmarks.answering import sample
from tests.unit.manifest.builders import TEMPLATE, builder, container, request
from tests.unit.manifest.test_build_speed import LARGE
from tests.unit.observe.pods import POLICY, facts, pod

pytestmark = pytest.mark.benchmark(timer=time.process_time)
CALLS = 20  # in one timing
GO = TEMPLATE.replace("team: data", "team: {{ .Values.team | quote }}").replace("worker:1", "w:{{ .Values.tag }}")


def measure(benchmark: Any, call: Callable[[], Any], rounds: int = 50) -> Any:
    """The last result. What the report shows is one call's time: it divides by the calls of a timing."""
    return benchmark.pedantic(call, rounds=rounds, iterations=CALLS, warmup_rounds=1)


def _override() -> k8s.V1Pod:
    resources = k8s.V1ResourceRequirements(requests={"cpu": "500m"}, limits={"memory": "4Gi"})
    return k8s.V1Pod(spec=k8s.V1PodSpec(containers=[k8s.V1Container(name="base", resources=resources)]))


def _build(benchmark: Any, folder: Path, template: str, config: dict[str, Any]) -> dict[str, Any]:
    made = builder(folder, template)
    wanted = request(config, workload_secret=WorkloadMount("batch", "launch", "/var/run/airflow"))
    manifest: dict[str, Any] = measure(benchmark, lambda: made.build(wanted)).manifest
    return container(manifest)


def test_build_small_plain(benchmark: Any, tmp_path: Path) -> None:
    assert _build(benchmark, tmp_path, TEMPLATE, {})["image"] == "worker:1"


def test_build_small_with_override(benchmark: Any, tmp_path: Path) -> None:
    base = _build(benchmark, tmp_path, TEMPLATE, {"pod_override": _override()})
    assert base["resources"]["limits"] == {"memory": "4Gi"}


def test_build_large_plain(benchmark: Any, tmp_path: Path) -> None:
    assert len(_build(benchmark, tmp_path, LARGE, {})["volumeMounts"]) == 16


def test_build_large_with_override(benchmark: Any, tmp_path: Path) -> None:
    base = _build(benchmark, tmp_path, LARGE, {"pod_override": _override()})
    assert base["resources"]["limits"] == {"memory": "4Gi"}


def _chart(folder: Path) -> ManifestSettings:
    """A Go template and its values."""
    (folder / "values.yaml").write_text("team: data\ntag: 7\n")
    (folder / "pod.yaml").write_text(GO)
    return ManifestSettings(default_template=folder / "pod.yaml", pod_template_values=(str(folder / "values.yaml"),))


def test_render_cold(benchmark: Any, tmp_path: Path) -> None:
    """Read, parsed and rendered anew: the first launch after a change."""
    chart = _chart(tmp_path)
    built = measure(benchmark, lambda: PodBuilder(chart, TemplateSource.of(chart)).build(request()), rounds=10)
    assert container(built.manifest)["image"] == "w:7"


def test_render_warm(benchmark: Any, tmp_path: Path) -> None:
    chart = _chart(tmp_path)
    made = PodBuilder(chart, TemplateSource.of(chart))
    assert container(measure(benchmark, lambda: made.build(request())).manifest)["image"] == "w:7"


def test_merge(benchmark: Any) -> None:
    patch = {"spec": {"containers": [{"name": "base", "env": [{"name": "V3", "value": "other"}]}]}}
    template = json.loads(LARGE)
    merged = measure(benchmark, lambda: strategic_merge(template, patch))
    assert {"name": "V3", "value": "other"} in container(merged)["env"]


def test_decode_watch_line(benchmark: Any) -> None:
    line = b'{"type":"MODIFIED","object":' + sample("Running") + b"}\n"
    events = measure(benchmark, lambda: WatchLines("watch").feed(line))
    assert [type(event) for event in events] == [PodChanged]
    assert events[0].pod.status.phase == "Running"


def test_decide_running(benchmark: Any) -> None:
    """Most events change nothing."""
    known, seen = facts(progress=Progress.SEEN), pod({"running": {"startedAt": "2026-01-01T00:00:00Z"}})
    measure(benchmark, lambda: decide(known, seen, True, NOT_READ, 200.0, POLICY))


def test_decide_ended(benchmark: Any) -> None:
    known = facts(progress=Progress.SEEN)
    seen = pod({"terminated": {"exitCode": 0, "finishedAt": "2026-01-01T00:00:09Z"}}, phase="Succeeded")
    assert measure(benchmark, lambda: decide(known, seen, True, NOT_READ, 200.0, POLICY)) == ReadRow()
