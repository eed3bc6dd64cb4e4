"""Each check of `doctor`, given facts that make it fail, and facts that do not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from executor.cli.doctor import airflow_checks, cluster_checks, pod_checks, room_checks
from executor.cli.doctor.facts import (
    AirflowSide,
    LimitRange,
    Looked,
    Namespace,
    Permissions,
    PlannedPod,
    Quota,
    Reference,
    Server,
    Stranger,
    Triggerers,
    Unread,
)
from executor.cli.doctor.finding import Finding, Verdict
from executor.cli.doctor.references import references
from executor.cli.doctor.worker import Worker
from executor.cli.pods import EXAMPLE_SECRET
from executor.cli.validation import Finding as TemplateFinding
from executor.kube.check import Missing

OK, WARNING, FAILED, SKIPPED = Verdict.OK, Verdict.WARNING, Verdict.FAILED, Verdict.SKIPPED
HIDDEN = Unread("these credentials may not list that", forbidden=True)
SERVER = Server("10.0.0.1:443", "v1.33.1", "system:serviceaccount:airflow:scheduler", 0.4)
URL = "AIRFLOW__CORE__EXECUTION_API_SERVER_URL"
SIDE = AirflowSide(
    executors="executor.KubernetesExecutor",
    listed=True,
    execution_api="http://localhost:8080/execution/",
    bundles=({"name": "dags", "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle", "kwargs": {}},),
    dags_folder="/dags",
    base_log_folder="/logs",
)


def manifest(base: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    containers = [{"name": "base", "image": "worker:1", **(base or {})}, *spec.pop("beside", ())]
    return {"metadata": {"namespace": "airflow"}, "spec": {"containers": containers, **spec}}


def worker(base: dict[str, Any] | None = None, **spec: Any) -> Worker:
    return Worker(manifest(base, **spec))


def env(**values: str) -> dict[str, Any]:
    return {"env": [{"name": name, "value": value} for name, value in values.items()]}


def mounted(path: str, **source: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """(fields of base, fields of the pod's spec) with a volume there."""
    return {"volumeMounts": [{"name": "v", "mountPath": path}]}, {"volumes": [{"name": "v", **source}]}


def verdicts(found: Iterable[Finding]) -> dict[str, Verdict]:
    return {one.check: one.verdict for one in found}


def needs_a_remedy(one: Finding) -> None:
    assert bool(one.remedy) or one.verdict in (OK, SKIPPED), one


# -- the API server


def test_a_server_that_is_as_it_should_be() -> None:
    assert verdicts(cluster_checks.server_findings(SERVER)) == {"API server": OK, "credentials": OK, "clock": OK}


@pytest.mark.parametrize(("version", "verdict"), [("v1.24.17", WARNING), ("v1.25.0-gke.1", OK), ("", OK)])
def test_an_old_server(version: str, verdict: Verdict) -> None:
    found = cluster_checks.server_findings(replace(SERVER, version=version))
    assert verdicts(found)["API server"] is verdict


def test_no_credentials_and_no_answer() -> None:
    assert verdicts(cluster_checks.no_credentials("no kubeconfig")) == {"credentials": FAILED, "API server": SKIPPED}
    assert verdicts(cluster_checks.not_answered("h:1", 0, "refused")) == {"API server": FAILED, "credentials": SKIPPED}
    assert verdicts(cluster_checks.not_answered("h:1", 401, "no")) == {"API server": OK, "credentials": FAILED}


@pytest.mark.parametrize(
    ("skew", "verdict", "words"),
    [
        (4.0, OK, "few seconds"),
        (-4.0, OK, "few seconds"),
        (8.0, WARNING, "8 s behind"),
        (-90.0, FAILED, "90 s ahead of"),
        (None, SKIPPED, "Date"),
    ],
)
def test_clock_skew(skew: float | None, verdict: Verdict, words: str) -> None:
    found = cluster_checks.clock_finding(skew)
    assert (found.verdict, words in found.text) == (verdict, True)
    needs_a_remedy(found)


def test_missing_verbs_are_named_with_the_rule_to_add() -> None:
    missing = (Missing("list", "pods", "a"), Missing("watch", "pods", "a"), Missing("get", "pods/log", "a"))
    found = cluster_checks.permission_finding(Permissions("a", missing))
    assert (found.verdict, found.text) == (FAILED, "missing: list pods, watch pods, get pods/log")
    assert '{apiGroups: [""], resources: [pods], verbs: [list, watch]}' in found.remedy
    assert "scheduler's Role" in found.remedy
    everywhere = Permissions(None, (Missing("list", "pods", None),))
    assert "ClusterRole" in cluster_checks.permission_finding(everywhere).remedy


def test_missing_verbs_that_one_can_do_without() -> None:
    secrets = cluster_checks.permission_finding(Permissions("a", (Missing("create", "secrets", "a"),)))
    events = cluster_checks.permission_finding(Permissions("a", (Missing("list", "events", "a"),)))
    assert (secrets.verdict, "workload_delivery = args" in secrets.remedy) == (FAILED, True)
    assert events.verdict is WARNING
    assert cluster_checks.permission_finding(Permissions("a", ())).verdict is OK
    assert cluster_checks.permission_finding(Permissions("a", HIDDEN)).verdict is SKIPPED


@pytest.mark.parametrize(
    ("phase", "accepted", "verdict"),
    [
        ("Active", False, OK),
        ("Terminating", False, FAILED),
        (None, False, FAILED),
        (HIDDEN, False, SKIPPED),
        (HIDDEN, True, OK),
        (None, True, FAILED),
    ],
)
def test_namespaces(phase: str | Unread | None, accepted: bool, verdict: Verdict) -> None:
    found = cluster_checks.namespace_finding(Namespace("a", phase), accepted=accepted)
    assert found.verdict is verdict
    needs_a_remedy(found)


# -- room

RESOURCES = {"resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "2Gi"}}}


def room(pod: dict[str, Any], parallelism: int = 32, **limits: Any) -> list[Finding]:
    return list(room_checks.room_findings(Namespace("a", "Active", **limits), PlannedPod("p", pod), parallelism))


@pytest.mark.parametrize(
    ("hard", "used", "verdict", "words"),
    [
        ({"pods": "100"}, {"pods": "2"}, OK, "98 more pods"),
        ({"pods": "10"}, {"pods": "2"}, OK, "more wait for room"),
        ({"pods": "10"}, {"pods": "10"}, WARNING, "is full"),
        ({"pods": "0"}, {}, FAILED, "no task ever starts"),
        ({"requests.memory": "512Mi"}, {}, FAILED, "no task ever starts"),
        ({"limits.memory": "64Gi"}, {"limits.memory": "63Gi"}, WARNING, "is full"),
        ({"cpu": "2"}, {"cpu": "1500m"}, OK, "1 more pod "),
        ({"services": "3"}, {}, OK, "nothing that the pod states"),
    ],
)
def test_quotas(hard: dict[str, str], used: dict[str, str], verdict: Verdict, words: str) -> None:
    quota, limits = room(manifest(RESOURCES), quotas=(Quota("q", hard, used),))
    assert (quota.verdict, words in quota.text, limits.verdict) == (verdict, True, OK)
    needs_a_remedy(quota)


def test_quotas_that_say_nothing() -> None:
    scoped, _ = room(manifest(), quotas=(Quota("q", {"pods": "0"}, scoped=True),))
    hidden, hidden_too = room(manifest(), quotas=HIDDEN, limit_ranges=HIDDEN)
    assert (scoped.verdict, hidden.verdict, hidden_too.verdict) == (SKIPPED, SKIPPED, SKIPPED)


def test_what_a_pod_takes_of_a_quota() -> None:
    """Containers beside each other add up, init containers run before; a limit is a request where none is stated."""
    sidecar = {"name": "s", "resources": {"limits": {"cpu": "1"}}}
    prepare = {"name": "i", "resources": {"requests": {"cpu": "200m", "memory": "3Gi"}}}
    workload = {"name": "w", "secret": {"secretName": EXAMPLE_SECRET}}
    pod = manifest(RESOURCES, beside=[sidecar], initContainers=[prepare], volumes=[workload])
    found = room_checks.needs(pod)
    assert found["requests.cpu"] == Decimal("1.5")
    assert found["requests.memory"] == found["memory"] == Decimal(3 * 2**30)
    assert (found["pods"], found["secrets"]) == (1, 1)
    assert "secrets" not in room_checks.needs(manifest())


@pytest.mark.parametrize(
    ("limits", "verdict", "words"),
    [
        (LimitRange("l", {"memory": "256Mi"}), OK, "as it is"),
        (LimitRange("l", most={"memory": "1Gi"}), FAILED, "limits of 2Gi"),
        (LimitRange("l", most={"cpu": "100m"}), FAILED, "requests of 500m"),
        (LimitRange("l", most={"memory": "2Gi"}), OK, "as it is"),
    ],
)
def test_limit_ranges(limits: LimitRange, verdict: Verdict, words: str) -> None:
    _, found = room(manifest(RESOURCES), limit_ranges=(limits,))
    assert (found.verdict, words in found.text) == (verdict, True)
    needs_a_remedy(found)


def test_a_default_limit_that_nobody_asked_for() -> None:
    _, found = room(manifest(), limit_ranges=(LimitRange("l", {"memory": "256Mi"}),))
    assert (found.verdict, "256Mi" in found.text, bool(found.remedy)) == (WARNING, True, True)


# -- pods


def test_templates() -> None:
    fault, odd = TemplateFinding("pod.yaml", "line 3: no"), TemplateFinding("pod.yaml", "has no value", fault=False)
    assert [one.verdict for one in pod_checks.template_findings([fault, odd], 0)] == [FAILED, WARNING]
    assert [one.verdict for one in pod_checks.template_findings([odd], 1)] == [WARNING, OK]


def test_dry_runs() -> None:
    said: list[tuple[str | Unread | None, Verdict]] = [(None, OK), ("refused", FAILED), (Unread("429"), SKIPPED)]
    for refusal, verdict in said:
        assert pod_checks.dry_run_finding(PlannedPod("a pod", manifest(), refusal)).verdict is verdict


def looked(kind: str, exists: bool | Unread, **more: Any) -> Looked:
    return Looked(Reference(kind, "a", "x", "spec.y", **more), exists)


@pytest.mark.parametrize(("kind", "check"), list(pod_checks.CHECKS.items()))
def test_what_is_named_and_does_not_exist(kind: str, check: str) -> None:
    (found,) = [one for one in pod_checks.reference_findings([looked(kind, False)]) if one.check == check]
    assert found.verdict is (WARNING if check == "pull secrets" else FAILED)
    assert "x does not exist in namespace a; spec.y names it" in found.text
    needs_a_remedy(found)


def test_what_is_named_and_exists_is_optional_or_cannot_be_seen() -> None:
    assert set(verdicts(pod_checks.reference_findings([])).values()) == {OK}
    assert verdicts(pod_checks.reference_findings([looked("Secret", True)]))["secrets"] is OK
    assert verdicts(pod_checks.reference_findings([looked("Secret", False, optional=True)]))["secrets"] is OK
    assert verdicts(pod_checks.reference_findings([looked("ConfigMap", HIDDEN)]))["config maps"] is SKIPPED


def test_references_of_a_pod() -> None:
    key = {"name": "A", "valueFrom": {"secretKeyRef": {"name": "one", "key": "k", "optional": True}}}
    late = {"name": "L", "valueFrom": {"secretKeyRef": {"name": "three", "key": "k", "optional": True}}}
    base = {
        "env": [key, late, {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "c1", "key": "k"}}}, {"name": "C"}],
        "envFrom": [{"secretRef": {"name": "two"}}, {"configMapRef": {"name": "c2", "optional": True}}],
    }
    pod = manifest(
        base,
        initContainers=[{"name": "i", "envFrom": [{"secretRef": {"name": "one"}}]}],
        imagePullSecrets=[{"name": "pull"}],
        serviceAccountName="sa",
        priorityClassName="high",
        volumes=[
            {"name": "a", "secret": {"secretName": "three"}},
            {"name": "w", "secret": {"secretName": EXAMPLE_SECRET}},
            {"name": "b", "configMap": {"name": "c3"}},
            {"name": "p", "projected": {"sources": [{"secret": {"name": "four"}}, {"configMap": {"name": "c1"}}]}},
            {"name": "d", "persistentVolumeClaim": {"claimName": "claim"}},
        ],
    )
    found = {(one.kind, one.name): one.optional for one in references(pod)}
    assert found == {
        **{("Secret", name): False for name in ("one", "two", "three", "four")},
        **{("ConfigMap", name): name == "c2" for name in ("c1", "c2", "c3")},
        ("pull secret", "pull"): False,
        ("ServiceAccount", "sa"): False,
        ("PriorityClass", "high"): False,
        ("PersistentVolumeClaim", "claim"): False,
    }
    assert {one.namespace for one in references(pod) if one.kind != "PriorityClass"} == {"airflow"}


