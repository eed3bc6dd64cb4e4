"""Names, labels and annotations: valid, deterministic, and upstream's wherever upstream's are valid."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from airflow.providers.cncf.kubernetes.pod_generator import PodGenerator, make_safe_label_value

from executor import identity
from tests.unit.manifest.builders import IDENTITY

RUN_ID = "manual__2026-11-20T14:45:11.531198+00:00"
TASK = replace(IDENTITY, task_id="group.load", run_id=RUN_ID, map_index=3, airflow_version="3.3.2+local")
DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")


def test_labels_hold_upstreams_and_ours() -> None:
    upstream = PodGenerator.build_labels_for_k8s_executor_pod(
        dag_id="sales", task_id="group.load", try_number=2, airflow_worker=7, map_index=3, run_id=RUN_ID
    )
    found = identity.labels(TASK)
    assert upstream.items() <= (found | {"airflow_version": upstream.get("airflow_version")}).items()
    assert found == upstream | {
        "airflow_version": "3.3.2-local",
        "airflow_executor_done": "True",
        "airflow-deployment": "1f2e3d4c",
        "airflow-launch": TASK.launch_id,
        "ti_id": TASK.ti_id,
    }


def test_annotations_hold_the_ids_as_they_are() -> None:
    assert identity.annotations(replace(TASK, dag_id="группа")) == {
        "dag_id": "группа",
        "task_id": "group.load",
        "run_id": RUN_ID,
        "try_number": "2",
        "map_index": "3",
        "task_instance_id": TASK.ti_id,
        "attempt": "1",
    }


def test_a_task_that_is_not_mapped_has_no_map_index() -> None:
    task = replace(TASK, map_index=-1)
    assert "map_index" not in identity.labels(task)
    assert "map_index" not in identity.annotations(task)


def test_callbacks_can_be_selected() -> None:
    assert identity.labels(replace(TASK, kind="callback"))[identity.KIND_LABEL] == "callback"
    assert identity.KIND_LABEL not in identity.labels(TASK)


NAMES = [
    ("sales", "group.load", "sales-group-load-"),
    ("группа", "з", "gruppa-z-"),
    ("_x", "_y_", "x-y-"),
    ("_", "*", "task-"),
    ("d" * 250, "t" * 250, "d" * 46 + "-"),
    ("d" * 45, "t", "d" * 45 + "-"),
]


@pytest.mark.parametrize(("dag_id", "task_id", "prefix"), NAMES)
def test_names_are_readable_and_valid(dag_id: str, task_id: str, prefix: str) -> None:
    name = identity.pod_name(replace(TASK, dag_id=dag_id, task_id=task_id))
    assert DNS_LABEL.fullmatch(name)
    assert re.fullmatch(re.escape(prefix) + "[0-9a-f]{16}", name)


def test_a_name_belongs_to_one_attempt_of_one_launch() -> None:
    name = identity.pod_name(TASK)
    assert identity.pod_name(replace(TASK)) == name
    others = [replace(TASK, attempt=2), replace(TASK, launch_id="other"), replace(TASK, attempt=11)]
    assert len({name, *map(identity.pod_name, others)}) == 4


SAFE_VALUES = [
    ("", ""),
    ("plain", "plain"),
    ("_x_", "x-c72b28028"),
    ("группа", "x-19c2885d8"),
    (RUN_ID, "manual__2026-11-20T144511.5311980000-2f235cd76"),
]


@pytest.mark.parametrize(("text", "value"), SAFE_VALUES)
def test_safe_values(text: str, value: str) -> None:
    assert identity.safe_label_value(text) == value


@pytest.mark.parametrize("text", ["", "a", "_x", "x_", "a b", "a" * 63, "a" * 64, "." * 70 + "a" * 70, "é", "a.b-c_d"])
def test_safe_values_are_upstreams_where_those_are_valid(text: str) -> None:
    upstream = make_safe_label_value(text)
    assert LABEL_VALUE.fullmatch(identity.safe_label_value(text))
    if LABEL_VALUE.fullmatch(upstream):
        assert identity.safe_label_value(text) == upstream


def test_selectors_find_the_labels() -> None:
    found = identity.labels(TASK)
    for selector in (identity.task_selector(TASK.ti_id), identity.deployment_selector(TASK.deployment)):
        key, _, value = selector.partition("=")
        assert found[key] == value
