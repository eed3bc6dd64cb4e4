"""Each verb of the scheduler's Role is needed: without it one trivial task shows the API server's own sentence.

Where a person reads it: the task's failure, the log that the executor writes for it, or the scheduler's log.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from executor.cli.doctor.cluster_checks import permission_finding
from executor.cli.doctor.finding import Finding, Verdict
from executor.cli.doctor.reading import Reader
from executor.demo.cluster import LocalCluster
from executor.kube.settings import KubeSettings
from executor.kube.transport import Transport
from tests.chart.runs_verbs import (
    ACCOUNT,
    Account,
    Heard,
    Permission,
    Scene,
    environment,
    permissions_of,
    scheduler_rules,
    without,
)
from tests.promises.wire import Namespace

# A connection of a loop that ends with its thread may be closed by the collector, during whatever test is next.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

MISSPELLED = {"pod_override": {"spec": {"containers": [{"name": "base", "imagePullPolcy": "Always"}]}}}
SIDECAR = {"pod_override": {"spec": {"containers": [{"name": "sidecar", "image": "i"}]}}}
KEEP = "AIRFLOW__KUBERNETES_EXECUTOR__DELETE_WORKER_PODS"

_numbers = count(1)


def launched(scene: Scene) -> None:
    """The task is queued; nothing else happens."""
    scene.queue()


def launched_with_a_lost_answer(scene: Scene) -> None:
    """The API server creates the pod; its answer is lost, and so is what the watch says."""
    scene.cluster.admin("fault", effect="drop-event", verb="watch", resource="pods")
    scene.cluster.admin("fault", effect="drop-answer", verb="create", resource="pods", count=1)
    scene.queue()


def adopted(scene: Scene) -> None:
    """The scheduler ends while its pod waits for a node; another one adopts the task."""
    ti, launch = scene.queue()
    scene.pod(launch)
    scene.driven.executor.end()
    scene.start(job=2)
    scene.driven.adopt(ti)


def ended_while_a_pod_waits(scene: Scene) -> None:
    """The executor ends, and Kubernetes is to delete the Secret with the pod."""
    _, launch = scene.queue()
    scene.pod(launch)
    scene.driven.executor.end()


def refused(scene: Scene) -> None:
    """No pod of the batch is created."""
    scene.queue(**MISSPELLED)


def succeeded(scene: Scene) -> None:
    """The pod runs and ends, and the worker has reported success."""
    ti, launch = scene.queue()
    pod = scene.pod(launch)
    scene.namespace.running(pod)
    ti.state = "success"
    scene.namespace.ended(pod)


def failed(scene: Scene) -> None:
    """The pod's program ends with 1, and the worker has reported nothing."""
    ti, launch = scene.queue()
    pod = scene.pod(launch)
    ti.state, ti.hostname = "running", pod["metadata"]["name"]
    scene.namespace.running(pod)
    scene.namespace.ended(pod, 1)


def vanished(scene: Scene) -> None:
    """Somebody deletes the pod while the task runs."""
    ti, launch = scene.queue()
    pod = scene.pod(launch)
    ti.state, ti.hostname = "running", pod["metadata"]["name"]
    scene.namespace.running(pod)
    scene.until("the pod is known to run", lambda: scene.driven.knows_running(1))
    scene.namespace.delete(pod)


def kept_with_a_sidecar(scene: Scene) -> None:
    """The task is done, its pod is kept, and a sidecar goes on."""
    ti, launch = scene.queue(**SIDECAR)
    pod = scene.pod(launch)
    scene.namespace.running(pod, "sidecar")
    ti.state = "success"
    base = {"terminated": {"exitCode": 0, "reason": "Completed"}}
    scene.namespace.write(pod, "Running", {"base": base, "sidecar": {"running": {}}})


PLAYS: dict[Permission, Callable[[Scene], None]] = {
    ("create", "pods"): launched,
    ("get", "pods"): launched_with_a_lost_answer,
    ("list", "pods"): launched,
    ("watch", "pods"): launched,
    ("delete", "pods"): succeeded,
    ("patch", "pods"): kept_with_a_sidecar,
    ("get", "pods/log"): failed,
    ("create", "secrets"): launched,
    ("patch", "secrets"): ended_while_a_pod_waits,
    ("list", "secrets"): adopted,
    ("delete", "secrets"): refused,
    ("list", "events"): vanished,
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    with LocalCluster(tmp_path_factory.mktemp("verbs"), "--rbac", "--no-nodes") as running:
        yield running


@pytest.fixture
def scene(cluster: LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A namespace of the test's own, with the chart's Role; the test starts the executor."""
    namespace = Namespace(cluster, f"verbs-{next(_numbers)}")
    account = Account(cluster, namespace.name, tmp_path)
    for name, value in environment(account, namespace.name, tmp_path / "logs").items():
        monkeypatch.setenv(name, value)
    heard, logger = Heard(), logging.getLogger("executor")
    before = logger.level
    logger.setLevel(logging.INFO)  # Airflow's default
    logger.addHandler(heard)
    made = Scene(namespace, account, tmp_path / "logs", heard)
    try:
        yield made
    finally:
        cluster.admin("reset")
        made.driven.executor.end()
        logger.removeHandler(heard)
        logger.setLevel(before)
        gc.collect()


def test_every_verb_of_the_role_has_its_case() -> None:
    assert sorted(PLAYS) == sorted(permissions_of(scheduler_rules()))


async def test_with_the_whole_role_nothing_is_forbidden(scene: Scene) -> None:
    scene.start()
    succeeded(scene)
    scene.until("the pod and the Secret deleted", lambda: not scene.namespace.pods())
    assert "forbidden" not in scene.told()
    assert scene.driven.events == []
    assert (await doctors_finding(scene)).verdict is Verdict.OK


@pytest.mark.parametrize("permission", PLAYS, ids=" ".join)
async def test_without_one_verb_the_servers_sentence_is_read(
    scene: Scene, permission: Permission, monkeypatch: pytest.MonkeyPatch
) -> None:
    if PLAYS[permission] is kept_with_a_sidecar:
        monkeypatch.setenv(KEEP, "False")
    scene.account.grant(without(scene.account.rules, permission))
    scene.start()
    PLAYS[permission](scene)
    sentence = denied(permission, scene.namespace.name)
    scene.until(f"somebody is told: {sentence}", lambda: sentence in scene.told())
    found = await doctors_finding(scene)
    assert found.verdict is (Verdict.WARNING if permission == ("list", "events") else Verdict.FAILED)
    assert found.text.partition(";")[0] == f"missing: {' '.join(permission)}"
    assert f"resources: [{permission[1]}], verbs: [{permission[0]}]" in found.remedy


def denied(permission: Permission, namespace: str) -> str:
    """What the API server says (kubernetes/apiserver, endpoints/handlers/responsewriters/errors.go)."""
    verb, resource = permission
    who = f'User "system:serviceaccount:{namespace}:{ACCOUNT}"'
    return f'{who} cannot {verb} resource "{resource}" in API group "" in the namespace "{namespace}"'


async def doctors_finding(scene: Scene) -> Finding:
    """What `airflow kubernetes-executor doctor` says of the permissions of this account."""
    transport = await Transport.open(KubeSettings(in_cluster=False, config_file=str(scene.account.kubeconfig)))
    try:
        return permission_finding(await Reader(transport).permissions(scene.namespace.name, secrets=True))
    finally:
        await transport.close()