# -- Airflow


@pytest.mark.parametrize(
    ("base", "own", "verdict"),
    [
        (env(**{URL: "http://api:8080/execution/"}), "http://localhost/", OK),
        (env(**{URL: "http://localhost:8080/execution/"}), "http://api/", FAILED),
        (env(**{URL: "http://127.0.0.1:8080/"}), "http://api/", FAILED),
        (env(**{URL: "http://[::1]:8080/"}), "http://api/", FAILED),
        (env(**{URL: "http://0.0.0.0:8080/"}), "http://api/", FAILED),
        (env(**{URL: "api:8080/execution/"}), "http://api/", FAILED),
        (env(AIRFLOW__API__BASE_URL="http://localhost:8080"), "http://api/", FAILED),
        ({"env": [{"name": URL, "valueFrom": {"configMapKeyRef": {}}}]}, "http://localhost/", OK),
        ({"envFrom": [{"configMapRef": {"name": "x"}}]}, "http://localhost/", SKIPPED),
        (mounted("/opt/airflow/airflow.cfg")[0], "http://localhost/", FAILED),
        (mounted("/opt/airflow/airflow.cfg")[0], "http://api/", OK),
        ({}, "http://localhost:8080/execution/", FAILED),
        ({}, "http://api:8080/execution/", WARNING),
    ],
)
def test_the_execution_api(base: dict[str, Any], own: str, verdict: Verdict) -> None:
    found = airflow_checks.execution_api_finding(replace(SIDE, execution_api=own), worker(base))
    assert found.verdict is verdict
    assert bool(found.remedy) is (verdict is not OK)


