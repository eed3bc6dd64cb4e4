"""The cluster policy in a real DAG parse: what it rewrites survives, what would become text is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[3]

HEAD = """
from airflow.providers.cncf.kubernetes.secret import Secret as UpstreamSecret
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG
from kubernetes.client import models as k8s
from executor import Secret

def bash(task_id, config):
    return BashOperator(task_id=task_id, bash_command="true", executor_config=config)
"""

GOOD = (
    HEAD
    + """
RESOURCES = k8s.V1ResourceRequirements(limits={"cpu": 0.5})
BASE = k8s.V1Container(name="base", resources=RESOURCES)

with DAG("good"):
    bash("own_secret", {"secrets": [Secret("env", "A", "s", "k")]})
    bash("upstream_secret", {"secrets": [UpstreamSecret("env", "a", "s", "k")]})
    bash("v1pod", {"pod_override": k8s.V1Pod(spec=k8s.V1PodSpec(containers=[BASE]))})
    bash("plain", {"pod_override": {"spec": {"containers": [{"name": "base", "resources": {"limits": {"cpu": 0.5}}}]}}})
    bash("models_in_dict", {"pod_override": {"spec": {"containers": [BASE]}}})
    bash("text", {"pod_override": "spec: {containers: [{name: base, resources: {limits: {cpu: 0.5}}}]}"})
    bash("other_executor", {"CeleryExecutor": {"queue": "x"}, "overrides": {"a": [1]}})
    bash("nothing", None)
    bash("empty", {"pod_override": [], "secrets": None, "pod_template_file": None})
    BashOperator.partial(
        task_id="mapped", executor_config={"secrets": [UpstreamSecret("env", "a", "s", "k")]}
    ).expand(bash_command=["true", "false"])
"""
)

BAD = {
    "not_a_dict": ("['x']", "executor_config of task 't' in DAG 'bad_not_a_dict': is a list; write a dict"),
    "a_list_of_pods": ("{'pod_override': [1]}", "pod_override: is a list, which would become text; write a V1Pod"),
    "a_container": (
        "{'pod_override': k8s.V1Container(name='base')}",
        "pod_override: is a V1Container, which would become text; write a V1Pod, a dict or YAML text",
    ),
    "bad_yaml": ("{'pod_override': 'a: ['}", "pod_override: line 2, column 1: did not find expected node content"),
    "not_a_pod": ("{'pod_override': {'kind': 'Job'}}", "pod_override: kind is 'Job'; write kind: Pod"),
    "a_set": (
        "{'pod_override': {'spec': {'x': {1}}}}",
        "pod_override: spec.x is a set, which has no meaning in a pod; write texts, numbers, lists and dicts",
    ),
    "a_secret_like": ("{'secrets': [object()]}", 'executor_config["secrets"]: [0] is a object, which has no meaning'),
}


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = tmp_path_factory.mktemp("home")
    dags = home / "dags"
    dags.mkdir()
    (dags / "good.py").write_text(GOOD)
    for name, (config, _) in BAD.items():
        (dags / f"{name}.py").write_text(f"{HEAD}\nwith DAG('bad_{name}'):\n    bash('t', {config})\n")
    return _parse(home, dags)


def _parse(home: Path, dags: Path) -> dict[str, Any]:
    """Airflow finds the policy as it does when the distribution is installed: by its entry point."""
    metadata = home / "path" / "airflow_pod_executor-0.1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: airflow-pod-executor\nVersion: 0.1.0\n")
    (metadata / "entry_points.txt").write_text("[airflow.policy]\nexecutor = executor.dag_policy\n")
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONPATH": f"{REPOSITORY}:{metadata.parent}",
    }
    command = [sys.executable, "-m", "tests.unit.manifest.parse_dags", str(dags)]
    done = subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


@pytest.mark.parametrize("task", ["own_secret", "upstream_secret", "mapped"])
def test_secrets_reach_the_pod(parsed: dict[str, Any], task: str) -> None:
    name = "A"
    assert parsed["bases"][task]["env"][0] == {"name": name, "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}


@pytest.mark.parametrize("task", ["v1pod", "plain", "models_in_dict", "text"])
def test_overrides_reach_the_pod(parsed: dict[str, Any], task: str) -> None:
    """Airflow itself makes texts of a V1Pod's quantities."""
    assert float(parsed["bases"][task]["resources"]["limits"]["cpu"]) == 0.5


@pytest.mark.parametrize("task", ["other_executor", "nothing", "empty"])
def test_other_executors_tasks_pass(parsed: dict[str, Any], task: str) -> None:
    assert parsed["bases"][task]["name"] == "base"


@pytest.mark.parametrize("name", BAD)
def test_what_would_break_later_is_refused_at_parse(parsed: dict[str, Any], name: str) -> None:
    assert set(parsed["errors"]) == {f"{bad}.py" for bad in BAD}
    assert BAD[name][1] in parsed["errors"][f"{name}.py"]
    assert "AirflowClusterPolicyViolation" in parsed["errors"][f"{name}.py"]
