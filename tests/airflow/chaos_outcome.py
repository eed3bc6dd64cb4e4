"""What a run came to, and how two runs of the same DAGs differ. Pure but for `read_outcome`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from executor.demo.database import EventLog
from executor.demo.pods import SeenPod
from tests.airflow.harness import Deployment

Task = tuple[str, str, int]  # dag, task, map index


@dataclass(frozen=True, slots=True)
class TaskOutcome:
    """One task of a run. starts: how many pods were let run it, by try (Airflow's event log names them);
    pods: how many pods each of its launches had, in the order of the launches; xcom: what it returned, as stored."""

    state: str | None
    tries: int
    starts: Mapping[int, int]
    pods: tuple[int, ...]
    xcom: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """All of it: states of the runs by DAG, and the tasks."""

    runs: Mapping[str, str]
    tasks: Mapping[Task, TaskOutcome]


def read_outcome(deployment: Deployment, runs: Mapping[str, str]) -> Outcome:
    """Read rows, event log and pods of these runs (DAG -> run id), which are over."""
    airflow = deployment.airflow
    states = {dag: airflow.database.run_state(dag, run) or "missing" for dag, run in runs.items()}
    tasks: dict[Task, TaskOutcome] = {}
    for dag, run in runs.items():
        xcoms = _xcoms(deployment, dag, run)
        starts = _starts(deployment, dag, run)
        for row in airflow.task_instances(dag, run):
            task = (dag, row.task_id, row.map_index)
            tasks[task] = TaskOutcome(
                state=row.state,
                tries=row.try_number,
                starts=starts.get(task, {}),
                pods=_pods(deployment.watch.pods(), run, task),
                xcom=_without_name(xcoms.get(task), row.hostname),
            )
    return Outcome(states, tasks)


def _starts(deployment: Deployment, dag: str, run: str) -> dict[Task, dict[int, int]]:
    hosts: dict[Task, dict[int, set[str]]] = {}
    for entry in deployment.airflow.event_logs(dag, run):
        if entry.event == "running" and entry.task_id:
            task = (dag, entry.task_id, -1 if entry.map_index is None else entry.map_index)
            hosts.setdefault(task, {}).setdefault(entry.try_number or 0, set()).add(host_of(entry))
    return {task: {number: len(names) for number, names in tries.items()} for task, tries in hosts.items()}


def host_of(entry: EventLog) -> str:
    """The pod that an entry `running` is about: Airflow's API server writes one whenever it lets a worker run a task,
    and again when that worker asks a second time, because the first answer took too long."""
    return str(json.loads(entry.extra)["host_name"])


def _pods(pods: list[SeenPod], run: str, task: Task) -> tuple[int, ...]:
    """Counts by launch."""
    mine = [pod for pod in pods if pod.annotations.get("run_id") == run and _task_of(pod) == task]
    return tuple(Counter(pod.launch for pod in mine).values())


def _task_of(pod: SeenPod) -> Task:
    notes = pod.annotations
    return (notes.get("dag_id", ""), notes.get("task_id", ""), int(notes.get("map_index", "-1")))


def _without_name(xcom: str | None, hostname: str | None) -> str | None:
    """A task may return the name of its pod, which is another one in each run."""
    return xcom.replace(hostname, "its pod") if xcom and hostname else xcom


def _xcoms(deployment: Deployment, dag: str, run: str) -> dict[Task, str]:
    query = text("SELECT task_id, map_index, value FROM xcom WHERE dag_id = :dag AND run_id = :run AND key = :key")
    with deployment.airflow.database.connect() as connection:
        rows: Any = connection.execute(query, {"dag": dag, "run": run, "key": "return_value"})
        return {(dag, row.task_id, row.map_index): str(row.value) for row in rows}


def differences(quiet: Outcome, disturbed: Outcome, *, lost_node: bool) -> list[str]:
    """What the disturbed run did otherwise than the quiet one, a sentence each.

    lost_node: containers were lost, so a task may have needed one more try, and a launch one more pod.
    """
    found = [
        f"run of {dag}: {disturbed.runs.get(dag)}, not {state}"
        for dag, state in quiet.runs.items()
        if disturbed.runs.get(dag) != state
    ]
    for task, expected in quiet.tasks.items():
        now = disturbed.tasks.get(task)
        name = f"{task[0]}.{task[1]}[{task[2]}]"
        problems = ["is missing"] if now is None else _task_differences(expected, now, int(lost_node))
        found += [f"{name} {problem}" for problem in problems]
    return found + [f"{task} should not be" for task in disturbed.tasks if task not in quiet.tasks]


def _task_differences(expected: TaskOutcome, now: TaskOutcome, more: int) -> Iterator[str]:
    if now.state != expected.state:
        yield f"is {now.state}, not {expected.state}"
    if now.xcom != expected.xcom:
        yield f"returned {now.xcom}, not {expected.xcom}"
    extra = now.tries - expected.tries
    if not 0 <= extra <= more:
        yield f"needed {now.tries} tries, not {expected.tries}"
    often = max(expected.starts.values(), default=0)
    if any(count > often for count in now.starts.values()):
        yield f"was started {dict(now.starts)} times (by try), not {dict(expected.starts)}"
    launches = len(now.pods) - len(expected.pods)
    if not 0 <= launches <= extra * len(expected.pods):
        yield f"had {len(now.pods)} launches, not {len(expected.pods)}"
    if any(count > 1 + more for count in now.pods):
        yield f"had {now.pods} pods (by launch)"