def test_no_password_of_a_url_is_shown() -> None:
    found = airflow_checks.execution_api_finding(SIDE, worker(env(**{URL: "http://me:hush@api/execution/"})))
    assert found.text == "http://api/execution/ (the pod template's)"


def test_executors_and_configuration() -> None:
    def said(side: AirflowSide) -> list[Verdict]:
        return [one.verdict for one in airflow_checks.executor_findings(side)]

    assert said(SIDE) == [OK]
    assert said(replace(SIDE, listed=False)) == [WARNING]
    assert said(replace(SIDE, warnings=("no alias",))) == [WARNING]
    assert [one.verdict for one in airflow_checks.configuration_findings(["args"])] == [WARNING]
    assert [one.verdict for one in airflow_checks.configuration_findings([])] == [OK]


def bundle(side: AirflowSide, inside: Worker) -> Finding:
    (found,) = airflow_checks.bundle_findings(side, inside)
    needs_a_remedy(found)
    return found


def test_dags_in_a_folder() -> None:
    base, spec = mounted("/dags", emptyDir={})
    fills = {"name": "git-sync", **base}
    assert bundle(SIDE, worker()).verdict is WARNING
    assert bundle(SIDE, worker(base, **spec)).verdict is FAILED
    assert bundle(SIDE, worker(base, **spec, initContainers=[fills])).verdict is OK
    assert bundle(SIDE, worker(base, **spec, beside=[fills])).verdict is OK
    base, spec = mounted("/dags", persistentVolumeClaim={"claimName": "dags"})
    assert bundle(SIDE, worker(base, **spec)).verdict is OK
    assert bundle(replace(SIDE, dags_folder="/dags/repo"), worker(base, **spec)).verdict is OK
    assert bundle(replace(SIDE, dags_folder="/dagsx"), worker(base, **spec)).verdict is WARNING
    own = {**base, **env(AIRFLOW__CORE__DAGS_FOLDER="/elsewhere")}
    assert "/elsewhere" in bundle(SIDE, worker(own, **spec)).text


