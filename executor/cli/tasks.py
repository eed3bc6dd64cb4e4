"""The task whose pod is wanted, as a launch: from a DAG's file, or from the database where a run is named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from executor.model import Kind, Launch

EXAMPLE_ID: Final = "00000000-0000-4000-8000-000000000000"
EXAMPLE_RUN: Final = "example_run"
EXAMPLE: Final = "example"
_WORKLOAD: Final = b"{}"  # the real one has nothing to do with the pod's form


@dataclass(frozen=True, slots=True)
class Parsed:
    """DAG files as parsed: `tasks` of all DAGs with the file they are in; `errors` by file."""

    tasks: tuple[tuple[str, Any], ...]
    errors: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A task's launch, and the scheduler's job that launched it; None where none did."""

    launch: Launch
    job_id: str | None = None


class NoSuchTaskError(Exception):
    """The DAG or the task is not there; the text says what is."""


def parse_dags(folders: Sequence[str]) -> Parsed:
    """Parse folders (or files) of DAGs; without any all DAG bundles of the configuration."""
    from airflow.dag_processing.dagbag import BundleDagBag

    tasks: list[tuple[str, Any]] = []
    errors: list[tuple[str, str]] = []
    for name, path in _places(folders):
        root = path if path.is_dir() else path.parent
        bag = BundleDagBag(str(path), bundle_path=root, bundle_name=name)
        errors += [(file, text) for file, text in sorted(bag.import_errors.items())]
        for _, dag in sorted(bag.dags.items()):
            tasks += [(str(getattr(dag, "relative_fileloc", None) or dag.fileloc), task) for task in dag.tasks]
    return Parsed(tuple(tasks), tuple(errors))


def _places(folders: Sequence[str]) -> Iterator[tuple[str, Path]]:
    for folder in folders:
        path = Path(folder).expanduser().resolve()
        if not path.exists():
            raise NoSuchTaskError(f"{folder}: no such file or folder")
        yield "validated", path
    if folders:
        return
    from airflow.dag_processing.bundles.manager import DagBundlesManager

    manager: Any = DagBundlesManager()  # type: ignore[no-untyped-call]
    for bundle in manager.get_all_dag_bundles():
        bundle.initialize()
        yield bundle.name, Path(bundle.path)


def find_launch(dag_id: str, task_id: str, run_id: str | None, map_index: int, folder: str | None) -> Found:
    """Return the launch of a task: of a run, or as its DAG's file has it. Raises NoSuchTaskError."""
    if run_id:
        return _launch_of_run(dag_id, task_id, run_id, map_index)
    parsed = parse_dags([folder] if folder else [])
    found = {task.task_id: task for _, task in parsed.tasks if task.dag_id == dag_id}
    if task_id not in found:
        raise NoSuchTaskError(_missing(dag_id, task_id, found, parsed))
    return Found(launch_of(found[task_id], map_index))


def _missing(dag_id: str, task_id: str, tasks: Iterable[str], parsed: Parsed) -> str:
    names = ", ".join(sorted(tasks))
    if names:
        return f"DAG {dag_id} has no task {task_id}; it has {names}"
    broken = "".join(f"; {file} cannot be imported: {last_line(text)}" for file, text in parsed.errors)
    dags = ", ".join(sorted({task.dag_id for _, task in parsed.tasks})) or "none"
    return f"there is no DAG {dag_id}; found: {dags}{broken}"


def last_line(text: str) -> str:
    """Return what a traceback ends with."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else text


def launch_of(task: Any, map_index: int = -1) -> Launch:
    """Return the launch of a task of a DAG's file, in a run that does not exist."""
    return replace(
        example_launch(task.queue),
        dag_id=task.dag_id,
        task_id=task.task_id,
        map_index=map_index,
        executor_config=task.executor_config or {},
    )


def example_launch(queue: str | None) -> Launch:
    """Return the launch of a task that does not exist, without a configuration of its own."""
    return Launch(
        id=EXAMPLE_ID,
        kind=Kind.TASK,
        key=None,
        ti_id=EXAMPLE_ID,
        dag_id=EXAMPLE,
        task_id=EXAMPLE,
        run_id=EXAMPLE_RUN,
        try_number=1,
        map_index=-1,
        queue=queue,
        workload=_WORKLOAD,
    )


def _launch_of_run(dag_id: str, task_id: str, run_id: str, map_index: int) -> Found:
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import select

    wanted = select(TaskInstance).filter_by(dag_id=dag_id, task_id=task_id, run_id=run_id, map_index=map_index)
    with create_session() as session:
        row = session.scalar(wanted)
        if row is None:
            mapped = f", map index {map_index}" if map_index >= 0 else ""
            raise NoSuchTaskError(f"run {run_id} of DAG {dag_id} has no task {task_id}{mapped}")
        launch = Launch(
            id=row.external_executor_id or EXAMPLE_ID,
            kind=Kind.TASK,
            key=None,
            ti_id=str(row.id),
            dag_id=dag_id,
            task_id=task_id,
            run_id=run_id,
            map_index=map_index,
            try_number=max(row.try_number, 1),
            queue=row.queue,
            executor_config=row.executor_config or {},
            workload=_WORKLOAD,
        )
        return Found(launch, None if row.queued_by_job_id is None else str(row.queued_by_job_id))
