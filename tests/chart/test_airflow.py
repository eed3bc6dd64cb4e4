"""Airflow knows every command, option and path that the chart speaks of."""

from __future__ import annotations

import re
from pkgutil import resolve_name
from typing import Any

import pytest
from airflow.cli.cli_parser import get_parser
from airflow.configuration import retrieve_configuration_description
from airflow.jobs.dag_processor_job_runner import DagProcessorJobRunner
from airflow.jobs.triggerer_job_runner import TriggererJobRunner

from executor.options import OPTIONS
from tests.chart.rendering import Object, by_name, render
from tests.chart.test_install import containers, workloads

VALUES: dict[str, Any] = {
    "executor": {"namespaces": ["team"]},
    "logs": {"remote": {"enabled": True, "folder": "s3://b/f", "connection": "s3"}},
    "envSecrets": [{"env": "A", "secret": "s", "key": "k"}],
}
FOUND = by_name(render(VALUES))


def _commands() -> list[list[str]]:
    """Arguments and probes that are Airflow's."""
    parts: list[Object] = [one for spec in workloads(FOUND).values() for one in containers(spec["spec"])]
    probes = [one.get("livenessProbe", {}).get("exec", {}).get("command", []) for one in parts]
    found = [one for one in [*(part.get("args", []) for part in parts), *probes] if one[:1] == ["airflow"]]
    return [list(one) for one in sorted({tuple(one) for one in found})]


@pytest.mark.parametrize("command", _commands(), ids=" ".join)
def test_airflow_has_the_command(command: list[str]) -> None:
    parsed = get_parser().parse_args(command[1:])
    assert callable(parsed.func)
    if "--migration-wait-timeout=300" in command:
        assert parsed.migration_wait_timeout == 300


def test_all_five_parts_and_the_probes_are_among_them() -> None:
    words = {" ".join(one[1:3]) for one in _commands()}
    assert words == {
        "api-server",
        "dag-processor",
        "db check-migrations",
        "db migrate",
        "jobs check",
        "scheduler",
        "triggerer",
    }


def test_probes_name_the_jobs_as_airflow_does() -> None:
    types = {one[one.index("--job-type") + 1] for one in _commands() if "--job-type" in one}
    assert types == {DagProcessorJobRunner.job_type, TriggererJobRunner.job_type}


def test_airflow_or_the_executor_has_every_option() -> None:
    described = retrieve_configuration_description(include_providers=False)
    known = {(section.upper(), name.upper()) for section, one in described.items() for name in one["options"]}
    known |= {(one.section.upper(), one.name.upper()) for one in OPTIONS}
    environments = [
        one["data"] for one in FOUND.values() if one["kind"] == "ConfigMap" and "-env" in one["metadata"]["name"]
    ]
    names = {name for data in environments for name in data} | {
        variable["name"]
        for spec in workloads(FOUND).values()
        for part in containers(spec["spec"])
        for variable in part["env"]
    }
    options = {tuple(match.groups()) for name in names if (match := re.fullmatch(r"AIRFLOW__(\w+?)__(\w+)", name))}
    assert len(options) > 15
    assert options - known == set()


def test_what_options_import_is_there() -> None:
    data = FOUND["ConfigMap airflow/airflow-env"]["data"]
    assert callable(resolve_name(data["AIRFLOW__CORE__HOSTNAME_CALLABLE"]))
    assert resolve_name(data["AIRFLOW__CORE__EXECUTOR"]).__name__ == "KubernetesExecutor"
