"""``make demo``: real Airflow, example DAGs, one pod per task, and the proof of it. Exit 0 if all went as it should.

Environment: KEEP (leave it running until Ctrl-C), DEMO_KUBECONFIG, DEMO_IMAGE and DEMO_NAMESPACE (a real cluster),
DEMO_HOST (the address under which its pods reach this machine).
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from executor.demo.board import Board
from executor.demo.cluster import Cluster
from executor.demo.expected import EXPECTED, dag_ids
from executor.demo.home import AirflowHome, state_directory
from executor.demo.migration import MigrationError
from executor.demo.place import Place, local_place, place_of
from executor.demo.pod_template import with_sidecar, worker_pod, write_pod_template
from executor.demo.pods import PodWatch
from executor.demo.processes import NotReadyError, wait_until
from executor.demo.show import Screen
from executor.demo.stack import FINISHED_RUN, AirflowStack
from executor.demo.verdict import Verdict, judge

SECRET = "airflow-demo"
SECRET_VALUES = {
    "by-override": "the secret of the override",
    "by-executor-config": "the secret of executor_config",
    "by-env-secrets": "the secret of every task",
}
RUNS_TIMEOUT = 240.0
GONE_TIMEOUT = 40.0


def main() -> int:
    """Run the demo; return the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    screen = Screen(datetime.now(UTC))
    try:
        with _own_directory() as directory, _place(directory) as place:
            return _run(place, directory, screen)
    except (NotReadyError, MigrationError, TimeoutError) as error:
        screen.say(f"The demo could not start: {error}")
        return 1
    except KeyboardInterrupt:
        screen.say("stopped")
        return 130


@contextmanager
def _own_directory() -> Iterator[Path]:
    """Hold an empty directory for this run; its content stays afterwards, until the next run.

    Raises:
        NotReadyError: another demo of this checkout is running.
    """
    directory = state_directory() / "demo"
    directory.parent.mkdir(parents=True, exist_ok=True)
    with directory.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NotReadyError("another demo of this checkout is running; stop it first") from None
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        yield directory


@contextmanager
def _place(directory: Path) -> Iterator[Place]:
    with place_of(os.environ) if os.environ.get("DEMO_KUBECONFIG") else local_place(directory) as place:
        yield place


def _run(place: Place, directory: Path, screen: Screen) -> int:
    cluster = place.cluster
    screen.say(f"cluster: {cluster.server}, namespace {place.namespace} ({place.what})")
    screen.say("starting Airflow: api-server, scheduler, dag-processor, triggerer (about ten seconds)")
    home = _make_home(place, directory)
    cluster.put_secret(SECRET, SECRET_VALUES, place.namespace)
    environment = {"DEMO_TEMPLATES": str(directory)}
    try:
        with PodWatch(cluster.kubeconfig, place.namespace) as watch, AirflowStack(home, env=environment) as airflow:
            screen.say(f"Airflow: {home.api_url} (no login), what its components print: {home.component_logs}")
            verdict = _play(airflow, watch, screen)
            if os.environ.get("KEEP"):
                _keep(home, cluster, place.namespace, screen)
    finally:
        cluster.delete_secret(SECRET, place.namespace)
    return 1 if verdict.problems else 0


def _make_home(place: Place, directory: Path) -> AirflowHome:
    """Lay out the home, the DAGs and both pod templates."""
    env_secret = {"env": "MY_SECRET", "secret": SECRET, "key": "by-env-secrets"}
    options = {
        "core": {"parallelism": "8"},
        "kubernetes_executor": {
            "namespace": place.namespace,
            "in_cluster": "False",
            "config_file": str(place.cluster.kubeconfig),
            "pod_template_file": str(directory / "worker.yaml"),
        },
        "kubernetes_pod_executor": {"env_secrets": json.dumps([env_secret])},
    }
    home = AirflowHome.create(directory / "airflow", "executor.KubernetesExecutor", host=place.host, options=options)
    for file in Path(__file__).with_name("dags").glob("*.py"):
        shutil.copy(file, home.dags)
    pod = worker_pod(home, place.files(home), place.image)
    write_pod_template(directory / "worker.yaml", pod)
    write_pod_template(directory / "with_sidecar.yaml", with_sidecar(pod, place.image))
    return home


def _play(airflow: AirflowStack, watch: PodWatch, screen: Screen) -> Verdict:
    """Run all DAGs to their end, show it, and judge."""
    board = Board()

    def refresh() -> None:
        rows = airflow.database.history() + airflow.database.task_instances()
        changed = board.update(rows, watch.pods())
        screen.show(board.lines, changed, datetime.now(UTC))

    with screen:
        airflow.wait_dags(*dag_ids())
        runs = {dag_id: airflow.trigger(dag_id) for dag_id in dag_ids()}

        def over() -> bool:
            refresh()
            return all(airflow.database.run_state(dag_id, run) in FINISHED_RUN for dag_id, run in runs.items())

        def gone() -> bool:
            refresh()
            return not watch.live()

        _patiently("all runs over", over, RUNS_TIMEOUT, screen)
        _patiently("all pods deleted", gone, GONE_TIMEOUT, screen)
    rows, events = airflow.database.task_instances(), airflow.database.event_logs()
    verdict = judge(EXPECTED, rows, board.lines, events, watch.gaps)
    screen.summary(board.lines, verdict)
    return verdict


def _patiently(what: str, probe: Callable[[], bool], timeout: float, screen: Screen) -> None:
    """Wait, but go on when it takes too long: the summary says what is missing."""
    try:
        wait_until(what, probe, timeout, pause=0.4)
    except TimeoutError as error:
        screen.say(str(error))


def _keep(home: AirflowHome, cluster: Cluster, namespace: str, screen: Screen) -> None:
    screen.say(f"\nAirflow's user interface: {home.api_url}")
    screen.say(f"kubectl --kubeconfig {cluster.kubeconfig} --namespace {namespace} get pods --watch")
    screen.say("Everything runs until Ctrl-C.")
    threading.Event().wait()


if __name__ == "__main__":
    sys.exit(main())
