"""`doctor` on an API server that enforces roles: all is well, and then one thing is not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from secrets import token_hex
from typing import Any
from uuid import uuid4

import pytest
import yaml
from airflow.jobs.job import Job, JobState
from airflow.sdk.timezone import utcnow
from airflow.utils.session import create_session
from kubernetes import client

from executor.airflow_config import read_settings
from executor.cli.doctor.command import examine
from executor.cli.doctor.finding import Finding, Verdict
from executor.demo.cluster import LocalCluster
from executor.identity import Identity, labels
from executor.kube.check import VERBS
from tests.cluster.in_process import database, run
from tests.unit.cli.conftest import Run

__all__ = ["database", "run"]  # fixtures

Json = dict[str, Any]
ACCOUNT = "scheduler"
GRANTED = [{"apiGroups": [""], "resources": [name], "verbs": list(verbs)} for name, verbs in VERBS.items()]
READS = [
    {"apiGroups": [""], "resources": [name], "verbs": ["get", "list"]}
    for name in ("configmaps", "serviceaccounts", "persistentvolumeclaims", "resourcequotas", "limitranges")
]
TEMPLATE: Json = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "worker"},
    "spec": {
        "serviceAccountName": "worker",
        "imagePullSecrets": [{"name": "registry"}],
        "containers": [
            {
                "name": "base",
                "image": "worker:1",
                "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "1Gi"}},
                "env": [
                    {"name": "AIRFLOW__CORE__EXECUTION_API_SERVER_URL", "value": "http://api:8080/execution/"},
                    {"name": "AIRFLOW__CORE__DAGS_FOLDER", "value": "/dags"},
                    {"name": "AIRFLOW__LOGGING__BASE_LOG_FOLDER", "value": "/logs"},
                    {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "warehouse", "key": "password"}}},
                ],
                "volumeMounts": [{"name": "dags", "mountPath": "/dags"}, {"name": "logs", "mountPath": "/logs"}],
            }
        ],
        "volumes": [
            {"name": "dags", "configMap": {"name": "dags"}},
            {"name": "logs", "persistentVolumeClaim": {"claimName": "logs"}},
        ],
    },
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    with LocalCluster(tmp_path_factory.mktemp("cluster"), "--no-nodes", "--rbac") as running:
        yield running


@dataclass(frozen=True, slots=True)
class Place:
    """A namespace, and a scheduler's service account with the executor's Role in it."""

    cluster: LocalCluster
    namespace: str
    template: Path

    def grant(self, rules: list[Json]) -> None:
        """Replace what the scheduler may do."""
        rbac = client.RbacAuthorizationV1Api(self.cluster.core.api_client)
        rbac.replace_namespaced_role(ACCOUNT, self.namespace, {"metadata": {"name": ACCOUNT}, "rules": rules})

    def change_template(self, **spec: Any) -> None:
        changed = {**TEMPLATE, "spec": {**TEMPLATE["spec"], **spec}}
        self.template.write_text(yaml.safe_dump(changed))


@pytest.fixture
def place(cluster: LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    namespace, core = f"t-{token_hex(4)}", cluster.core
    cluster.ensure_namespace(namespace)
    for account in (ACCOUNT, "worker"):
        core.create_namespaced_service_account(namespace, {"metadata": {"name": account}})
    rbac = client.RbacAuthorizationV1Api(core.api_client)
    rbac.create_namespaced_role(namespace, {"metadata": {"name": ACCOUNT}, "rules": [*GRANTED, *READS]})
    subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": ACCOUNT}
    binding = {"metadata": {"name": ACCOUNT}, "roleRef": role, "subjects": [subject]}
    rbac.create_namespaced_role_binding(namespace, binding)
    for secret in ("warehouse", "registry"):
        cluster.put_secret(secret, {"password": "do-not-show-this"}, namespace)
    cluster.put_config_map("dags", {"a.py": ""}, namespace)
    claim = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
    core.create_namespaced_persistent_volume_claim(namespace, {"metadata": {"name": "logs"}, "spec": claim})
    token = core.create_namespaced_service_account_token(ACCOUNT, namespace, {"spec": {}}).status.token
    kubeconfig = yaml.safe_load(cluster.kubeconfig.read_text())
    kubeconfig["users"][0]["user"] = {"token": token}
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(kubeconfig))
    for name, value in _settings(namespace, tmp_path).items():
        monkeypatch.setenv(name, value)
    made = Place(cluster, namespace, tmp_path / "pod.yaml")
    made.change_template()
    yield made
    core.delete_namespace(namespace)


def _settings(namespace: str, folder: Path) -> dict[str, str]:
    return {
        "AIRFLOW__CORE__EXECUTOR": "executor.KubernetesExecutor",
        "AIRFLOW__KUBERNETES_EXECUTOR__NAMESPACE": namespace,
        "AIRFLOW__KUBERNETES_EXECUTOR__IN_CLUSTER": "False",
        "AIRFLOW__KUBERNETES_EXECUTOR__CONFIG_FILE": str(folder / "kubeconfig"),
        "AIRFLOW__KUBERNETES_EXECUTOR__POD_TEMPLATE_FILE": str(folder / "pod.yaml"),
    }


def told() -> dict[str, Finding]:
    """What the checks say that are not ok, by check; the last one of each."""
    return {one.check: one for one in asyncio.run(examine()) if one.verdict is not Verdict.OK}


def test_the_command_says_that_all_is_well(place: Place, run: Run) -> None:
    shown = run("doctor", "-o", "json")
    verdicts = {one["check"]: one["verdict"] for one in json.loads(shown.out)}
    assert (shown.code, set(verdicts.values())) == (0, {"ok"})
    assert set(verdicts) == {
        *("configuration", "executors", "pod template", "API server", "credentials", "clock", "deployment id"),
        *(f"{what} {place.namespace}" for what in ("permissions in namespace", "namespace", "quota in")),
        *(f"limit range in {place.namespace}", "dry run of a task's pod", "DAG bundle dags-folder", "execution API"),
        *("secrets", "config maps", "pull secrets", "service accounts", "volume claims", "priority classes", "logs"),
        "logs of container tasks",
    }


def test_the_command_ends_with_1_and_shows_no_secret(place: Place, run: Run) -> None:
    place.cluster.delete_secret("registry", place.namespace)
    place.change_template(priorityClassName="no-such-class")
    shown = run("doctor")
    assert (shown.code, shown.err.split(", ")[2]) == (1, "1 failed")
    assert "no PriorityClass with name no-such-class was found" in shown.out
    assert "warning   pull secrets: registry does not exist" in shown.out
    token = yaml.safe_load((place.template.parent / "kubeconfig").read_text())["users"][0]["user"]["token"]
    assert [word for word in ("do-not-show-this", token, token[:20]) if word in shown.out + shown.err] == []


@pytest.mark.parametrize(("resource", "verb"), [(name, verb) for name, verbs in VERBS.items() for verb in verbs])
def test_each_verb_that_is_missing_is_named(place: Place, resource: str, verb: str) -> None:
    rest = [one for one in GRANTED if one["resources"] != [resource]]
    verbs = [one for one in VERBS[resource] if one != verb]
    rest += [{"apiGroups": [""], "resources": [resource], "verbs": verbs}] if verbs else []
    place.grant(rest)
    found = told()[f"permissions in namespace {place.namespace}"]
    assert found.text.partition(";")[0] == f"missing: {verb} {resource}"
    assert found.verdict is (Verdict.WARNING if resource == "events" else Verdict.FAILED)
    assert f'{{apiGroups: [""], resources: [{resource}], verbs: [{verb}]}}' in found.remedy


def test_the_executors_own_verbs_are_enough(place: Place) -> None:
    """What they do not let it see is skipped, and nothing fails."""
    place.grant(GRANTED)
    place.cluster.delete_secret("warehouse", place.namespace)
    found = told()
    assert found.pop("secrets").text.startswith("warehouse does not exist")
    assert {one.verdict for one in found.values()} == {Verdict.SKIPPED}
    assert found["config maps"].text == "dags: these credentials may not get configmaps"


def test_what_is_missing_or_too_small(place: Place) -> None:
    core = place.cluster.core
    place.cluster.delete_config_map("dags", place.namespace)
    core.delete_namespaced_persistent_volume_claim("logs", place.namespace)
    quota = {"metadata": {"name": "small"}, "spec": {"hard": {"requests.memory": "512Mi"}}}
    core.create_namespaced_resource_quota(place.namespace, quota)
    limit = {"type": "Container", "max": {"cpu": "100m"}}
    core.create_namespaced_limit_range(place.namespace, {"metadata": {"name": "tight"}, "spec": {"limits": [limit]}})
    found = told()
    failed = {check for check, one in found.items() if one.verdict is Verdict.FAILED}
    assert failed >= {
        "config maps",
        "volume claims",
        f"quota in {place.namespace}",
        f"limit range in {place.namespace}",
        "dry run of a task's pod",
    }


def test_a_namespace_that_is_not_there(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__KUBERNETES_EXECUTOR__CONFIG_FILE", str(place.cluster.kubeconfig))
    monkeypatch.setenv("AIRFLOW__KUBERNETES_EXECUTOR__NAMESPACE", "nowhere")
    found = told()
    assert (found["namespace nowhere"].verdict, found["namespace nowhere"].text) == (Verdict.FAILED, "does not exist")
    assert found["dry run of a task's pod"].verdict is Verdict.FAILED


@pytest.mark.parametrize(
    ("change", "check"),
    [({"token": "worn-out"}, "credentials"), ({"server": "https://127.0.0.1:1"}, "API server")],
)
def test_credentials_and_addresses_that_are_wrong(place: Place, change: dict[str, str], check: str) -> None:
    file = place.template.parent / "kubeconfig"
    kubeconfig = yaml.safe_load(file.read_text())
    for part in (kubeconfig["users"][0]["user"], kubeconfig["clusters"][0]["cluster"]):
        part.update({key: value for key, value in change.items() if key in part})
    file.write_text(yaml.safe_dump(kubeconfig))
    assert told()[check].verdict is Verdict.FAILED


def test_options_that_stop_the_scheduler(place: Place, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__KUBERNETES_POD_EXECUTOR__CREATE_CONCURRENCY", "many")
    shown = run("doctor")
    assert (shown.code, shown.out.startswith("failed    configuration: ")) == (1, True)


@pytest.mark.parametrize(("hours", "verdict"), [(0, Verdict.WARNING), (1, Verdict.SKIPPED)])
def test_a_living_triggerer_whose_logs_nobody_else_sees(
    place: Place, database: None, hours: int, verdict: Verdict
) -> None:
    place.change_template(volumes=[{"name": "dags", "configMap": {"name": "dags"}}, {"name": "logs", "emptyDir": {}}])
    with create_session() as session:
        job = Job(job_type="TriggererJob", state=JobState.RUNNING, latest_heartbeat=utcnow() - timedelta(hours=hours))
        job.hostname = "triggerer-0"
        session.add(job)
    found = told()["logs of container tasks"]
    assert (found.verdict, "triggerer-0" in found.text) == (verdict, hours == 0)


def test_another_installation_with_our_id(place: Place, database: None) -> None:
    living = {
        "metadata": {"name": "theirs", "labels": labels_of()},
        "spec": {"containers": [{"name": "base", "image": "i"}]},
    }
    place.cluster.core.create_namespaced_pod(place.namespace, living)
    found = told()["deployment id"]
    assert (found.verdict, f"{place.namespace}/theirs" in found.text) == (Verdict.FAILED, True)


def labels_of() -> dict[str, str]:
    """Of a pod that an executor with our deployment id launched for a task that our database has never seen."""
    launch = Identity(
        launch_id=str(uuid4()),
        attempt=1,
        ti_id=str(uuid4()),
        dag_id="theirs",
        task_id="t",
        run_id="r",
        try_number=1,
        map_index=-1,
        deployment=read_settings().deployment_id,
        job_id="4711",
        airflow_version="3.3.2",
    )
    return labels(launch)
