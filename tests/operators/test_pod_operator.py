"""PodOperator on a real Airflow and the local cluster: the task is the pod, and no worker is started."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest

from executor.demo.api import ApiError
from executor.demo.pods import SeenPod
from executor.demo.processes import Child, wait_until
from tests.airflow.harness import Deployment

pytestmark = [
    pytest.mark.parametrize("database", ["postgresql"], indirect=True, scope="module"),
    pytest.mark.timeout(3600 if os.environ.get("SOAK") else 1200),
]

COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")
FOLDER = Path(__file__).parent / "dags"
SOAK = bool(os.environ.get("SOAK"))
CAP, MANY, POOLED = (5, 20, 12) if SOAK else (3, 9, 4)
FROZEN = 120.0 if SOAK else 0.0  # seconds, beside those in which another triggerer takes over
DAGS = (
    (FOLDER / "pod_tasks.py")
    .read_text()
    .replace("MANY = 9", f"MANY = {MANY}")
    .replace("POOLED = 4", f"POOLED = {POOLED}")
)
SCHEDULER_ENV = {"PYTHONPATH": str(FOLDER.with_name("local_settings"))}
OPTIONS = {"triggerer": {"triggerer_health_check_threshold": "6", "job_heartbeat_sec": "1"}}
TOGETHER = ("results", "endings", "mapped", "retried", "forgotten", "interrupted", "worker_path", "pooled", "functions")
PATIENCE = 600.0 if SOAK else 400.0  # seconds, reached only when something is wrong
TAKE_OVER = 45.0  # seconds in which one triggerer has noticed that another is frozen


@pytest.fixture(scope="module")
def runs(deployment: Deployment) -> dict[str, str]:
    """The runs of most DAGs, started together; each test waits for its own."""
    deployment.airflow.api.request("POST", "/pools", {"name": "three", "slots": 3})
    deployment.add_dags("functions", (FOLDER / "functions.py").read_text())
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


# Seconds from the end of a task to the end of its pod: one of grace, the rest for a busy machine. Whoever collects pods
# that nobody follows looks every five minutes.
LATE = 90.0


@pytest.mark.parametrize("phase", ["running", "pending"])
def test_what_a_person_does_to_a_task_stops_its_pod(deployment: Deployment, runs: dict[str, str], phase: str) -> None:
    of = tasks(deployment, runs, "interrupted")
    api, run = deployment.airflow.api, runs["interrupted"]
    names = [f"{phase}_{action}" for action in ("clear", "success", "failed", "timeout")]

    def there(name: str) -> bool:
        pods = of.pods(name)
        return bool(pods) and (phase == "pending" or pods[0].running_at is not None)

    def timed_out() -> bool:
        """It may be before its pod ran."""
        return any(pod.deleted_at for pod in of.pods(names[3]))

    wait_until("their pods", lambda: all(map(there, names[:3])) and (there(names[3]) or timed_out()), PATIENCE)
    asked = datetime.now(UTC)
    api.clear("interrupted", run, f"{phase}_clear")
    api.mark("interrupted", run, f"{phase}_success", "success")
    api.mark("interrupted", run, f"{phase}_failed", "failed")
    first = [of.pods(name)[0].uid for name in names]

    def gone() -> bool:
        return all(pod.deleted_at for pod in deployment.watch.pods() if pod.uid in first)

    wait_until(f"the pods of {names} gone", gone, 2 * LATE)
    assert max(seconds_late(deployment, first, asked)) < LATE, "a pod outlived its task"
    assert of.wait(*names[1:]) == {names[1]: "success", names[2]: "failed", names[3]: "failed"}
    assert "was stopped: execution_timeout (9 s) is over" in of.log(names[3])
    wait_until("the second try's pod", lambda: len(of.pods(names[0])) == 2, PATIENCE)
    if phase == "running":
        assert of.wait(names[0]) == {names[0]: "success"}
    else:
        api.mark("interrupted", run, names[0], "failed")


def seconds_late(deployment: Deployment, uids: list[str], asked: datetime) -> list[float]:
    """From the moment when a task was taken from its pod, by a person or its timeout of 9 s, to the end of the pod."""
    pods = {pod.uid: pod for pod in deployment.watch.pods()}
    dues = [*(asked for _ in uids[:-1]), pods[uids[-1]].seen_at + timedelta(seconds=9)]
    ends = [pods[uid].deleted_at or datetime.now(UTC) for uid in uids]
    return [(end - due).total_seconds() for end, due in zip(ends, dues, strict=True)]


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
    assert "outlet" in [event["source_task_id"] for event in events]


def test_a_function_runs_in_its_image(deployment: Deployment, runs: dict[str, str]) -> None:
    of = tasks(deployment, runs, "functions")
    states = of.wait("give", "add", "total", "first", "later", "count")
    assert set(states.values()) == {"success"}, (states, of.log("total"), of.log("later"), of.log("count"))
    assert of.xcom("give") == {"n": 3, "run": of.run_id, "airflow": False, "list": [1, 2, 3]}
    assert "[base] giving functions" in of.log("give")
    assert "airflow-xcom" not in of.log("give")
    assert [of.xcom("add", map_index=index) for index in range(3)] == [11, 12, 13]
    assert of.xcom("total") == [[11, 12, 13], "x"]
    assert (of.xcom("later", "days"), of.xcom("later", "day")) == (59, "2026-03-01")
    assert "has a worker beside its pod, because asset events" in of.log("count")
    assert (of.xcom("count"), len(of.pods("count")), len(of.pods("add"))) == (3, 1, 3)


def test_what_a_function_raises_is_shown(deployment: Deployment, runs: dict[str, str]) -> None:
    of = tasks(deployment, runs, "functions")
    states = of.wait("fail", "skip", "unusable", "astray")
    assert states == {"fail": "failed", "skip": "skipped", "unusable": "failed", "astray": "failed"}
    log = of.log("fail")
    line = (FOLDER / "functions.py").read_text().splitlines().index("def fail(given):") + 2
    assert f'File "functions.py", line {line}, in fail' in log
    assert "container base ended with exit code 1" in log
    assert "Its last words: LookupError: no customer 3." in log
    assert "characters)" in log.split("The pod was made of:")[1]
    assert "the result of unusable is a date, which is not JSON. Return JSON" in of.log("unusable")
    assert "which skips" in of.log("skip")
    assert ("/no/such/python" in of.log("astray"), len(of.pods("astray"))) == (True, 1)


def test_no_pod_outlives_its_task(deployment: Deployment, runs: dict[str, str]) -> None:
    for name in runs:
        deployment.airflow.wait_run(name, runs[name], PATIENCE)
    deployment.watch.wait_gone(timeout=2 * LATE)


def gated(deployment: Deployment, gates: Path) -> Tasks:
    """A run whose pod waits for a file, and is running."""
    run = deployment.airflow.trigger("long", {"gates": str(gates)})
    of = Tasks(deployment, "long", run)
    wait_until("its pod runs", lambda: any(pod.running_at for pod in of.pods("gated")), PATIENCE)
    return of


def test_another_triggerer_goes_on_with_the_pod(deployment: Deployment, tmp_path: Path) -> None:
    of = gated(deployment, tmp_path)
    deployment.airflow.kill("triggerer", signal.SIGKILL)
    capped = {"AIRFLOW__KUBERNETES_POD_EXECUTOR__MAX_ACTIVE_PODS": str(CAP)}
    deployment.airflow.restart("triggerer", env=capped)
    wait_until("followed again", lambda: "was found, and is followed on" in of.log("gated"), PATIENCE)
    (tmp_path / "open").touch()
    assert of.wait("gated") == {"gated": "success"}
    assert len(of.pods("gated")) == 1
    assert "opened" in of.log("gated")


def test_a_triggerer_runs_no_more_pods_than_it_may(deployment: Deployment, tmp_path: Path) -> None:
    """After the test before, whose triggerer may have no more than the cap. No pod ends before all others wait."""
    run = deployment.airflow.trigger("many", {"gates": str(tmp_path)})
    of = Tasks(deployment, "many", run)
    wait_until("all others wait", lambda: len(waiting_for_room(of)) >= MANY - CAP, PATIENCE)
    (tmp_path / "open").touch()
    assert deployment.airflow.wait_run("many", run, PATIENCE) == "success"
    pods = of.pods("one")
    assert len(pods) == MANY
    assert at_once(pods) <= CAP


def waiting_for_room(of: Tasks) -> list[Path]:
    """The logs that say so."""
    return [path for path in log_files(of) if f"max_active_pods = {CAP}" in path.read_text()]


def at_once(pods: list[SeenPod]) -> int:
    """The most of them that there were at the same time, from their making to the end of their containers."""
    starts = [(pod.seen_at, 1) for pod in pods]
    ends = [(pod.finished_at, -1) for pod in pods if pod.finished_at]
    return max(accumulate(change for _, change in sorted([*starts, *ends])))


def test_a_pool_counts_container_tasks(deployment: Deployment, runs: dict[str, str]) -> None:
    of = tasks(deployment, runs, "pooled")
    assert deployment.airflow.wait_run("pooled", of.run_id, 2 * PATIENCE) == "success"
    pods = of.pods("one")
    assert len(pods) == POOLED
    assert at_once(pods) <= 3
    assert "because pool 'three' counts only tasks that go to a worker" in of.log("one", map_index=0)


def test_a_triggerer_that_was_frozen_kills_no_pod_of_another(deployment: Deployment, tmp_path: Path) -> None:
    of = gated(deployment, tmp_path)
    frozen = deployment.airflow.component("triggerer").pid
    home = deployment.home
    other = Child("other", ["airflow", "triggerer"], home.environment(), home.component_logs / "other.log", 0.5)
    try:
        freeze_until(frozen, "the other follows it", lambda: "was found, and is followed on" in logs_of(of))
        time.sleep(FROZEN)
        signalled(frozen, signal.SIGCONT)
        wait_until("the first lets go", lambda: "its pod is left alone" in logs_of(of), PATIENCE)
        (tmp_path / "open").touch()
        assert of.wait("gated") == {"gated": "success"}
        assert len(of.pods("gated")) == 1
    finally:
        signalled(frozen, signal.SIGCONT)
        other.stop()


def freeze_until(triggerer: int, what: str, happens: Callable[[], bool]) -> None:
    """Leave it frozen; but not amid a transaction, for whose locks the other would wait."""
    for attempt in range(5):
        signalled(triggerer, signal.SIGSTOP)
        try:
            wait_until(f"{what} ({attempt})", happens, TAKE_OVER)
        except TimeoutError:
            signalled(triggerer, signal.SIGCONT)
        else:
            return
    raise TimeoutError(what)


def signalled(triggerer: int, number: int) -> None:
    for process in (triggerer, *processes_of(triggerer)):
        os.kill(process, number)


def processes_of(pid: int) -> list[int]:
    """The children of a process."""
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def logs_of(of: Tasks) -> str:
    """All logs of the task's tries, whichever triggerer wrote them."""
    return "".join(path.read_text() for path in log_files(of))