def test_dags_that_workers_fetch() -> None:
    git = {"name": "git", "classpath": "airflow.providers.git.bundles.git.GitDagBundle", "kwargs": {}}
    side = replace(SIDE, bundles=(git,))
    assert bundle(side, worker()).verdict is WARNING
    assert bundle(side, worker(env(AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST="[]"))).verdict is OK
    assert bundle(side, worker(mounted("/a/airflow.cfg")[0])).verdict is OK


def test_logs_without_a_remote_store() -> None:
    def said(**source: Any) -> Verdict:
        base, spec = mounted("/logs", **source)
        return airflow_checks.log_finding(SIDE, worker(base, **spec)).verdict

    assert airflow_checks.log_finding(SIDE, worker()).verdict is WARNING
    assert [said(emptyDir={}), said(hostPath={"path": "/x"}), said(nfs={"path": "/x"})] == [WARNING, WARNING, OK]
    assert said(persistentVolumeClaim={"claimName": "logs"}) is OK


def test_logs_of_container_tasks_that_something_keeps() -> None:
    def said(side: AirflowSide = SIDE, **source: Any) -> Verdict | None:
        base, spec = mounted("/logs", **source)
        found = airflow_checks.kept_container_log_finding(side, worker(base, **spec))
        return found and found.verdict

    remote = replace(SIDE, remote_logging=True, store="S3RemoteLogIO")
    assert said(persistentVolumeClaim={"claimName": "logs"}) is OK
    assert said(remote, emptyDir={}) is OK
    assert said(replace(remote, store=None), emptyDir={}) is WARNING
    assert [said(emptyDir={}), said(hostPath={"path": "/x"})] == [None, None]
    assert airflow_checks.kept_container_log_finding(SIDE, None) is None


