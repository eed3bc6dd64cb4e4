"""Building a pod takes at most 0.15 ms (small template) and 0.8 ms (large), each with a V1Pod override of resources.

The figures are medians, the best of several rounds, so that a busy machine does not decide; a slow one has more time.
"""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path
from typing import Any

import pytest
from kubernetes.client import models as k8s

from executor.manifest import PodBuilder, WorkloadMount
from tests.unit.manifest.builders import TEMPLATE, builder, container, request
from tests.unit.slowness import slowness

ROUNDS, BUILDS = 7, 200


def _env(count: int) -> list[dict[str, Any]]:
    plain = [{"name": f"V{n}", "value": f"value {n}"} for n in range(count - count // 4)]
    secret = {"secretKeyRef": {"name": "s", "key": "k"}}
    return plain + [{"name": f"S{n}", "valueFrom": secret} for n in range(count // 4)]


def _container(name: str, env: int) -> dict[str, Any]:
    mounts = [{"name": f"v{n}", "mountPath": f"/mnt/{n}"} for n in range(15)]
    resources = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "2Gi"}}
    return {"name": name, "image": f"{name}:1", "env": _env(env), "volumeMounts": mounts, "resources": resources}


LARGE = json.dumps(
    {
        "metadata": {"labels": {f"l{n}": "x" for n in range(10)}},
        "spec": {
            "initContainers": [_container("init-a", 5), _container("init-b", 5)],
            "containers": [_container("base", 40), _container("sync", 8), _container("proxy", 7)],
            "volumes": [{"name": f"v{n}", "emptyDir": {"sizeLimit": "1Gi"}} for n in range(15)],
            "tolerations": [{"key": "a", "operator": "Exists"}],
            "nodeSelector": {"pool": "a"},
            "serviceAccountName": "worker",
        },
    }
)


def _override() -> k8s.V1Pod:
    resources = k8s.V1ResourceRequirements(requests={"cpu": "500m"}, limits={"memory": "4Gi"})
    return k8s.V1Pod(spec=k8s.V1PodSpec(containers=[k8s.V1Container(name="base", resources=resources)]))


def _median_ms(made: PodBuilder) -> float:
    mount = WorkloadMount("batch", "launch", "/var/run/airflow")
    wanted = [request({"pod_override": _override()}, workload_secret=mount) for _ in range(BUILDS)]
    rounds = []
    for _ in range(ROUNDS):
        times = []
        for one in wanted:
            start = time.perf_counter()
            made.build(one)
            times.append(time.perf_counter() - start)
        rounds.append(statistics.median(times) * 1000)
    return min(rounds)


@pytest.mark.parametrize(("template", "budget"), [(TEMPLATE, 0.15), (LARGE, 0.8)], ids=["small", "large"])
def test_building_a_pod_keeps_its_budget(
    tmp_path: Path, template: str, budget: float, capsys: pytest.CaptureFixture[str]
) -> None:
    made = builder(tmp_path, template)
    pod = made.build(request({"pod_override": _override()})).manifest
    assert container(pod)["resources"]["limits"]["memory"] == "4Gi"

    measured = _median_ms(made)

    with capsys.disabled():
        print(f"\nbuild one pod, template of {len(template)} characters: {measured:.3f} ms (budget {budget} ms)")
    assert measured <= budget * slowness()