def log_files(of: Tasks) -> list[Path]:
    folder = of.deployment.home.logs / f"dag_id={of.dag_id}" / f"run_id={of.run_id}"
    return list(folder.rglob("*.log"))


def test_one_pod_where_others_need_two_or_three(deployment: Deployment) -> None:
    count = 20 if SOAK else 5
    text = (Path(__file__).parent / "dags" / "counted.py").read_text()
    deployment.add_dags("counted", text.replace("COUNT = 5", f"COUNT = {count}"))
    conf = {"namespace": deployment.namespace, "kubeconfig": str(deployment.cluster.kubeconfig)}
    names = ("ours", "theirs", "deferred")
    started = {name: deployment.airflow.trigger(name, conf) for name in names}
    states = [deployment.airflow.wait_run(name, run, 2 * PATIENCE) for name, run in started.items()]
    assert states == ["success"] * 3
    pods = deployment.watch.pods()
    made = {name: sum(pod.labels.get("dag_id") == name for pod in pods) for name in names}
    of_triggerer = [pod for pod in pods if pod.labels.get("dag_id") == "ours"]
    assert {(pod.labels.get("mutated"), pod.name != "anothers") for pod in of_triggerer} == {("yes", True)}
    assert made == {"ours": count, "theirs": 2 * count, "deferred": 3 * count}
