"""Rows of the examples in the guides to the KubernetesPodOperator, and of its decorators."""

from __future__ import annotations

from typing import Any

from airflow.sdk import task
from kubernetes.client import models as k8s

from tests.operators.kpo.container_rows import resource_env
from tests.operators.kpo.pod_rows import constraints
from tests.operators.kpo.row import Kwargs, Place, Row, Seen

HELLO, MULTIPLY = "haskell-hello:1", "multiply-by-23:1"
EXTRACT, TRANSFORM, LOAD = "@task.kubernetes", "the ETL pipeline", "@task.kubernetes_cmd"


def _extract(place: Place, kwargs: Kwargs) -> Any:
    @task.kubernetes(**kwargs)
    def extract_data_point(first: int, second: int) -> int:
        import os

        print("extracting in", os.uname().nodename)
        return first + second

    return extract_data_point(20, second=3)


def _load(place: Place, kwargs: Kwargs) -> Any:
    @task.kubernetes_cmd(args_only=True, **kwargs)
    def load_data(ti: Any = None) -> list[str]:
        found = ti.xcom_pull(task_ids=place.task_of(TRANSFORM))
        return ["{{ ti.task_id }}", str(found)]

    return load_data()


def _greeted(seen: Seen) -> None:
    assert "Hello, Ada" in seen.log


def _transform(place: Place) -> Kwargs:
    pull = f"{{{{ ti.xcom_pull(task_ids='{place.task_of(EXTRACT)}') }}}}"
    return {"image": MULTIPLY, "env_vars": {"DATA_POINT": pull}, "do_xcom_push": True}


def _multiplied(seen: Seen) -> None:
    assert seen.xcom == {"return_value": str(23 * 23)}


def _extracted(seen: Seen) -> None:
    assert seen.xcom == 23
    assert f"extracting in {seen.pod.name}" in seen.log


def _loaded(seen: Seen) -> None:
    assert f"argument {seen.task}" in seen.log
    assert f"argument {{'return_value': '{23 * 23}'}}" in seen.log


def _on_the_gpu_node(seen: Seen) -> None:
    assert seen.pod.spec["nodeName"] == "right"


def _resources(place: Place) -> Kwargs:
    amounts = {"cpu": "800m", "memory": "3Gi"}
    return {
        "container_resources": k8s.V1ResourceRequirements(limits=amounts, requests=amounts),
        "pod_runtime_info_envs": [resource_env("CPU", "limits.cpu"), resource_env("MEMORY", "limits.memory")],
    }


def _roomy(seen: Seen) -> None:
    assert f"1 {3 << 30}" in seen.said("task-level resources")
    assert seen.pod.spec["nodeName"] == "plain"


ROWS = (
    Row(
        "a program that is not Python",
        "an awk program, run by the image itself, reads NAME_TO_GREET and prints `Hello, Ada`",
        _greeted,
        lambda place: {"image": HELLO, "env_vars": {"NAME_TO_GREET": "Ada"}},
    ),
    Row(
        EXTRACT,
        "the function's source ran in a container; its arguments went there, its result came back as XCom",
        _extracted,
        lambda place: {"image": "tools:1", "do_xcom_push": True},
        make=_extract,
    ),
    Row(
        TRANSFORM,
        "DATA_POINT is the XCom of the task before; times 23 it comes back as XCom",
        _multiplied,
        _transform,
        after=(EXTRACT,),
    ),
    Row(
        LOAD,
        "the function ran in the worker; what it returned, that XCom in it, are the arguments of the image's program",
        _loaded,
        lambda place: {"image": HELLO},
        make=_load,
        after=(TRANSFORM,),
    ),
    Row(
        "node constraints",
        "selector, affinity, toleration and port leave one node of four",
        _on_the_gpu_node,
        constraints,
        "true",
    ),
    Row(
        "task-level resources",
        "800m of CPU and 3Gi of memory, as in the guide: the container sees its limits, on a node that has them",
        _roomy,
        _resources,
        "echo $CPU $MEMORY",
    ),
)
