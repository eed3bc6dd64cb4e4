"""What is wrong with the pods of all tasks, and with the configured templates: one sentence each, found offline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from executor.airflow_config import OUR_PATHS
from executor.cli.pods import Planned, Planner
from executor.cli.tasks import Parsed, last_line, launch_of
from executor.manifest import ManifestError
from executor.manifest.template_check import check_template
from executor.manifest.template_choice import SUFFIXES, named_template
from executor.manifest.template_source import SHIPPED_TEMPLATE, inputs_of
from executor.manifest.unknown_fields import unknown_fields
from executor.settings import Settings

Ask = Callable[[Sequence[Planned]], "Any"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault, or a warning. `where` is a file, or a file and the task in it."""

    where: str
    text: str
    fault: bool = True

    def __str__(self) -> str:
        kind = "error" if self.fault else "warning"
        return f"{self.where}: {kind}: {' '.join(self.text.split())}"


@dataclass(frozen=True, slots=True)
class Task:
    """A task's pod, if it can be built."""

    where: str
    planned: Planned


async def validate(planner: Planner, parsed: Parsed, ask: Ask | None = None) -> list[Finding]:
    """Return what is wrong, each thing once. `ask` asks the API server about pods."""
    found = [Finding(file, _import_problem(text)) for file, text in parsed.errors]
    found += template_findings(planner.settings)
    tasks: list[Task] = []
    for file, task in parsed.tasks:
        if not runs_here(task):
            continue
        where = f"{file}: DAG {task.dag_id}, task {task.task_id}"
        try:
            planned = await planner.plan(launch_of(task))
        except ManifestError as error:
            found.append(Finding(where, str(error)))
            continue
        found += _pod_findings(where, planned)
        tasks.append(Task(where, planned))
    if ask is not None:
        said = await ask([task.planned for task in tasks])
        found += [Finding(task.where, text) for task, text in zip(tasks, said, strict=True) if text]
    return _each_once(found)


def _import_problem(text: str) -> str:
    return f"the DAG file cannot be imported: {last_line(text)}"


def _pod_findings(where: str, planned: Planned) -> Iterator[Finding]:
    for field in unknown_fields(planned.built):
        yield Finding(where, str(field), fault=field.near is not None)
    for warning in planned.built.warnings:
        yield Finding(where, warning, fault=False)


def template_findings(settings: Settings) -> list[Finding]:
    """Return what is wrong with the templates that the configuration names, whether or not a task uses them."""
    found: list[Finding] = []
    inputs = inputs_of(settings.manifest)
    for path in _templates(settings, found):
        try:
            looked = check_template(path, inputs)
        except ManifestError as error:
            found.append(Finding(str(path), str(error)))
            continue
        found += [Finding(str(path), text, fault=False) for text in looked.warnings]
    return found


def _templates(settings: Settings, found: list[Finding]) -> list[Path]:
    manifest = settings.manifest
    paths = [manifest.default_template or SHIPPED_TEMPLATE]
    for queue, name in manifest.queue_pod_templates.items():
        if "/" in name or name.endswith(SUFFIXES):
            paths.append(Path(name))
            continue
        try:
            paths.append(named_template(name, manifest, f"queue_pod_templates[{queue}]"))
        except ManifestError as error:
            found.append(Finding("configuration", str(error)))
    folder = manifest.pod_templates_folder
    if folder is not None and folder.is_dir():
        paths += sorted(path for path in folder.iterdir() if path.name.endswith(SUFFIXES) and path.name[0] != ".")
    return list(dict.fromkeys(paths))


def runs_here(task: Any) -> bool:
    """Whether this executor would get the task: the one it names is ours, or it names none."""
    from airflow.exceptions import UnknownExecutorException
    from airflow.executors.executor_loader import ExecutorLoader

    if not task.executor:
        return True
    try:
        return ExecutorLoader.lookup_executor_name_by_str(task.executor).module_path in OUR_PATHS
    except UnknownExecutorException:
        return False


def _each_once(found: list[Finding]) -> list[Finding]:
    """A template's fault meets every task made from it: it is told once, with the first."""
    first: dict[tuple[str, bool], Finding] = {}
    others: dict[tuple[str, bool], int] = {}
    for one in found:
        key = (one.text, one.fault)
        if key in first:
            others[key] = others.get(key, 0) + 1
        else:
            first[key] = one
    return [
        Finding(f"{one.where} (and {others[key]} more)" if key in others else one.where, one.text, one.fault)
        for key, one in first.items()
    ]
