"""Airflow's configuration, read into the executor's settings.

An option of ours counts as set only where somebody set it: in the environment or in airflow.cfg. Defaults that a
provider contributes do not count, because where Airflow's own Kubernetes provider is installed they fill the whole
section `[kubernetes_executor]`; nor do they in the airflow.cfg that Airflow makes of all defaults at its first start.

Teams: as with Airflow's ExecutorConf, a team's value comes from `AIRFLOW__<TEAM>___<SECTION>__<OPTION>` or section
`[<team>=<section>]`, and an option that the team does not set has its default, not the value of the whole deployment.
Options marked `shared` (the connection to the API server, the deployment's id) are inherited: upstream's client reads
them from the deployment's configuration even for a team.

This module imports Airflow; nothing below the facade may import it.
"""

from __future__ import annotations

import difflib
import functools
import hashlib
import logging
import os
from configparser import ConfigParser
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import airflow
import yaml
from airflow.configuration import conf
from sqlalchemy.engine import URL, make_url

from executor.options import OPTIONS, OWN_SECTION, UPSTREAM_SECTION, Option
from executor.settings import Settings, build_settings

if TYPE_CHECKING:
    from airflow.sdk.execution_time.coordinator import CoordinatorManager

log = logging.getLogger(__name__)

OUR_PATHS = ("executor.KubernetesExecutor", "executor.kubernetes_executor.KubernetesExecutor")
_DEFAULT_PORTS = {"postgresql": 5432, "mysql": 3306}


def read_settings(team_name: str | None = None) -> Settings:
    """The settings of the whole deployment, or of one team. Raises SettingsError for a value that cannot be used."""
    raw = {one.key: text for one in OPTIONS if (text := configured(one, team_name)) is not None}
    template = raw.get((UPSTREAM_SECTION, "pod_template_file"))
    settings = build_settings(
        raw, default_deployment_id=deployment_id(), template_namespace=namespace_of(template) if template else None
    )
    return replace(settings, notices=(*settings.notices, *map(_unknown, unknown_options(team_name))))


def configured(option: Option, team_name: str | None = None) -> str | None:
    """The text somebody set for this option, for the team or, where it is shared, for the deployment; else None."""
    for team in (team_name, None) if option.shared and team_name else (team_name,):
        if is_set(option.section, option.name, team):
            return conf.get(option.section, option.name, team_name=team, fallback=None)
    return None


def is_set(section: str, name: str, team_name: str | None = None) -> bool:
    """Whether the value has a source other than a default: environment or airflow.cfg, as `conf.get` looks them up.

    Asking the parser for each source is the way of Airflow's own `conf.get`, and takes microseconds;
    `conf.as_dict(display_source=True)` knows no teams.
    """
    prefix, in_file = _sources(section, team_name)
    variable = prefix + name.upper()
    if variable in os.environ:
        return True
    if ConfigParser.has_option(conf, in_file, name) and not _written_by_airflow(in_file, name):
        return True
    if team_name or not conf.is_sensitive_option(section, name):
        return False
    return any(
        f"{variable}_{source.upper()}" in os.environ or ConfigParser.has_option(conf, section, f"{name}_{source}")
        for source in ("cmd", "secret")
    )


def _written_by_airflow(section: str, name: str) -> bool:
    """A default in an airflow.cfg that nobody wrote: where none is, Airflow's first start makes one of all defaults
    (`configuration.py`, `write_default_airflow_configuration_if_needed`). Such a file holds most of a section's
    options; what a person writes holds a few."""
    known = conf.configuration_description.get(section, {}).get("options", {})
    there = sum(ConfigParser.has_option(conf, section, one) for one in known)
    if 2 * there <= len(known):
        return False
    default = conf.get_default_value(section, name)
    return default is not None and str(default).strip() == ConfigParser.get(conf, section, name).strip()


def _sources(section: str, team_name: str | None) -> tuple[str, str]:
    """Where Airflow looks: what the names of environment variables begin with, and the section in airflow.cfg."""
    if team_name:
        return f"AIRFLOW__{team_name.upper()}___{section.upper()}__", f"{team_name}={section}"
    return f"AIRFLOW__{section.upper()}__", section


def unknown_options(team_name: str | None = None) -> tuple[str, ...]:
    """Names set in our own section that are no option of ours. Upstream's section may have newer options of its own."""
    prefix, in_file = _sources(OWN_SECTION, team_name)
    names = {one.removeprefix(prefix).lower() for one in os.environ if one.startswith(prefix)}
    if conf.has_section(in_file):
        names.update(set(ConfigParser.options(conf, in_file)) - set(conf.defaults()))
    return tuple(sorted(names - {one.name for one in OPTIONS if one.section == OWN_SECTION}))


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, [one.name for one in OPTIONS], n=1)
    meant = next((f" Did you mean [{one.section}] {one.name}?" for one in OPTIONS if one.name in near), "")
    return f"[{OWN_SECTION}] {name} has no effect: there is no option of this name.{meant}"


