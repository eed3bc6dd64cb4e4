"""Reading Airflow's configuration: what counts as set, for the deployment and for its teams."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable, Iterator
from configparser import ConfigParser
from io import StringIO
from pathlib import Path

import pytest

pytest.importorskip("airflow")

from airflow.configuration import conf

from executor import airflow_config
from executor.airflow_config import (
    CoordinatorPod,
    alias_warnings,
    coordinator_of,
    deployment_id,
    is_set,
    namespace_of,
    read_facts,
    read_settings,
)
from executor.settings import SettingsError

Setenv = Callable[..., None]
UPSTREAM, OURS = "KUBERNETES_EXECUTOR", "KUBERNETES_POD_EXECUTOR"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [one for one in os.environ if one.startswith("AIRFLOW__")]:
        monkeypatch.delenv(name)


@pytest.fixture
def cfg() -> Iterator[Callable[[dict[str, dict[str, str]]], None]]:
    """Puts sections into the configuration as airflow.cfg would, for one test."""
    added: list[str] = []

    def add(sections: dict[str, dict[str, str]]) -> None:
        added.extend(sections)
        conf.read_dict(sections)

    yield add
    for section in added:
        conf.remove_section(section)


def test_nothing_set_means_our_defaults_though_the_other_provider_has_its_own() -> None:
    assert conf.get("kubernetes_executor", "namespace") == "default"
    assert conf.getint("kubernetes_executor", "pod_launch_failure_retries") == 1
    settings = read_settings()
    assert settings.namespace is None
    assert settings.pod_launch_failure_retries == 3
    assert settings.delete_worker_pods_on_failure is True
    assert settings.notices == ()


def test_the_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"AIRFLOW__{UPSTREAM}__NAMESPACE", "default")
    monkeypatch.setenv(f"AIRFLOW__{OURS}__CREATE_QPS", "12.5")
    monkeypatch.setenv("WHERE", "/somewhere")
    monkeypatch.setenv(f"AIRFLOW__{OURS}__POD_TEMPLATES_FOLDER", "$WHERE/templates")
    settings = read_settings()
    assert settings.namespace == "default"
    assert settings.create_qps == 12.5
    assert settings.pod_templates_folder == "/somewhere/templates"


def test_airflow_cfg_counts(cfg: Callable[[dict[str, dict[str, str]]], None]) -> None:
    cfg({"kubernetes_executor": {"namespace": "air", "async_pod_creation": "True"}})
    settings = read_settings()
    assert settings.namespace == "air"
    (notice,) = settings.notices
    assert "async_pod_creation" in notice


def generated(section: str) -> dict[str, str]:
    """A section of the airflow.cfg that Airflow writes at its first start, where there is none: all defaults."""
    text = StringIO()
    how = {"include_sources": False, "include_env_vars": True, "extra_spacing": True, "only_defaults": True}
    conf.write(text, include_providers=True, show_values=True, **how)
    parser = ConfigParser(interpolation=None)
    parser.read_string(text.getvalue())
    return dict(parser[section])


def test_an_airflow_cfg_that_airflow_wrote_by_itself_sets_nothing(
    cfg: Callable[[dict[str, dict[str, str]]], None],
) -> None:
    written = generated("kubernetes_executor")
    assert written["task_publish_max_retries"] == "0"
    cfg({"kubernetes_executor": written, "kubernetes_pod_executor": generated("kubernetes_pod_executor")})
    settings = read_settings()
    assert settings.namespace is None
    assert settings.task_publish_max_retries == -1
    assert settings.delete_worker_pods_on_failure is True
    assert settings.notices == ()


def test_a_line_that_somebody_changed_in_it_counts(cfg: Callable[[dict[str, dict[str, str]]], None]) -> None:
    cfg({"kubernetes_executor": {**generated("kubernetes_executor"), "namespace": "air"}})
    assert read_settings().namespace == "air"


def test_a_default_that_somebody_wrote_into_an_airflow_cfg_of_their_own_counts(
    cfg: Callable[[dict[str, dict[str, str]]], None],
) -> None:
    cfg({"kubernetes_executor": {"task_publish_max_retries": "0", "delete_worker_pods_on_failure": "False"}})
    settings = read_settings()
    assert (settings.task_publish_max_retries, settings.delete_worker_pods_on_failure) == (0, False)


def test_the_environment_goes_before_airflow_cfg(
    cfg: Callable[[dict[str, dict[str, str]]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg({"kubernetes_executor": {"namespace": "file"}})
    monkeypatch.setenv(f"AIRFLOW__{UPSTREAM}__NAMESPACE", "environment")
    assert read_settings().namespace == "environment"


def test_commands_and_secrets_count_where_airflow_heeds_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY_CMD", "echo x")
    monkeypatch.setenv("AIRFLOW__CORE__PARALLELISM_CMD", "echo 7")  # not a sensitive option: Airflow ignores this
    assert is_set("core", "fernet_key")
    assert not is_set("core", "parallelism")
    assert not is_set("core", "fernet_key", "team1")


def test_a_team_has_its_own_values_and_else_the_defaults(
    cfg: Callable[[dict[str, dict[str, str]]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"AIRFLOW__{UPSTREAM}__NAMESPACE", "everybody")
    monkeypatch.setenv(f"AIRFLOW__{UPSTREAM}__POD_LAUNCH_FAILURE_RETRIES", "9")
    monkeypatch.setenv(f"AIRFLOW__TEAM1___{UPSTREAM}__NAMESPACE", "team-one")
    cfg({"team2=kubernetes_executor": {"namespace": "team-two"}, "team2=kubernetes_pod_executor": {"create_qps": "3"}})
    assert read_settings().namespace == "everybody"
    one, two, three = (read_settings(team) for team in ("team1", "team2", "team3"))
    assert (one.namespace, two.namespace, three.namespace) == ("team-one", "team-two", None)
    assert (one.pod_launch_failure_retries, two.create_qps, one.create_qps) == (3, 3.0, 0.0)


def test_a_team_inherits_the_connection_and_the_deployments_id_but_can_have_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(f"AIRFLOW__{UPSTREAM}__IN_CLUSTER", "False")
    monkeypatch.setenv(f"AIRFLOW__{UPSTREAM}__CONFIG_FILE", "/everybody")
    monkeypatch.setenv(f"AIRFLOW__{UPSTREAM}__CLIENT_FACTORY", "everybody.make")
    monkeypatch.setenv(f"AIRFLOW__{OURS}__DEPLOYMENT_ID", "prod")
    monkeypatch.setenv(f"AIRFLOW__TEAM1___{UPSTREAM}__CONFIG_FILE", "/one")
    one, two = read_settings("team1"), read_settings("team2")
    assert (one.in_cluster, one.config_file, two.config_file) == (False, "/one", "/everybody")
    assert (one.deployment_id, two.deployment_id) == ("prod", "prod")
    assert one.client_factory is None  # as upstream: a team without a factory gets the default client


def test_a_wrong_value_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"AIRFLOW__{OURS}__CREATE_CONCURRENCY", "many")
    with pytest.raises(SettingsError, match=r"^\[kubernetes_pod_executor\] create_concurrency = 'many': "):
        read_settings()


def test_a_misspelled_option_of_ours_is_said_with_the_nearest_name(
    cfg: Callable[[dict[str, dict[str, str]]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"AIRFLOW__{OURS}__CREATE_CONCURENCY", "3")
    monkeypatch.setenv(f"AIRFLOW__{UPSTREAM}__AN_OPTION_OF_A_NEWER_PROVIDER", "3")
    cfg({"kubernetes_pod_executor": {"delete_worker_pods": "False"}, "one=kubernetes_pod_executor": {"zzz": "1"}})
    first, second = read_settings().notices
    assert first.startswith("[kubernetes_pod_executor] create_concurency has no effect")
    assert first.endswith("Did you mean [kubernetes_pod_executor] create_concurrency?")
    assert second.endswith("Did you mean [kubernetes_executor] delete_worker_pods?")
    (third,) = read_settings("one").notices
    assert third == "[kubernetes_pod_executor] zzz has no effect: there is no option of this name."


SAME = [
    "postgresql+psycopg2://airflow:secret@DB.example/airflow",
    "postgresql+asyncpg://other:else@db.example:5432/airflow?sslmode=require",
    "postgresql://db.example/airflow",
]
OTHER = [
    "postgresql://db.example:5433/airflow",
    "postgresql://db2.example/airflow",
    "postgresql://db.example/airflow2",
    "postgresql:///airflow?host=/run/postgresql",
    "mysql://db.example/airflow",
    "sqlite:////data/airflow.db",
    "sqlite:////data/airflow2.db",
]


def ids_of(urls: list[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    def one(url: str) -> str:
        monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", url)
        return deployment_id()

    return [one(url) for url in urls]


def test_the_deployments_id_follows_from_where_the_database_is(monkeypatch: pytest.MonkeyPatch) -> None:
    same, other = ids_of(SAME, monkeypatch), ids_of(OTHER, monkeypatch)
    assert len(set(same)) == 1
    assert len(set(same + other)) == 1 + len(OTHER)
    assert all(re.fullmatch("[0-9a-f]{8}", one) for one in same + other)


def test_the_schema_is_part_of_the_deployments_id(monkeypatch: pytest.MonkeyPatch) -> None:
    (without,) = ids_of(SAME[:1], monkeypatch)
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_SCHEMA", "airflow_b")
    assert ids_of(SAME[:1], monkeypatch) != [without]


def test_the_address_that_is_hashed_holds_no_credentials() -> None:
    from sqlalchemy.engine import make_url

    url = make_url("postgresql://airflow:hunter2@db/airflow?password=hunter3&user=root")
    assert airflow_config._database_address(url, "") == "postgresql:db:5432:airflow:"


TEMPLATES = [
    ("metadata: {namespace: workers}\nspec: {}\n", "workers"),
    ("---\nmetadata:\n  namespace: workers\n", "workers"),
    ("spec: {}\n", None),
    ("metadata: {namespace: 3}\n", None),
    ("metadata: [namespace]\n", None),
    ("metadata:\n  namespace: {{ .Release.Namespace }}\n", None),
    ("- a\n", None),
    ("", None),
]


@pytest.mark.parametrize(("text", "namespace"), TEMPLATES)
def test_the_namespace_of_a_template(tmp_path: Path, text: str, namespace: str | None) -> None:
    template = tmp_path / "pod.yaml"
    template.write_text(text)
    assert namespace_of(str(template)) == namespace


def test_a_templates_namespace_is_respected_where_none_is_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = tmp_path / "pod.yaml"
    template.write_text("metadata: {namespace: workers}\n")
    monkeypatch.setenv(f"AIRFLOW__{UPSTREAM}__POD_TEMPLATE_FILE", str(template))
    assert read_settings().namespaces == ("workers",)
    monkeypatch.setenv(f"AIRFLOW__{UPSTREAM}__NAMESPACE", "air")
    assert read_settings().namespaces == ("air",)


def test_a_template_that_is_missing_is_left_to_the_launch(tmp_path: Path) -> None:
    assert namespace_of(str(tmp_path / "missing.yaml")) is None


def test_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT", "12.5")
    monkeypatch.setenv("AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD", "40")
    monkeypatch.setenv("AIRFLOW__LOGGING__BASE_LOG_FOLDER", "/logs")
    monkeypatch.setenv("AIRFLOW__LOGGING__REMOTE_LOGGING", "True")
    monkeypatch.setenv("AIRFLOW__CORE__PARALLELISM", "5")
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://air.example")
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "executor.KubernetesExecutor")
    facts = read_facts()
    assert facts.version.startswith("3.")
    assert (facts.task_queued_timeout, facts.scheduler_health_check_threshold, facts.parallelism) == (12.5, 40.0, 5)
    assert (facts.base_log_folder, facts.remote_logging) == ("/logs", True)
    assert facts.execution_api_server_url == "http://air.example/execution/"
    assert facts.warnings == ()


ALIASES = [
    ("executor.KubernetesExecutor", None, False),
    ("LocalExecutor", None, False),
    ("LocalExecutor,pods:executor.KubernetesExecutor", None, False),
    ("LocalExecutor, executor.KubernetesExecutor", None, True),
    ("executor.kubernetes_executor.KubernetesExecutor,KubernetesExecutor", None, True),
    ("LocalExecutor;team1=executor.KubernetesExecutor", None, False),
    ("LocalExecutor;team1=executor.KubernetesExecutor,CeleryExecutor", "team1", True),
    ("LocalExecutor;team1=executor.KubernetesExecutor,CeleryExecutor", "team2", False),
    ("=LocalExecutor,executor.KubernetesExecutor;team1=LocalExecutor", None, True),
]


@pytest.mark.parametrize(("executors", "team", "warned"), ALIASES)
def test_an_executor_without_an_alias_beside_others_is_warned_of(
    executors: str, team: str | None, warned: bool
) -> None:
    assert bool(alias_warnings(executors, team)) is warned


@pytest.fixture
def coordinators(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Sets `[sdk] coordinators` and `queue_to_coordinator`, and forgets what Airflow and we remember of them."""
    from airflow.sdk.execution_time.coordinator import reset_coordinator_manager

    def forget() -> None:
        reset_coordinator_manager()
        airflow_config._coordinator_manager.cache_clear()

    def configure(specs: str, queues: str) -> None:
        monkeypatch.setenv("AIRFLOW__SDK__COORDINATORS", specs)
        monkeypatch.setenv("AIRFLOW__SDK__QUEUE_TO_COORDINATOR", queues)
        forget()

    yield configure
    monkeypatch.undo()
    forget()


