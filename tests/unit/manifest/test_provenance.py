"""Who set a field, and what the API server's strict decoding is turned into."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from executor.manifest import BuiltPod, explain_strict_error
from executor.secret import Secret
from tests.unit.manifest.builders import TEMPLATE, build

SIDECAR = TEMPLATE + "    - {name: sync, image: sync:1, imagePulPolicy: Always}\n"
CONFIG: dict[str, Any] = {
    "secrets": [Secret("env", "TASK_SECRET", "s", "k")],
    "pod_override": {
        "metadata": {"labels": {"cost/center": "1"}},
        "spec": {
            "nodeSelektor": {"pool": "a"},
            "tolerations": [{"key": "a"}],
            "containers": [
                {"name": "proxy", "image": "p", "imagePullPolcy": "Never", "env": [{"name": "A", "vale": "1"}]},
                {"name": "base", "env": [{"name": "LOG", "value": "DEBUG"}]},
            ],
        },
    },
}


@pytest.fixture
def built(tmp_path: Path) -> BuiltPod:
    env = (Secret("env", "SHARED_SECRET", "s", "k"),)
    return build(tmp_path, CONFIG, SIDECAR, worker_image="configured:1", env_secrets=env)


LAYERS: list[Any] = [
    ("spec.containers[base].image", "configuration"),
    ("spec.containers[0].image", "configuration"),
    ("spec.containers[base].env[LOG].value", "pod_override"),
    ("spec.containers[base].env[MODE].value", "podTemplate"),
    ("spec.containers[base].env[1].value", "podTemplate"),
    ("spec.containers[base].env[SHARED_SECRET].valueFrom.secretKeyRef.name", "env_secrets"),
    ("spec.containers[base].env[TASK_SECRET]", 'executor_config["secrets"]'),
    ("spec.containers[base].env[AIRFLOW_IS_K8S_EXECUTOR_POD].value", "executor"),
    ("spec.containers[base].args", "executor"),
    ("spec.containers[base].args[0]", "executor"),
    ("spec.containers[base].terminationMessagePolicy", "executor default"),
    ("spec.containers[1].image", "podTemplate"),
    ("spec.containers[proxy].image", "pod_override"),
    ("spec.tolerations[0].key", "pod_override"),
    ("spec.restartPolicy", "executor"),
    ("metadata.name", "executor"),
    ("metadata.labels.team", "podTemplate"),
    ("metadata.labels[cost/center]", "pod_override"),
    ("spec.containers[base].notSetByAnybody", "executor"),
]


@pytest.mark.parametrize(("path", "layer"), LAYERS)
def test_every_field_knows_its_layer(built: BuiltPod, path: str, layer: str) -> None:
    found = built.provenance.layer_of(path)
    assert found.split(" /")[0] == layer


def test_strict_errors_are_told_with_container_layer_and_right_name(built: BuiltPod, tmp_path: Path) -> None:
    message = (
        'Pod in version "v1" cannot be handled as a Pod: strict decoding error: '
        'unknown field "spec.containers[1].imagePulPolicy", unknown field "spec.containers[2].env[0].vale", '
        'unknown field "spec.nodeSelektor", duplicate field "metadata.name", unknown field "spec.zzzz"'
    )
    unknown = "is a field that this Kubernetes does not know"
    assert explain_strict_error(message, built).split("; did") == [
        f"podTemplate {tmp_path}/pod.yaml: spec.containers[sync].imagePulPolicy {unknown}",
        f" you mean imagePullPolicy?; pod_override: spec.containers[proxy].env[A].vale {unknown}",
        f" you mean value?; pod_override: spec.nodeSelektor {unknown}",
        " you mean nodeSelector?; executor: metadata.name is a field that is given twice; "
        f"executor: spec.zzzz {unknown}",
    ]


def test_other_messages_stay_as_they_are(built: BuiltPod) -> None:
    assert explain_strict_error("pods is forbidden", built) == "pods is forbidden"