def deployment_id() -> str:
    """Eight hex digits for the metadata database of this deployment, the same in each of its processes."""
    url = make_url(conf.get_mandatory_value("database", "sql_alchemy_conn"))
    schema = conf.get("database", "sql_alchemy_schema", fallback="") or ""
    return hashlib.sha256(_database_address(url, schema).encode()).hexdigest()[:8]


def _database_address(url: URL, schema: str) -> str:
    """Where the database is, without driver, user, password or parameters."""
    backend = url.get_backend_name()
    if backend == "sqlite":
        return f"sqlite:{os.path.abspath(url.database or ':memory:')}"
    host = url.host or str(url.query.get("host", "localhost"))
    port = url.port or _DEFAULT_PORTS.get(backend, 0)
    return f"{backend}:{host.lower()}:{port}:{url.database}:{schema}"


def namespace_of(template_path: str) -> str | None:
    """The namespace that a plain YAML pod template names; None where it names none or is no plain YAML."""
    try:
        template = yaml.safe_load(Path(template_path).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return None  # the launch says what is wrong with it, with file, line and column
    metadata = template.get("metadata") if isinstance(template, dict) else None
    namespace = metadata.get("namespace") if isinstance(metadata, dict) else None
    return namespace if isinstance(namespace, str) else None


@dataclass(frozen=True, slots=True)
class AirflowFacts:
    """What the executor needs to know of Airflow's own configuration. Times are seconds.

    execution_api_server_url: where workers report, unless their template says otherwise; warnings: sentences to be
    written once to the log at start.
    """

    version: str
    parallelism: int
    task_queued_timeout: float
    scheduler_health_check_threshold: float
    base_log_folder: str
    remote_logging: bool
    execution_api_server_url: str
    warnings: tuple[str, ...] = ()


def read_facts(team_name: str | None = None) -> AirflowFacts:
    """Airflow's own options, of the whole deployment, but for what a team has of its own."""
    from airflow.executors.base_executor import ExecutorConf, get_execution_api_server_url

    return AirflowFacts(
        version=airflow.__version__,
        parallelism=conf.getint("core", "parallelism"),
        task_queued_timeout=conf.getfloat("scheduler", "task_queued_timeout"),
        scheduler_health_check_threshold=conf.getfloat("scheduler", "scheduler_health_check_threshold"),
        base_log_folder=conf.get_mandatory_value("logging", "base_log_folder"),
        remote_logging=conf.getboolean("logging", "remote_logging"),
        execution_api_server_url=get_execution_api_server_url(ExecutorConf(team_name)),
        warnings=alias_warnings(conf.get_mandatory_value("core", "executor"), team_name),
    )


def alias_warnings(executors: str, team_name: str | None = None) -> tuple[str, ...]:
    """What is wrong with our place in `[core] executor`, given as its text.

    With several executors a task chooses one by alias, class name or import path, in that order
    (`ExecutorLoader.lookup_executor_name_by_str`), and `KubernetesExecutor` is the alias of Airflow's own.
    """
    names = _executors_of(executors, team_name)
    if len(names) < 2 or not set(names) & set(OUR_PATHS):
        return ()
    return (
        f"[core] executor = {executors}: this executor has no alias beside others, so executor='KubernetesExecutor' "
        "on a task may mean Airflow's own. Write for example `pods:executor.KubernetesExecutor`, and executor='pods' "
        "on the tasks.",
    )


def _executors_of(executors: str, team_name: str | None) -> list[str]:
    """The executors that the text lists for one team, or for the whole deployment."""
    for part in executors.split(";"):
        team, _, listed = part.rpartition("=")
        if (team.strip() or None) == team_name:
            return [name.strip() for name in listed.split(",")]
    return []


@dataclass(frozen=True, slots=True)
class CoordinatorPod:
    """What the coordinator of a queue says about the worker's pod."""

    pod_template_file: str | None = None
    image: str | None = None


def coordinator_of(queue: str | None) -> CoordinatorPod:
    """The pod template and the image (`extra` in `[sdk] coordinators`) for the tasks of this queue.

    Image and template are read as Airflow's own Kubernetes executor does (`_coordinator_extra`): an image needs
    repository and tag. A configuration that cannot be read counts as none, and is told once.
    """
    manager = _coordinator_manager()
    extra = manager.extra_for_queue(queue) if manager and queue else None
    if not extra:
        return CoordinatorPod()
    repository, tag = extra.get("worker_container_repository"), extra.get("worker_container_tag")
    return CoordinatorPod(extra.get("pod_template_file"), f"{repository}:{tag}" if repository and tag else None)


@functools.cache
def _coordinator_manager() -> CoordinatorManager | None:
    from airflow.sdk.exceptions import AirflowConfigException
    from airflow.sdk.execution_time.coordinator import get_coordinator_manager

    try:
        return get_coordinator_manager()
    except (AirflowConfigException, ValueError) as error:
        log.warning("[sdk] coordinators or queue_to_coordinator cannot be read, no queue has a coordinator: %s", error)
        return None