JAVA = {
    "java": {
        "classpath": "no.such.Coordinator",
        "extra": {
            "pod_template_file": "/java.yaml",
            "worker_container_repository": "jre",
            "worker_container_tag": "17",
        },
    },
    "half": {"classpath": "no.such.Coordinator", "extra": {"worker_container_repository": "jre"}},
    "plain": {"classpath": "no.such.Coordinator"},
}


def test_a_queues_coordinator_gives_template_and_image(coordinators: Callable[[str, str], None]) -> None:
    coordinators(json.dumps(JAVA), json.dumps({"j": "java", "h": "half", "p": "plain"}))
    assert coordinator_of("j") == CoordinatorPod("/java.yaml", "jre:17")
    assert {coordinator_of(queue) for queue in ("h", "p", "other", "", None)} == {CoordinatorPod()}


@pytest.mark.parametrize(
    ("specs", "queues"), [(json.dumps({"java": {}}), "{}"), ("{}", '{"j": "java"}'), ("no JSON", "{}")]
)
def test_coordinators_that_cannot_be_read_count_as_none_and_are_told_once(
    coordinators: Callable[[str, str], None], caplog: pytest.LogCaptureFixture, specs: str, queues: str
) -> None:
    coordinators(specs, queues)
    with caplog.at_level(logging.WARNING, logger="executor"):
        assert [coordinator_of("j"), coordinator_of("j")] == [CoordinatorPod(), CoordinatorPod()]
    assert len([one for one in caplog.records if one.name.startswith("executor")]) == 1
