"""A whole Airflow as child processes: api-server, scheduler, dag-processor, triggerer on one home.

Actions go through the REST API (`stack.api`), facts are read from the database (`stack.database`).
A component that does not come up ends in `NotReadyError` with the end of its log.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any

from executor.demo.api import AirflowApi
from executor.demo.database import AirflowDatabase, EventLog, TaskRow
from executor.demo.home import AirflowHome
from executor.demo.migration import prepare_database
from executor.demo.processes import STOP_GRACE, Child, NotReadyError, stop_all, wait_until

COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")
FINISHED_RUN = frozenset({"success", "failed"})

_JOB_TYPES = {"scheduler": "SchedulerJob", "dag-processor": "DagProcessorJob", "triggerer": "TriggererJob"}
#: These two take seconds to end, for nothing: what they know is in the database, so nothing is lost by a kill.
_GRACE = {"triggerer": 0.5, "api-server": 0.5}


class AirflowStack:
    """One Airflow. Use as a context manager: leaving it stops everything that runs."""

    def __init__(
        self, home: AirflowHome, components: Iterable[str] = COMPONENTS, env: Mapping[str, str] | None = None
    ) -> None:
        """Nothing starts yet. `env` is added to the environment of every component."""
        self.home = home
        self.database = AirflowDatabase(home.database_url)
        self.api = AirflowApi(home.api_url)
        self._wanted = tuple(components)
        self._env = dict(env or {})
        self._children: dict[str, Child] = {}

    def __enter__(self) -> AirflowStack:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- processes ---------------------------------------------------------------------------------------------------

    def start(self, timeout: float = 90) -> None:
        """Make the database ready, start all components side by side, wait until each one works."""
        prepare_database(self.home)
        floors = {name: self._launch(name) for name in self._wanted}
        for name, floor in floors.items():
            self._await_ready(name, floor, timeout)

    def start_component(self, name: str, env: Mapping[str, str] | None = None, timeout: float = 60) -> Child:
        """Start one component and wait until it works. `env` adds to the home's environment."""
        floor = self._launch(name, env)
        self._await_ready(name, floor, timeout)
        return self._children[name]

    def component(self, name: str) -> Child:
        """Return the running (or dead) process of a component."""
        return self._children[name]

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """Send a signal to a component: SIGKILL is a crash."""
        self._children[name].kill(number)

    def restart(self, name: str, env: Mapping[str, str] | None = None) -> Child:
        """Stop a component in good order, if it still runs, and start it again."""
        self._children[name].stop()
        return self.start_component(name, env)

    def stop(self) -> None:
        """Stop everything. Pods go on: they are the cluster's."""
        self.api.close()
        stop_all(self._children.values())

    # -- runs --------------------------------------------------------------------------------------------------------

    def wait_dags(self, *dag_ids: str, timeout: float = 60) -> None:
        """Wait until these DAGs can be run.

        Raises:
            NotReadyError: a DAG file does not parse; holds its stack trace.
        """

        def all_parsed() -> bool:
            errors = self.database.import_errors()
            if errors:
                raise NotReadyError(
                    "DAG files that do not parse:\n" + "\n".join(f"{f}:\n{t}" for f, t in errors.items())
                )
            return set(dag_ids) <= self.database.parsed_dags()

        wait_until(f"DAGs {', '.join(dag_ids)} parsed", all_parsed, timeout)

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None, run_id: str | None = None) -> str:
        """Start a run of a DAG (waiting until it is parsed); return the run's id."""
        self.wait_dags(dag_id)
        return self.api.trigger(dag_id, conf, run_id)

    def wait_run(self, dag_id: str, run_id: str, timeout: float = 60) -> str:
        """Wait until a run is over; return its state.

        Raises:
            TimeoutError: it is not; the message lists its tasks' states.
        """

        def over() -> str | None:
            state = self.database.run_state(dag_id, run_id)
            return state if state in FINISHED_RUN else None

        try:
            return wait_until(f"{dag_id} {run_id} over", over, timeout)
        except TimeoutError as error:
            tasks = [f"{row.task_id}[{row.map_index}] {row.state}" for row in self.task_instances(dag_id, run_id)]
            raise TimeoutError(f"{error}; its tasks: {', '.join(tasks)}") from None

    def run(self, dag_id: str, conf: dict[str, Any] | None = None, timeout: float = 60) -> tuple[str, str]:
        """Trigger a run and wait for its end; return (run id, state)."""
        run_id = self.trigger(dag_id, conf)
        return run_id, self.wait_run(dag_id, run_id, timeout)

    def wait_task(
        self, dag_id: str, run_id: str, task_id: str, *states: str, try_number: int | None = None, timeout: float = 60
    ) -> TaskRow:
        """Wait until a task (not a mapped one) is in one of these states, in that try if one is given."""

        def there() -> TaskRow | None:
            rows = self.task_instances(dag_id, run_id, task_id)
            fits = [r for r in rows if r.state in states and try_number in (None, r.try_number)]
            return fits[0] if fits else None

        return wait_until(f"{dag_id}.{task_id} in {'/'.join(states)}", there, timeout, pause=0.1)

    def task_instances(self, dag_id: str, run_id: str, task_id: str | None = None) -> list[TaskRow]:
        """Return the tasks of a run as the database has them now."""
        task = {} if task_id is None else {"task_id": task_id}
        return self.database.task_instances(dag_id=dag_id, run_id=run_id, **task)

    def task(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> TaskRow:
        """Return one task as the database has it now."""
        return self.database.task_instance(dag_id=dag_id, run_id=run_id, task_id=task_id, map_index=map_index)

    def event_logs(self, dag_id: str, run_id: str, task_id: str | None = None) -> list[EventLog]:
        """Return the event log of a run, or of one of its tasks, oldest first."""
        task = {} if task_id is None else {"task_id": task_id}
        return self.database.event_logs(dag_id=dag_id, run_id=run_id, **task)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _launch(self, name: str, env: Mapping[str, str] | None = None) -> int:
        """Start without waiting; return the highest id of an earlier life's job row."""
        job_type = _JOB_TYPES.get(name, "")
        floor = max((job.id for job in self.database.jobs(job_type=job_type)), default=0)
        environment = self.home.environment() | self._env | dict(env or {})
        log = self.home.component_logs / f"{name}.log"
        grace = _GRACE.get(name, STOP_GRACE)
        self._children[name] = Child(name, ["airflow", name], environment, log, grace)
        return floor

    def _await_ready(self, name: str, floor: int, timeout: float) -> None:
        child = self._children[name]

        def ready() -> bool:
            child.require_running()
            return self.api.healthy() if name == "api-server" else self._job_runs(_JOB_TYPES[name], floor)

        try:
            wait_until(f"{name} ready", ready, timeout)
        except TimeoutError as error:
            raise NotReadyError(f"{error}. The end of {child.log}:\n{child.tail()}") from None

    def _job_runs(self, job_type: str, floor: int) -> bool:
        return any(job.id > floor and job.state == "running" for job in self.database.jobs(job_type=job_type))
