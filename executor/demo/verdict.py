"""Did every task end as it should, in one pod per launch? Pure: board, rows and event log in, findings out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from executor.demo.board import LaunchLine
from executor.demo.database import EventLog, TaskRow
from executor.demo.expected import Expected

#: Written by Airflow's API server for every start and end of a task, without a reason.
_PLAIN_EVENTS = frozenset({"running", "success", "failed", "up_for_retry", "deferred", "skipped"})
#: Airflow's own wrapping of an executor's sentence; used where the executor wrote none itself.
_WRAPPED = "state mismatch"


@dataclass(frozen=True, slots=True)
class Failure:
    """A task that failed, and what Airflow's event log says about it ("" if nothing)."""

    expected: Expected
    sentence: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """failures: the tasks meant to fail; problems: everything that is not as it should be, empty for success."""

    failures: tuple[Failure, ...]
    problems: tuple[str, ...]
    launches: int
    pods: int


def judge(
    expected: Sequence[Expected],
    rows: Sequence[TaskRow],
    lines: Sequence[LaunchLine],
    events: Sequence[EventLog],
    gaps: int = 0,
) -> Verdict:
    """Compare what happened with what was expected. `gaps`: how often the pod watch was cut."""
    failures = tuple(Failure(one, sentence_of(one, events)) for one in expected if one.state == "failed")
    problems = [
        *(problem for one in expected for problem in _task_problems(one, rows, lines)),
        *(problem for line in lines for problem in _pod_problems(line)),
        *(problem for failure in failures for problem in _sentence_problems(failure)),
    ]
    if gaps:
        problems.append(f"the watch was cut {gaps} times, so the count of pods proves nothing")
    return Verdict(failures, tuple(problems), len(lines), sum(len(line.pods) for line in lines))


def sentence_of(task: Expected, events: Sequence[EventLog]) -> str:
    """Return the reason in the event log: the newest one of the executor's, else Airflow's own."""
    ours = [e for e in events if (e.dag_id, e.task_id) == (task.dag_id, task.task_id) and e.event not in _PLAIN_EVENTS]
    ranked = sorted((e for e in ours if e.extra), key=lambda event: (event.event != _WRAPPED, event.id))
    # Airflow puts the executor's sentence behind one of its own (scheduler_job_runner.py).
    return ranked[-1].extra.rpartition(" Extra info: ")[2] if ranked else ""


def _task_problems(expected: Expected, rows: Sequence[TaskRow], lines: Sequence[LaunchLine]) -> list[str]:
    problems = []
    launches = Counter(line.task for line in lines)
    newest = {(row.dag_id, row.task_id, row.map_index): row for row in rows}
    for index in expected.map_indexes:
        task = (expected.dag_id, expected.task_id, index)
        name = f"{expected.dag_id}.{expected.task_id}" + (f"[{index}]" if index >= 0 else "")
        row = newest.get(task)
        found = (row.state, row.try_number) if row else (None, 0)
        if found != (expected.state, expected.tries):
            problems.append(
                f"{name} is {found[0] or 'missing'} in try {found[1]}, not {expected.state} in try {expected.tries}"
            )
        if launches[task] != expected.launches:
            problems.append(f"{name} had {launches[task]} launches, not {expected.launches}")
    return problems


def _pod_problems(line: LaunchLine) -> list[str]:
    problems = []
    if len(line.pods) != 1:
        names = ", ".join(pod.name for pod in line.pods) or "none"
        problems.append(f"launch {line.launch} of {line.title} had {len(line.pods)} pods, not one: {names}")
    problems += [f"pod {pod.name} of {line.title} is still there" for pod in line.pods if not pod.deleted_at]
    return problems


def _sentence_problems(failure: Failure) -> list[str]:
    task = f"{failure.expected.dag_id}.{failure.expected.task_id}"
    if failure.expected.says in failure.sentence:
        return []
    return [f"the event log of {task} does not say {failure.expected.says!r}: {failure.sentence or 'it is empty'}"]
