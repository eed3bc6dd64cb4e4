"""The commands as Airflow's command line wants them (`airflow/cli/cli_config.py`); the work is in `commands`.

Every `airflow` command imports this, so nothing else is imported before a command of ours runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow.cli.cli_config import ARG_VERBOSE, ActionCommand, Arg, GroupCommand, lazy_load_command


def _arg(*flags: str, **more: Any) -> Arg:
    return Arg(flags, **more)  # type: ignore[no-untyped-call]


ARG_DAG = _arg("dag_id", metavar="DAG", help="The DAG's id.")
ARG_TASK = _arg("task_id", metavar="TASK", help="The task's id.")
ARG_FIELD = _arg("field", metavar="FIELD", nargs="?", help="Only this field, e.g. spec.containers[base].resources.")
ARG_RUN = _arg("--run-id", help="The task as it is in this run (read from the database): its configuration and try.")
ARG_MAP_INDEX = _arg("--map-index", type=int, default=-1, help="Of a mapped task.")
ARG_FORMAT = _arg("-o", "--output", choices=("yaml", "json"), default="yaml", help="Format (yaml).")
ARG_TEAM = _arg("--team", help="Build as the executor of this team does.")
ARG_FOLDER = _arg("--dag-folder", help="Where the DAG is looked for. Without it in all configured DAG bundles.")
ARG_FILE = _arg("file", metavar="FILE", help="The template; values.yaml#podTemplate takes a key of a values file.")
ARG_VALUES = _arg("--values", "-f", action="append", default=None, metavar="F", help="Values file; later ones win.")
ARG_SET = _arg("--set", action="append", default=None, metavar="a.b=c", help="One value, over those of the files.")
ARG_HELPERS = _arg("--helpers", action="append", default=None, metavar="F", help="File or folder of named templates.")
ARG_HELM_NUMBERS = _arg("--helm-numbers", action="store_true", help="Print numbers as Helm does: 1e+06.")
ARG_DAG_FOLDERS = _arg(
    "dag_folders", metavar="DAG_FOLDER", nargs="*", help="Folders or files; without any all configured DAG bundles."
)
ARG_SERVER = _arg("--server", action="store_true", help="Let the API server judge each pod too (dry run).")
ARG_TABLE = _arg("--output", "-o", choices=("table", "json"), default="table", help="Format (table).")
ARG_DRY_RUN = _arg("--dry-run", action="store_true", help="Only list what would be deleted.")
ARG_NAMESPACES = _arg(
    "--namespace", action="append", default=None, help="Only in this one (may be repeated); else in all that are used."
)
ARG_MIN_PENDING = _arg(
    "--min-pending-minutes", type=int, default=0, metavar="N", help="Leave alone what is pending for less than this."
)
ARG_MIN_COMPLETED = _arg(
    "--min-completed-minutes", type=int, default=0, metavar="N", help="Leave alone what ended less than this ago."
)

_TEMPLATE_ARGS = (ARG_FILE, ARG_VALUES, ARG_SET, ARG_HELPERS, ARG_HELM_NUMBERS)


def get_commands() -> list[GroupCommand]:
    """Return our group; `cli` in `executor.provider_info` names this function."""
    return [
        GroupCommand(
            name="kubernetes-executor",
            help="See, check and tidy up the pods of tasks",
            subcommands=(_render(), _explain(), _template(), _validate(), _doctor(), _cleanup()),
        )
    ]


def _command(name: str) -> Callable[..., Any]:
    command: Callable[..., Any] = lazy_load_command(f"executor.cli.commands.{name}")
    return command


def _render() -> ActionCommand:
    return ActionCommand(
        name="render",
        help="Print the pod that a task would be launched in",
        description="Print the pod that a task would be launched in. The task's token is not in it, and the Secret "
        "that holds it has an example's name.",
        epilog="Example: airflow kubernetes-executor render sales load --run-id manual__2026-11-20 | kubectl create "
        "--dry-run=server -f -",
        func=_command("render"),
        args=(ARG_DAG, ARG_TASK, ARG_RUN, ARG_MAP_INDEX, ARG_FORMAT, ARG_FOLDER, ARG_TEAM, ARG_VERBOSE),
    )


def _explain() -> ActionCommand:
    return ActionCommand(
        name="explain",
        help="Print the pod of a task and, beside every line, which layer set it and what it replaced",
        epilog="Example: airflow kubernetes-executor explain sales load 'spec.containers[base].env'",
        func=_command("explain"),
        args=(ARG_DAG, ARG_TASK, ARG_FIELD, ARG_RUN, ARG_MAP_INDEX, ARG_FOLDER, ARG_TEAM, ARG_VERBOSE),
    )


def _template() -> ActionCommand:
    return ActionCommand(
        name="template",
        help="Print what a pod template gives",
        description="Print what a pod template (a Go template, Jinja2 or plain YAML) gives. Without --values and "
        "--helpers those of the configuration are used; .Task is an example's.",
        epilog="Example: airflow kubernetes-executor template pod.yaml --values values.yaml --set uid=1000 "
        "--helpers chart/templates",
        func=_command("template"),
        args=(*_TEMPLATE_ARGS, ARG_TEAM, ARG_VERBOSE),
    )


def _validate() -> ActionCommand:
    return ActionCommand(
        name="validate",
        help="Check the pod of every task of every DAG, and every pod template that the configuration names",
        description="Check the pod of every task of every DAG, and every pod template that the configuration names. "
        "One line per fault; exit code 1 if there is one.",
        epilog="Example: airflow kubernetes-executor validate dags/",
        func=_command("validate"),
        args=(ARG_DAG_FOLDERS, ARG_SERVER, ARG_TEAM, ARG_VERBOSE),
    )


def _doctor() -> ActionCommand:
    return ActionCommand(
        name="doctor",
        help="Check all that this executor needs of Kubernetes and of Airflow's configuration",
        description="Check all that this executor needs of Kubernetes and of Airflow's configuration, with the "
        "scheduler's own configuration and credentials. Changes nothing; exit code 1 if a check failed.",
        epilog="Example: kubectl exec deploy/airflow-scheduler -- airflow kubernetes-executor doctor",
        func=_command("doctor"),
        args=(ARG_TABLE, ARG_TEAM, ARG_VERBOSE),
    )


def _cleanup() -> ActionCommand:
    return ActionCommand(
        name="cleanup",
        help="Delete the pods and Secrets that nobody needs any more, as the executor does by itself",
        description="Delete the pods and Secrets that no task of this deployment needs any more. The executor does "
        "that by itself; this is for when no scheduler runs. What is not this deployment's is never touched, nor is "
        "what a task still waits for, however long. Exit code 1 if something could not be deleted.",
        epilog="Example: airflow kubernetes-executor cleanup --dry-run",
        func=_command("cleanup"),
        args=(
            ARG_DRY_RUN,
            ARG_NAMESPACES,
            ARG_MIN_PENDING,
            ARG_MIN_COMPLETED,
            ARG_TABLE,
            ARG_TEAM,
            ARG_VERBOSE,
        ),
    )
