"""One soak, from its first task to the last pod's end: who takes part, and what came of it."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from executor.demo.cluster import LocalCluster
from executor.demo.home import AirflowHome
from executor.demo.processes import Child, stop_all, wait_until
from tests.soak.container import read_ledger
from tests.soak.kinds import Kind
from tests.soak.rows import FINAL, SoakRows
from tests.soak.verdict import Verdict, judge
from tests.soak.weather import Climate, Weather

SCHEDULERS = ("first", "second")
POLL_SECONDS = 0.5
START_SECONDS = 240
ADOPTION_SECONDS = 6
TEMPLATE = Path(__file__).with_name("template.yaml")
CHECKOUT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run. kill_every: launches between two kills of an executor, 0: none. without: a protection to switch off
    (`tests.soak.executor.SWITCHES`). patience: seconds without any change of the rows after which it is given up;
    collection: seconds after the last row's end in which everything that is left over has to go."""

    kinds: list[Kind]
    climate: Climate = field(default_factory=Climate)
    kill_every: int = 500
    without: str = ""
    schedulers: tuple[str, ...] = SCHEDULERS
    patience: float = 150.0
    collection: float = 150.0
    slots: int = 64


class Soak:
    """A run in a namespace, on a database of its own."""

    def __init__(self, plan: Plan, folder: Path, cluster: LocalCluster, database: str, namespace: str) -> None:
        self._plan, self._cluster, self._namespace = plan, cluster, namespace
        self._folder, self._database = folder, database
        self._ledger = folder / "ledger"
        self._rows = SoakRows(database)
        self._weather = Weather(cluster, namespace, plan.climate)
        self._home = AirflowHome.create(
            folder / "airflow",
            "tests.soak.executor.SoakExecutor",
            database_url=database,
            options=_options(plan, cluster, namespace),
        )
        self._children: dict[str, Child] = {}
        self.kills = 0
        self.seconds = 0.0

    def __str__(self) -> str:
        weather = self._weather
        asked = ", ".join(f"{count} {what}" for what, count in sorted(weather.requests.items()))
        faults = f"{weather.bursts} bursts of 429, history lost {weather.losses} times"
        return f"{self.kills} executors killed, {faults}, in {self.seconds:.0f} s; requests: {asked}"

    def run(self) -> Verdict:
        """To the end, or until nothing moves any more."""
        self._cluster.ensure_namespace(self._namespace)
        self._rows.insert(self._plan.kinds)
        began = time.monotonic()
        with self._processes():
            wait_until("the schedulers at work", lambda: all(map(self._status, self._plan.schedulers)), START_SECONDS)
            self._weather.begin()
            self._work()
            self._weather.end()
            self._weather.lose_history()
            leftovers = self._settle()
        self.seconds = time.monotonic() - began
        ledger = list(read_ledger(self._ledger))
        return judge(self._plan.kinds, self._rows.ends(), ledger, leftovers, self._logs())

    @contextmanager
    def _processes(self) -> Iterator[None]:
        with ExitStack() as stack:
            stack.callback(lambda: stop_all(self._children.values()))
            plain = self._database.replace("+psycopg2", "")
            self._child("node", "tests.soak.node", str(self._cluster.kubeconfig), plain, str(self._ledger))
            for name in self._plan.schedulers:
                self._start(name)
            yield

    def _start(self, name: str) -> None:
        self._child(name, "tests.soak.scheduler", str(self._folder / f"{name}.json"))

    def _child(self, name: str, module: str, *arguments: str) -> None:
        environment = self._home.environment() | {"SOAK_WITHOUT": self._plan.without, "PYTHONPATH": str(CHECKOUT)}
        command = [sys.executable, "-m", module, *arguments]
        self._children[name] = Child(name, command, environment, self._folder / f"{name}.log", grace=8)

    # -- while it runs -----------------------------------------------------------------------------------------------

    def _work(self) -> None:
        """Until every row is final, killing and blowing; or until nothing has moved for too long."""
        last, moved = self._rows.states(), time.monotonic()
        while sum(last[state] for state in FINAL) < len(self._plan.kinds):
            self._require_life()
            self._kill_one()
            self._weather.blow()
            time.sleep(POLL_SECONDS)
            now = self._rows.states()
            if now != last:
                last, moved = now, time.monotonic()
            elif time.monotonic() - moved > self._plan.patience:
                return

    def _kill_one(self) -> None:
        """kill -9 and a new life, each time the other scheduler's turn."""
        if not self._plan.kill_every:
            return
        launches = len({entry.launch for entry in read_ledger(self._ledger)})
        if launches // self._plan.kill_every > self.kills:
            name = self._plan.schedulers[self.kills % len(self._plan.schedulers)]
            self._children[name].kill(signal.SIGKILL)
            self._children[name].stop()
            self._start(name)
            self.kills += 1

    def _settle(self) -> dict[str, int]:
        """Wait for one period of collection at most; what is left in the namespace then."""
        with suppress(TimeoutError):
            wait_until("nothing left", lambda: not any(self._left().values()), self._plan.collection)
        return self._left()

    def _left(self) -> dict[str, int]:
        core = self._cluster.core
        slots = sum(int(self._status(name).get("slots_occupied", 1)) for name in self._plan.schedulers)
        secrets = core.list_namespaced_secret(self._namespace, label_selector="airflow-deployment").items
        return {"pods": len(self._cluster.pods(self._namespace)), "secrets": len(secrets), "slots": slots}

    def _status(self, name: str) -> dict[str, int]:
        path = self._folder / f"{name}.json"
        found: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
        return found

    def _require_life(self) -> None:
        for child in self._children.values():
            child.require_running()

    def _logs(self) -> dict[str, str]:
        return {name: (self._folder / f"{name}.log").read_text(errors="replace") for name in self._children}


def _options(plan: Plan, cluster: LocalCluster, namespace: str) -> dict[str, dict[str, str | None]]:
    return {
        "core": {"parallelism": str(plan.slots)},
        "logging": {"logging_level": "INFO"},
        "scheduler": {
            "scheduler_health_check_threshold": str(ADOPTION_SECONDS),
            "orphaned_tasks_check_interval": "2",
            "task_queued_timeout": "600",
            "task_queued_timeout_check_interval": "2",
            "task_instance_heartbeat_timeout_detection_interval": "2",
            "trigger_timeout_check_interval": "60",
            "scheduler_idle_sleep_time": "0.2",
        },
        "kubernetes_executor": {
            "namespace": namespace,
            "in_cluster": "False",
            "config_file": str(cluster.kubeconfig),
            "pod_template_file": str(TEMPLATE),
        },
        "kubernetes_pod_executor": {"reconcile_interval": "3"},
    }
