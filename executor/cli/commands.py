"""What the commands do. Each takes the parsed arguments; what is wrong ends as one sentence and exit code 1."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.utils.cli import suppress_logs_and_warning
from airflow.utils.providers_configuration_loader import providers_configuration_loaded

from executor.cli import output, tasks
from executor.cli.explained import explained
from executor.cli.pods import Planned, Planner
from executor.cli.server_check import refusals
from executor.cli.set_values import set_values
from executor.cli.validation import validate as validate_all
from executor.control.ports import RowsDown
from executor.errors import ApiError
from executor.manifest import ManifestError
from executor.manifest.template_check import rendered_text
from executor.manifest.template_inputs import TemplateInputs
from executor.manifest.template_source import inputs_of
from executor.options import SettingsError

if TYPE_CHECKING:
    from argparse import Namespace

_EXPECTED = (ManifestError, SettingsError, ApiError, RowsDown, tasks.NoSuchTaskError)


def _command(run: Callable[[Namespace], None]) -> Callable[[Namespace], None]:
    """A command: quiet but for its result (unless `--verbose`); what may be expected to fail ends as a sentence."""

    @suppress_logs_and_warning
    @providers_configuration_loaded
    @functools.wraps(run)
    def command(args: Namespace) -> None:
        try:
            run(args)
        except _EXPECTED as error:
            raise SystemExit(str(error)) from None

    quiet: Callable[[Namespace], None] = command
    return quiet


def _planned(args: Namespace) -> Planned:
    found = tasks.find_launch(args.dag_id, args.task_id, args.run_id, args.map_index, args.dag_folder)
    planner = Planner(args.team, found.job_id)
    try:
        return asyncio.run(planner.plan(found.launch))
    finally:
        planner.close()


@_command
def render(args: Namespace) -> None:
    """Print the pod of a task."""
    output.print_manifest(_planned(args).manifest, args.output)


@_command
def explain(args: Namespace) -> None:
    """Print the pod of a task, line by line, with the layer that set each."""
    lines = explained(_planned(args), args.field)
    if not lines:
        raise SystemExit(f"the pod has no field {args.field}")
    output.print_explained(lines)


@_command
def template(args: Namespace) -> None:
    """Print what a template gives."""
    looked = rendered_text(Path(args.file), _inputs(args))
    output.print_source(looked.text)
    for warning in looked.warnings:
        output.print_note(f"warning: {warning}")


def _inputs(args: Namespace) -> TemplateInputs:
    inputs = inputs_of(Planner(args.team).settings.manifest)
    try:
        over = set_values(args.set or ())
    except ValueError as error:
        raise SystemExit(str(error)) from None
    values = tuple(args.values) if args.values else inputs.values
    helpers = tuple(args.helpers) if args.helpers else inputs.helpers
    return replace(inputs, values=values, helpers=helpers, over=over, helm_numbers=args.helm_numbers)


@_command
def validate(args: Namespace) -> None:
    """Check the pods of all tasks; exit with 1 if something is wrong."""
    planner = Planner(args.team)
    parsed = tasks.parse_dags(args.dag_folders)
    ask: Any = functools.partial(refusals, planner.settings.kube) if args.server else None
    try:
        found = asyncio.run(validate_all(planner, parsed, ask))
    finally:
        planner.close()
    output.print_findings(found, len(parsed.tasks))
    if any(one.fault for one in found):
        raise SystemExit(1)


@_command
def doctor(args: Namespace) -> None:
    """Check what the executor needs; exit with 1 if something failed."""
    from executor.cli.doctor import command

    if not command.run(args):
        raise SystemExit(1)


@_command
def cleanup(args: Namespace) -> None:
    """Delete what nobody needs any more; exit with 1 if something could not be deleted."""
    from executor.cli import cleanup_command  # it needs the database, which no other command does

    if not cleanup_command.run(args):
        raise SystemExit(1)
