"""What Airflow is told about this distribution: entry point `apache_airflow_provider`.

Only section `[kubernetes_pod_executor]` is registered. `[kubernetes_executor]` belongs to Airflow's own Kubernetes
provider: of two providers that register a section the one whose name sorts last replaces the other's section as a
whole (`_provider_metadata_configuration_description` in Airflow's configuration parser), so registering it here would
change nothing where that provider is installed, or, under another name, take its defaults away from its executor.

`executors` goes with `cli`: without the latter every `airflow` command warns (`airflow/cli/cli_parser.py`).

Every process that imports Airflow calls this, so nothing heavy is imported.
"""

from __future__ import annotations

from typing import Any

from executor import __version__
from executor.options import OWN_SECTION, Kind, Option, OwnOptions, options_of

_SCHEMA_TYPES = {Kind.FLAG: "boolean", Kind.WHOLE: "integer", Kind.NUMBER: "float", Kind.SECONDS: "float"}


def get_provider_info() -> dict[str, Any]:
    """Name, version, commands and configuration, as `airflow/provider_info.schema.json` wants them."""
    return {
        "package-name": "airflow-pod-executor",
        "name": "Pod Executor",
        "description": "Runs every task in a Kubernetes pod of its own.",
        "versions": [__version__],
        "executors": ["executor.kubernetes_executor.KubernetesExecutor"],
        "task-decorators": [{"name": "pod", "class-name": "executor.operators.decorator.pod_task"}],
        "cli": ["executor.cli.definition.get_commands"],
        "config": {
            OWN_SECTION: {
                "description": "Options of the executor `executor.KubernetesExecutor`, beside `[kubernetes_executor]`.",
                "options": {one.name: _described(one) for one in options_of(OwnOptions)},
            }
        },
    }


def _described(option: Option) -> dict[str, Any]:
    return {
        "description": option.documentation,
        "version_added": "0.1.0",
        "type": _SCHEMA_TYPES.get(option.kind, "string"),
        "example": option.example,
        "default": option.default_text,
    }
