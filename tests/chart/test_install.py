"""The objects fit together: what one names another one is, and secrets are in Secrets only."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy.engine import make_url

from executor.identity import labels
from tests.chart.rendering import Object, by_name, notes, render
from tests.chart.sets import SETS, rendered
from tests.unit.manifest.builders import IDENTITY

each_set = pytest.mark.parametrize("name", SETS)
WORKLOADS = ("Deployment", "StatefulSet", "Job")
REFERENCES = {
    "configMapRef": "ConfigMap",
    "configMapKeyRef": "ConfigMap",
    "configMap": "ConfigMap",
    "secretRef": "Secret",
    "secretKeyRef": "Secret",
    "secret": "Secret",
    "persistentVolumeClaim": "PersistentVolumeClaim",
}


def workloads(found: dict[str, Object]) -> dict[str, Object]:
    """Pod specs by the name of what makes the pods."""
    made = [one for one in found.values() if one["kind"] in WORKLOADS]
    return {one["metadata"]["name"]: one["spec"]["template"] for one in made}


def containers(spec: Object) -> list[Object]:
    return [*spec.get("initContainers", ()), *spec["containers"]]


def references(value: Any, namespace: str) -> Iterator[str]:
    """`Kind namespace/name` of everything a pod spec names."""
    if isinstance(value, list):
        for one in value:
            yield from references(one, namespace)
    if not isinstance(value, dict):
        return
    for key, one in value.items():
        if key in REFERENCES and isinstance(one, dict):
            name = one.get("name") or one.get("secretName") or one.get("claimName")
            yield f"{REFERENCES[key]} {namespace}/{name}"
        yield from references(one, namespace)
    if account := value.get("serviceAccountName"):
        yield f"ServiceAccount {namespace}/{account}"


@each_set
def test_what_pods_name_is_made_or_was_named(name: str) -> None:
    """Nothing waits for a Secret, ConfigMap, claim or account that nobody makes."""
    found, given = rendered(name), SETS[name]
    named = json.dumps(given.values)
    for spec in workloads(found).values():
        for reference in references(spec["spec"], given.namespace):
            assert reference in found or f'"{reference.rpartition("/")[2]}"' in named, reference


def keys(value: Any) -> Iterator[tuple[str, str]]:
    """Name and key of each part of a Secret that a pod spec takes."""
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from keys(one)
    if isinstance(value, dict) and "secretKeyRef" in value:
        yield value["secretKeyRef"]["name"], value["secretKeyRef"]["key"]
    if isinstance(value, dict) and "items" in value.get("secret", {}):
        yield from ((value["secret"]["secretName"], item["key"]) for item in value["secret"]["items"])


def test_what_pods_take_of_a_secret_is_in_it() -> None:
    found = rendered("trial")
    made = {one["metadata"]["name"]: one["data"].keys() for one in found.values() if one["kind"] == "Secret"}
    taken = {one for spec in workloads(found).values() for one in keys(spec["spec"])}
    assert taken == {(name, key) for name, parts in made.items() for key in parts}


@each_set
def test_every_object_is_in_a_namespace_of_its_own_release(name: str) -> None:
    given = SETS[name]
    allowed = {given.namespace, *given.values.get("executor", {}).get("namespaces", ())}
    for one in rendered(name).values():
        assert one["metadata"].get("namespace") in ({None} if one["kind"].startswith("Cluster") else allowed)
        assert len(one["metadata"]["name"]) <= 63


@each_set
def test_services_budgets_and_policies_select_pods_that_there_are(name: str) -> None:
    found = rendered(name)
    pods = [spec["metadata"]["labels"] for spec in workloads(found).values()]
    environment = next(one["data"] for one in found.values() if "AIRFLOW__CORE__EXECUTOR" in one.get("data", {}))
    deployment = environment["AIRFLOW__KUBERNETES_POD_EXECUTOR__DEPLOYMENT_ID"]
    pods.append({**labels(IDENTITY), "airflow-deployment": deployment})
    for one in found.values():
        spec = one.get("spec", {})
        selector = spec.get("podSelector", {}).get("matchLabels") or spec.get("selector")
        if not selector or one["kind"] not in ("Service", "PodDisruptionBudget", "NetworkPolicy"):
            continue
        wanted = selector.get("matchLabels", selector)
        assert [pod for pod in pods if wanted.items() <= pod.items()], one["metadata"]["name"]


@each_set
def test_secrets_are_nowhere_but_in_secrets(name: str) -> None:
    given = SETS[name].values
    secret = {**given.get("secrets", {}), "password": given.get("postgresql", {}).get("password")}
    words = [word for key, word in secret.items() if word and key != "existing"] + ["given-word"]
    elsewhere = {key: one for key, one in rendered(name).items() if one["kind"] != "Secret"}
    shown = json.dumps(elsewhere) + notes(given)
    assert [word for word in words if word in shown] == []


def test_generated_secrets_are_of_use() -> None:
    found = by_name(render({"apiServer": {"user": "me"}}))
    keys = {key: base64.b64decode(text).decode() for key, text in found["Secret airflow/airflow-keys"]["data"].items()}
    Fernet(keys["fernet-key"])
    assert len(keys["jwt-secret"]) == len(keys["api-secret-key"]) == 64
    passwords = json.loads(keys["passwords.json"])
    assert passwords.keys() == {"me"}
    assert len(passwords["me"]) == 20
    for name in ("keys", "postgresql"):
        assert found[f"Secret airflow/airflow-{name}"]["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_the_database_url_says_the_password_as_it_is() -> None:
    data = rendered("trial")["Secret airflow/airflow-postgresql"]["data"]
    url = make_url(base64.b64decode(data["connection"]).decode())
    assert url.password == base64.b64decode(data["password"]).decode() == SETS["trial"].values["postgresql"]["password"]
    assert (url.host, url.port, url.database) == ("airflow-postgresql.airflow", 5432, "airflow")


def test_given_secrets_are_taken_and_existing_ones_only_named() -> None:
    data = rendered("trial")["Secret airflow/airflow-keys"]["data"]
    assert base64.b64decode(data["jwt-secret"]) == b"a-jwt-secret"
    production = rendered("production")
    assert [one for one in production if one.startswith("Secret ")] == []
    named = set(references([spec["spec"] for spec in workloads(production).values()], "airflow"))
    assert {"Secret airflow/airflow-keys-of-the-vault", "Secret airflow/airflow-database"} <= named


def test_a_kept_secret_goes_before_a_new_one_and_a_given_one_before_both() -> None:
    kept = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "airflow-keys", "namespace": "airflow"}}
    kept["data"] = {"jwt-secret": "a2VwdA==", "fernet-key": "a2VwdA=="}
    found = by_name(render({"secrets": {"fernetKey": "given"}}, existing=[kept], revision=2))
    data = found["Secret airflow/airflow-keys"]["data"]
    assert (data["jwt-secret"], base64.b64decode(data["fernet-key"])) == ("a2VwdA==", b"given")
    assert len(base64.b64decode(data["api-secret-key"])) == 64


@pytest.mark.parametrize(
    ("name", "readers"),
    [
        ("trial", set()),
        ("volumes", {"dag-processor"}),
        ("git_sync", {"dag-processor"}),
        ("placement", {"dag-processor", "scheduler"}),
    ],
)
def test_dag_files_are_only_where_they_are_read(name: str, readers: set[str]) -> None:
    """In Airflow 3 the scheduler, the API server and the triggerer read no DAG files, but a LocalExecutor does."""
    specs = {key.removeprefix("airflow-"): spec["spec"] for key, spec in workloads(rendered(name)).items()}
    has = {key for key, spec in specs.items() if "dags" in [volume["name"] for volume in spec.get("volumes", ())]}
    assert has == readers
    for key in readers:
        (mount,) = [one for one in specs[key]["containers"][0]["volumeMounts"] if one["name"] == "dags"]
        assert mount["readOnly"] is True


def test_git_sync_goes_on_beside_the_dag_processor_which_starts_when_it_has_pulled() -> None:
    found = rendered("git_sync")
    init = workloads(found)["airflow-dag-processor"]["spec"]["initContainers"]
    (sidecar,) = [one for one in init if one["name"] == "git-sync"]
    assert sidecar["restartPolicy"] == "Always"
    assert sidecar["startupProbe"]["httpGet"]["port"] == 1234
    assert {"--http-bind=:1234", "--period=1m30s", "--add-user"} <= set(sidecar["args"])
    template = found["ConfigMap airflow/airflow-pod-templates"]["data"]["pod_template_file.yaml"]
    assert "--one-time" in template
    assert "restartPolicy: Always" not in template
    folders = {
        one["data"]["AIRFLOW__CORE__DAGS_FOLDER"] for one in found.values() if "AIRFLOW__CORE__DAGS_FOLDER" in str(one)
    }
    assert folders == {"/dags/current/airflow/dags"}


def test_logs_on_a_volume_are_the_same_for_all() -> None:
    found = rendered("volumes")
    assert found["PersistentVolumeClaim airflow/airflow-logs"]["spec"]["accessModes"] == ["ReadWriteMany"]
    for name, spec in workloads(found).items():
        claims = [
            one["persistentVolumeClaim"]["claimName"] for one in spec["spec"].get("volumes", ()) if "logs" in str(one)
        ]
        assert claims == ([] if name in ("airflow-postgresql", "airflow-migrate-1") else ["airflow-logs"])


def test_ports_follow_the_configuration() -> None:
    found = workloads(rendered("production"))
    (port,) = found["airflow-api-server"]["spec"]["containers"][0]["ports"]
    assert port == {"name": "http", "containerPort": 9080}
    probes = found["airflow-scheduler"]["spec"]["containers"][0]
    assert {probes[kind]["httpGet"]["port"] for kind in ("livenessProbe", "startupProbe")} == {9974}
    service = rendered("production")["Service airflow/airflow-api-server"]["spec"]["ports"]
    assert service == [{"name": "http", "port": 80, "targetPort": "http"}]


@pytest.mark.parametrize(
    ("base_url", "path"),
    [("", ""), ("https://a.example", ""), ("https://a.example/", ""), ("https://a.example/prod/", "/prod")],
)
def test_workers_find_the_api_server_below_the_path_of_its_base_url(base_url: str, path: str) -> None:
    """Airflow 3.3 answers 404 on /execution where base_url has a path (api_fastapi/app.py, root_path)."""
    values = {"config": {"api": {"base_url": base_url}}, "apiServer": {"service": {"port": 80}}}
    objects = by_name(render(values))
    url = objects["ConfigMap airflow/airflow-worker-env"]["data"]["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"]
    assert url == f"http://airflow-api-server.airflow:80{path}/execution/"
    (server,) = objects["Deployment airflow/airflow-api-server"]["spec"]["template"]["spec"]["containers"]
    assert server["startupProbe"]["httpGet"]["path"] == f"{path}/execution/health"


def test_the_database_serves_the_components_and_no_worker() -> None:
    policy = rendered("volumes")["NetworkPolicy airflow/airflow-postgresql"]["spec"]
    (rule,) = policy["ingress"]
    (peer,) = rule["from"]
    allowed = {one["key"]: one["values"] for one in peer["podSelector"]["matchExpressions"]}
    assert "worker" not in allowed["app.kubernetes.io/component"]
    users = {
        spec["metadata"]["labels"]["app.kubernetes.io/component"]
        for spec in workloads(rendered("volumes")).values()
        if "SQL_ALCHEMY_CONN" in str(spec)
    }
    assert users == set(allowed["app.kubernetes.io/component"])


def test_nothing_connects_to_a_worker_in_any_namespace() -> None:
    found = rendered("namespaces")
    for namespace in ("airflow", "team-a", "team-b"):
        spec = found[f"NetworkPolicy {namespace}/airflow-worker"]["spec"]
        assert spec["policyTypes"] == ["Ingress"]
        assert "ingress" not in spec


def test_each_revision_migrates_by_a_job_of_its_own() -> None:
    assert "Job airflow/airflow-migrate-7" in by_name(render({}, revision=7))


def test_long_names_differ_still() -> None:
    """The label that marks a release's pods, and that its executor follows them by, is never the one of another."""
    marks = []
    for release in ("a" * 52 + "b", "a" * 52 + "c"):
        data = by_name(render({}, release=release, namespace="n" * 63))
        environment = next(one["data"] for one in data.values() if "AIRFLOW__CORE__EXECUTOR" in one.get("data", {}))
        marks.append(environment["AIRFLOW__KUBERNETES_POD_EXECUTOR__DEPLOYMENT_ID"])
    assert len(set(marks)) == 2
    assert all(re.fullmatch(r"[a-z0-9]{63}", mark) for mark in marks)