def test_logs_of_container_tasks_that_nothing_keeps() -> None:
    lost = airflow_checks.triggerer_log_finding(SIDE, Triggerers(("triggerer-0",), "scheduler-0"))
    assert (lost.verdict, "triggerer-0" in lost.text, "/logs" in lost.remedy) == (WARNING, True, True)
    both = Triggerers(("scheduler-0", "triggerer-0"), "scheduler-0")
    assert airflow_checks.triggerer_log_finding(SIDE, both).verdict is WARNING
    assert airflow_checks.triggerer_log_finding(SIDE, Triggerers(("here",), "here")).verdict is OK
    assert airflow_checks.triggerer_log_finding(SIDE, Triggerers((), "here")).verdict is SKIPPED
    assert airflow_checks.triggerer_log_finding(SIDE, HIDDEN).verdict is SKIPPED


def test_logs_in_a_remote_store() -> None:
    remote = replace(SIDE, remote_logging=True, store="S3RemoteLogIO", shows_reasons=True)
    told = worker(env(AIRFLOW__LOGGING__REMOTE_LOGGING="True"))
    assert airflow_checks.log_finding(remote, told).verdict is OK
    assert airflow_checks.log_finding(remote, worker()).verdict is WARNING
    assert airflow_checks.log_finding(replace(remote, store=None), told).verdict is FAILED
    silent = airflow_checks.log_finding(replace(remote, shows_reasons=False), told)
    assert (silent.verdict, "event log" in silent.remedy) == (WARNING, True)


def test_two_deployments_with_one_id() -> None:
    def said(*known: bool) -> Finding:
        found = airflow_checks.deployment_finding("d0", [Stranger("a/p", "d.t run r try 1", one) for one in known])
        needs_a_remedy(found)
        return found

    assert [said().verdict, said(True).verdict, said(True, False).verdict] == [OK, WARNING, FAILED]
    assert "deployment_id" in said(False).remedy
    assert "and 2 more" in said(*[False] * 5).text
    assert airflow_checks.deployment_finding("d0", HIDDEN).verdict is SKIPPED
