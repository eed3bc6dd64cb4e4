"""Ended pods that are kept for a while, by a scheduler that is killed meanwhile; and the log of a drained pod.

Logs are kept remotely here; nothing is read from the scheduler's own disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pytest

from executor.demo.cluster import LocalCluster
from executor.demo.pod_template import write_pod_template
from executor.demo.pods import SeenPod
from executor.demo.processes import wait_until
from tests.airflow.harness import PATIENCE, Deployment, deploy
from tests.airflow.light_worker import light_pod

DAGS = """
from pathlib import Path

from airflow.sdk import dag, task

TEMPLATE = str(Path(__file__).parent.parent / "light.yaml")
COMMANDS = {"good": "true", "own_code": "exit 1", "killed": "echo the last line >&2; kill -9 $PPID"}


def light(task_id, command):
    base = {"name": "base", "env": [{"name": "TASK", "value": command}]}
    override = {"spec": {"containers": [base]}}
    config = {"pod_template_file": TEMPLATE, "pod_override": override}

    @task(task_id=task_id, retries=0, executor_config=config)
    def one():
        raise AssertionError("a light worker runs no Python")

    one()


@dag(dag_id="ends", schedule=None)
def ends():
    for task_id, command in COMMANDS.items():
        light(task_id, command)


@dag(dag_id="drained", schedule=None)
def drained():
    light("work", "echo said before >&2; sleep 900")


ends(), drained()
"""

TTL = 25
# The second scheduler's time is shorter: so the pod is there when that one starts, however long it takes.
SHORTER = {"AIRFLOW__KUBERNETES_POD_EXECUTOR__POD_TTL_FAILED": str(TTL)}
OPTIONS = {
    "kubernetes_pod_executor": {"pod_ttl_failed": "3600", "reconcile_interval": "1"},
    "logging": {"logging_config_class": "tests.airflow.remote_logs.LOGGING_CONFIG"},
}
# A container that may be killed from inside, and that goes on when it is told to stop, until it may end.
GRACEFUL = (
    "trap 'while ! test -e /opt/airflow/logs/end; do sleep 0.1; done; echo said after >&2; exit 143' TERM; "
    'python3 -I -S -c "$0" "$@" & wait $!'
)
GRACE = 600


@pytest.fixture(scope="module")
def keeping(tmp_path_factory: pytest.TempPathFactory, cluster: LocalCluster) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("keeping")
    store = {"TEST_LOG_STORE": str(folder / "airflow" / "store")}
    with deploy(folder, cluster, dags=DAGS, namespace="keeping", options=OPTIONS, env=store) as deployment:
        pod = light_pod(deployment.home)
        (base,) = pod["spec"]["containers"]
        base["command"] = ["sh", "-c", GRACEFUL, base["command"][-1]]
        pod["spec"]["terminationGracePeriodSeconds"] = GRACE
        write_pod_template(deployment.home.path / "light.yaml", pod)
        yield deployment


def pod_of(deployment: Deployment, run: str, task: str) -> SeenPod:
    (pod,) = deployment.watch.pods(deployment.airflow.task("ends", run, task).external_executor_id)
    return pod


def beside_the_log(deployment: Deployment, dag: str, task: str) -> list[str]:
    """Lines of the one file that the executor wrote for this task, where logs are kept; none before it is there."""
    files = list((deployment.home.path / "store").glob(f"dag_id={dag}/**/task_id={task}/*.executor.*.log"))
    assert len(files) <= 1
    return files[0].read_text().splitlines() if files else []


def logs_read(deployment: Deployment) -> int:
    """How often anybody asked for a pod's log so far."""
    assert isinstance(deployment.cluster, LocalCluster)
    return int(deployment.cluster.requests().get("get pods/log", 0))


def test_failed_pods_stay_for_their_time_whoever_the_scheduler_is(keeping: Deployment) -> None:
    run, state = keeping.airflow.run("ends")
    assert state == "failed"
    for task in ("good", "own_code"):
        keeping.watch.wait_gone(pod_of(keeping, run, task).launch)
    launch = pod_of(keeping, run, "killed").launch
    killed = keeping.watch.wait_for("its end", lambda pod: pod.launch == launch and pod.phase == "Failed")
    wait_until("its log saved", lambda: "the last line" in beside_the_log(keeping, "ends", "killed"), PATIENCE)
    assert killed.deleted_at is None

    keeping.airflow.restart("scheduler", SHORTER)
    keeping.watch.wait_gone(killed.launch)

    gone = pod_of(keeping, run, "killed")
    (status,) = gone.last["status"]["containerStatuses"]
    ended = datetime.fromisoformat(status["state"]["terminated"]["finishedAt"])
    assert gone.deleted_at is not None
    assert (gone.deleted_at - ended).total_seconds() >= TTL
    assert beside_the_log(keeping, "ends", "killed").count("the last line") == 1


def test_what_a_drained_pod_says_until_its_end_is_saved(keeping: Deployment) -> None:
    run = keeping.airflow.trigger("drained")
    launch = str(keeping.airflow.wait_task("drained", run, "work", "running").external_executor_id)
    pod = keeping.watch.wait_for("its pod", lambda pod: pod.launch == launch and pod.phase == "Running")
    core, name = keeping.cluster.core, (pod.name, pod.namespace)
    wait_until("its first words", lambda: "said before" in core.read_namespaced_pod_log(*name), PATIENCE)
    before = logs_read(keeping)
    core.delete_namespaced_pod(*name)
    wait_until("its log followed", lambda: logs_read(keeping) > before, PATIENCE)
    (keeping.home.logs / "end").touch()

    assert keeping.airflow.wait_run("drained", run) == "failed"
    wait_until("its log saved", lambda: "said after" in beside_the_log(keeping, "drained", "work"), PATIENCE)
    lines = beside_the_log(keeping, "drained", "work")
    first, last = lines.index("said before"), lines.index("said after")
    assert first < last
    assert "Saved the last 2 lines" in lines[first - 1]
    assert "while somebody else deleted it" in lines[first - 1]
    shown = keeping.airflow.api.task_log("drained", run, "work")
    assert "said after" in shown
    assert "was deleted by somebody else" in shown
    assert list(keeping.home.logs.glob("dag_id=drained/**/*.executor.*")) == []
