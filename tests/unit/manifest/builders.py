"""What the tests of this folder build from: identities, templates in a temporary folder, pods."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from executor.identity import Identity
from executor.manifest import BuiltPod, ManifestSettings, PodBuilder, PodRequest, TemplateSource

IDENTITY = Identity(
    launch_id="3c5f0b0e-8a0e-4d0c-9d7b-3a1d2f4b5c6d",
    attempt=1,
    ti_id="0190c8a2-0000-7000-8000-000000000001",
    dag_id="sales",
    task_id="load",
    run_id="manual__2026-11-20T14:45:11.531198+00:00",
    try_number=2,
    map_index=-1,
    deployment="1f2e3d4c",
    job_id="7",
    airflow_version="3.3.2",
)
ARGS = ("python", "-m", "airflow.sdk.execution_time.execute_workload", "--json-path", "/w/workload.json")

TEMPLATE = """\
apiVersion: v1
kind: Pod
metadata:
  name: placeholder
  labels: {team: data}
spec:
  containers:
    - name: base
      image: worker:1
      env:
        - {name: LOG, value: INFO}
        - {name: MODE, value: batch}
"""


def builder(folder: Path, template: str = TEMPLATE, **settings: Any) -> PodBuilder:
    """A builder whose default template has this text."""
    path = folder / "pod.yaml"
    path.write_text(template)
    return PodBuilder(ManifestSettings(default_template=path, **settings), TemplateSource())


def request(config: Any = None, **values: Any) -> PodRequest:
    """A request for IDENTITY with this executor_config."""
    return replace(PodRequest(IDENTITY, ARGS, config or {}), **values)


def build(folder: Path, config: Any = None, template: str = TEMPLATE, **settings: Any) -> BuiltPod:
    return builder(folder, template, **settings).build(request(config))


def in_base(**fields: Any) -> dict[str, Any]:
    """A pod whose container base has these fields."""
    return {"spec": {"containers": [{"name": "base", **fields}]}}


def container(manifest: dict[str, Any], name: str = "base") -> dict[str, Any]:
    found: dict[str, Any] = next(c for c in manifest["spec"]["containers"] if c["name"] == name)
    return found


def override(**base: Any) -> dict[str, Any]:
    """An executor_config whose pod_override sets these fields of container base."""
    return {"pod_override": in_base(**base)}
