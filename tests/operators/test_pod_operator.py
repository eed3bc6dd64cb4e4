"""PodOperator on a real Airflow and the local cluster: the task is the pod, and no worker is started."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from executor.demo.api import ApiError
from executor.demo.pods import SeenPod
from executor.demo.processes import Child, wait_until
from tests.airflow.harness import Deployment

pytestmark = [
    pytest.mark.parametrize("database", ["postgresql"], indirect=True, scope="module"),
    pytest.mark.timeout(300),
]

COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")
DAGS = (Path(__file__).parent / "dags" / "pod_tasks.py").read_text()
OPTIONS = {"triggerer": {"triggerer_health_check_threshold": "6", "job_heartbeat_sec": "1"}}
TOGETHER = ("results", "endings", "mapped", "retried", "forgotten", "interrupted", "worker_path")
PATIENCE = 150.0


@pytest.fixture(scope="module")
def runs(deployment: Deployment) -> dict[str, str]:
    """The runs of most DAGs, started together; each test waits for its own."""
    deployment.airflow.wait_dags(*TOGETHER)
    return {name: deployment.airflow.trigger(name) for name in TOGETHER}


class Tasks:
    """The tasks of one run."""

    def __init__(self, deployment: Deployment, dag_id: str, run_id: str) -> None:
        self.deployment, self.dag_id, self.run_id = deployment, dag_id, run_id

    def wait(self, *task_ids: str) -> dict[str, str]:
        """The states of these tasks once all have ended, by task."""

        def ended() -> dict[str, str] | None:
            rows = self.deployment.airflow.task_instances(self.dag_id, self.run_id)
            states = {row.task_id: str(row.state) for row in rows if row.task_id in task_ids}
            done = all(state in ("success", "failed", "skipped", "upstream_failed") for state in states.values())
            return states if len(states) == len(task_ids) and done else None

        try:
            return wait_until(f"{self.dag_id} {task_ids}", ended, PATIENCE)
        except TimeoutError as error:
            rows = self.deployment.airflow.task_instances(self.dag_id, self.run_id)
            raise TimeoutError(f"{error}: {[(row.task_id, row.state) for row in rows]}") from None

    def log(self, task_id: str, try_number: int = 1, map_index: int = -1) -> str:
        return self.deployment.airflow.api.task_log(self.dag_id, self.run_id, task_id, try_number, map_index)

    def xcom(self, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        return self.deployment.airflow.api.xcom(self.dag_id, self.run_id, task_id, key, map_index)

    def pods(self, task_id: str) -> list[SeenPod]:
        """The pods that PodOperator made for it, oldest first."""
        wanted = {"dag_id": self.dag_id, "task_id": task_id, "run_id": self.run_id}
        seen = self.deployment.watch.pods()
        made = [pod for pod in seen if pod.labels.get("kubernetes_pod_operator") == "True"]
        return [pod for pod in made if wanted.items() <= pod.annotations.items()]


def tasks(deployment: Deployment, runs: dict[str, str], dag_id: str) -> Tasks:
    return Tasks(deployment, dag_id, runs[dag_id])


def test_a_task_is_one_pod_and_its_result_reaches_the_next(deployment: Deployment, runs: dict[str, str]) -> None:
    of = tasks(deployment, runs, "results")
    names = ("give", "take", "after", "megabyte", "entry")
    states = of.wait(*names)
    assert set(states.values()) == {"success"}, (states, of.log("take"), of.log("megabyte"))
    assert [len(of.pods(name)) for name in names] == [1] * len(names)
    assert of.xcom("give")["a"] == [1, 2]
    assert of.xcom("give", "pod_name") == of.pods("give")[0].name
    log = of.log("give")
    assert "[base] working" in log
    assert "[base] unfinished" in log
    assert "airflow-xcom" not in log
    assert of.xcom("megabyte") == list(range(160_000))
    assert of.xcom("entry") == {"from": "entry point"}


def test_an_image_without_a_shell_gives_its_result_too(deployment: Deployment, runs: dict[str, str]) -> None:
    of = tasks(deployment, runs, "results")
    assert of.wait("shell_less") == {"shell_less": "success"}, of.log("shell_less")
    assert of.xcom("shell_less") == [3]
    assert "has no /bin/sh" in of.log("shell_less")


ENDINGS = {
    "fails": ("failed", "container base ended with exit code 3"),
    "skips": ("skipped", "ended with exit code 7, which skips"),
    "missing": ("failed", "wrote no /airflow/xcom/return.json"),
    "empty": ("failed", "left an empty /airflow/xcom/return.json"),
    "no_json": ("failed", "return.json (2 bytes) is not JSON"),
    "oversized": ("failed", "has 9,000,000 bytes; 8,388,608 are the most"),
    "failed_result": ("failed", "container base ended with exit code 1"),
    "hungry": ("failed", "was killed for using more than its memory limit of 64Mi"),
    "no_image": ("failed", "the image missing/image:1 of container base cannot be pulled"),
    "no_program": ("failed", "Check cmds and the image"),
    "no_template": ("failed", "arguments cannot be rendered: 'no_such_name' is undefined"),
}


def test_each_end_has_its_state_and_one_sentence(deployment: Deployment, runs: dict[str, str]) -> None:
    of = tasks(deployment, runs, "endings")
    states = of.wait(*ENDINGS)
    assert states == {name: state for name, (state, _) in ENDINGS.items()}
    for name, (_, sentence) in ENDINGS.items():
        said = [line for line in of.log(name).splitlines() if sentence in line]
        assert len(said) == 1, (name, of.log(name))
    with pytest.raises(ApiError, match="404"):
        of.xcom("failed_result")


def test_mapped_tasks_start_in_the_triggerer(deployment: Deployment, runs: dict[str, str]) -> None:
    of = tasks(deployment, runs, "mapped")
    states = of.wait("both", "gather", "lists", "over")
    assert set(states.values()) == {"success"}, (states, of.log("gather"), of.log("over", map_index=0))
    keys = [pod.first["spec"]["tolerations"][0]["key"] for pod in of.pods("both")]
    assert sorted(keys) == ["a", "a", "b", "b"]
    assert [of.xcom("both", map_index=index) for index in range(4)] == [1, 1, 2, 2]
    assert ["N is 3" in of.log("over", map_index=0), "N is 4" in of.log("over", map_index=1)] == [True, True]
    assert len(of.pods("over")) == 2


def test_a_retry_is_a_pod_of_its_own(deployment: Deployment, runs: dict[str, str]) -> None:
    of = tasks(deployment, runs, "retried")
    wait_until("the second try", lambda: len(of.pods("again")) == 2, PATIENCE)
    assert of.wait("again") == {"again": "success"}
    assert of.xcom("again") == "try 2"


def test_old_results_are_cleared_at_a_new_try(deployment: Deployment, runs: dict[str, str]) -> None:
    of = tasks(deployment, runs, "forgotten")
    assert of.wait("twice") == {"twice": "success"}
    assert of.xcom("twice") == {"old": 1}
    deployment.airflow.api.clear("forgotten", runs["forgotten"], "twice")
    wait_until("the second try", lambda: len(of.pods("twice")) == 2, PATIENCE)
    assert of.wait("twice") == {"twice": "failed"}
    with pytest.raises(ApiError, match="404"):
        of.xcom("twice")


@pytest.mark.parametrize("phase", ["running", "pending"])
def test_what_a_person_does_to_a_task_stops_its_pod(deployment: Deployment, runs: dict[str, str], phase: str) -> None:
    of = tasks(deployment, runs, "interrupted")
    api, run = deployment.airflow.api, runs["interrupted"]
    names = [f"{phase}_{action}" for action in ("clear", "success", "failed", "timeout")]

    def there(name: str) -> bool:
        pods = of.pods(name)
        return bool(pods) and (phase == "pending" or pods[0].running_at is not None)

    wait_until("their pods", lambda: all(map(there, names)), PATIENCE)
    api.clear("interrupted", run, f"{phase}_clear")
    api.mark("interrupted", run, f"{phase}_success", "success")
    api.mark("interrupted", run, f"{phase}_failed", "failed")
    first = [of.pods(name)[0].uid for name in names]

    def gone() -> bool:
        return all(pod.deleted_at for pod in deployment.watch.pods() if pod.uid in first)

    wait_until(f"the pods of {names} gone", gone, 40)
    assert of.wait(*names[1:]) == {names[1]: "success", names[2]: "failed", names[3]: "failed"}
    assert "was stopped: execution_timeout (9 s) is over" in of.log(names[3])
    wait_until("the second try's pod", lambda: len(of.pods(names[0])) == 2, PATIENCE)
    if phase == "running":
        assert of.wait(names[0]) == {names[0]: "success"}
    else:
        api.mark("interrupted", run, names[0], "failed")


def test_a_task_with_outlets_takes_the_worker_path(deployment: Deployment, runs: dict[str, str]) -> None:
    of = tasks(deployment, runs, "worker_path")
    assert of.wait("outlet") == {"outlet": "success"}, of.log("outlet")
    assert of.xcom("outlet") == 5
    log = of.log("outlet")
    assert "because asset events of outlets are written by a worker" in log
    told = ("client", "manifest Pod", "creation", "completion", "teardown", "cleanup", "base said")
    assert [word for word in told if f"told {word}" not in log] == []
    assert "progress said" in log
    assert "base says said" in log
    events = deployment.airflow.api.request("GET", "/assets/events")["asset_events"]
    assert [event["source_task_id"] for event in events] == ["outlet"]


def test_no_pod_outlives_its_task(deployment: Deployment, runs: dict[str, str]) -> None:
    for name in runs:
        deployment.airflow.wait_run(name, runs[name], PATIENCE)
    deployment.watch.wait_gone(timeout=60)


def gated(deployment: Deployment, gates: Path) -> Tasks:
    """A run whose pod waits for a file, and is running."""
    run = deployment.airflow.trigger("long", {"gates": str(gates)})
    of = Tasks(deployment, "long", run)
    wait_until("its pod runs", lambda: any(pod.running_at for pod in of.pods("gated")), PATIENCE)
    return of


def test_another_triggerer_goes_on_with_the_pod(deployment: Deployment, tmp_path: Path) -> None:
    of = gated(deployment, tmp_path)
    deployment.airflow.kill("triggerer", signal.SIGKILL)
    capped = {"AIRFLOW__KUBERNETES_POD_EXECUTOR__MAX_ACTIVE_PODS": "3"}
    deployment.airflow.restart("triggerer", env=capped)
    wait_until("followed again", lambda: "was found, and is followed on" in of.log("gated"), PATIENCE)
    (tmp_path / "open").touch()
    assert of.wait("gated") == {"gated": "success"}
    assert len(of.pods("gated")) == 1
    assert "opened" in of.log("gated")


def test_a_triggerer_runs_no_more_pods_than_it_may(deployment: Deployment) -> None:
    """After the test before, whose triggerer may have 3."""
    run = deployment.airflow.trigger("many")
    of = Tasks(deployment, "many", run)
    assert deployment.airflow.wait_run("many", run, PATIENCE) == "success"
    pods = of.pods("one")
    assert len(pods) == 9
    starts = [(pod.seen_at, 1) for pod in pods]
    ends = [(pod.finished_at, -1) for pod in pods if pod.finished_at]
    most = now = 0
    for _, change in sorted([*starts, *ends]):
        now += change
        most = max(most, now)
    assert most <= 3
    waited = [index for index in range(9) if "max_active_pods = 3" in of.log("one", map_index=index)]
    assert len(waited) == 6


def test_a_triggerer_that_was_frozen_kills_no_pod_of_another(deployment: Deployment, tmp_path: Path) -> None:
    of = gated(deployment, tmp_path)
    frozen = deployment.airflow.component("triggerer")
    runners = processes_of(frozen.pid)
    for process in (frozen.pid, *runners):
        os.kill(process, signal.SIGSTOP)
    home = deployment.home
    other = Child("other", ["airflow", "triggerer"], home.environment(), home.component_logs / "other.log", 0.5)
    try:
        followed = "was found, and is followed on"
        wait_until("the other follows it", lambda: followed in of.log("gated"), PATIENCE)
        for process in (frozen.pid, *runners):
            os.kill(process, signal.SIGCONT)
        wait_until("the first lets go", lambda: "its pod is left alone" in frozen_logs(of), PATIENCE)
        (tmp_path / "open").touch()
        assert of.wait("gated") == {"gated": "success"}
        assert len(of.pods("gated")) == 1
    finally:
        other.stop()


def processes_of(pid: int) -> list[int]:
    """The children of a process."""
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def frozen_logs(of: Tasks) -> str:
    """All logs of the task's tries, whichever triggerer wrote them."""
    folder = of.deployment.home.logs / f"dag_id={of.dag_id}" / f"run_id={of.run_id}"
    return "".join(path.read_text() for path in folder.rglob("*.log"))


def test_one_pod_where_others_need_two_or_three(deployment: Deployment) -> None:
    count = 20 if os.environ.get("SOAK") else 5
    text = (Path(__file__).parent / "dags" / "counted.py").read_text()
    deployment.add_dags("counted", text.replace("COUNT = 5", f"COUNT = {count}"))
    conf = {"namespace": deployment.namespace, "kubeconfig": str(deployment.cluster.kubeconfig)}
    names = ("ours", "theirs", "deferred")
    started = {name: deployment.airflow.trigger(name, conf) for name in names}
    states = [deployment.airflow.wait_run(name, run, 2 * PATIENCE) for name, run in started.items()]
    assert states == ["success"] * 3
    pods = deployment.watch.pods()
    made = {name: sum(pod.labels.get("dag_id") == name for pod in pods) for name in names}
    assert made == {"ours": count, "theirs": 2 * count, "deferred": 3 * count}
