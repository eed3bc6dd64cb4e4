"""Options and settings: one table, checked values, and errors for people."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import Any

import pytest

from executor.options import NOT_NEEDED, OPTIONS, OWN_SECTION, UPSTREAM_SECTION, Effect, Kind, Option, parse
from executor.options.markdown import options_markdown
from executor.secret import Secret
from executor.settings import Settings, SettingsError, build_settings

BY_NAME = {one.name: one for one in OPTIONS}
USED = [one for one in OPTIONS if one.effect is not Effect.NOT_NEEDED]
DERIVED = {"template_namespace", "notices"}


def settings_of(template_namespace: str | None = None, **texts: str) -> Settings:
    raw = {BY_NAME[name].key: text for name, text in texts.items()}
    return build_settings(raw, default_deployment_id="0123abcd", template_namespace=template_namespace)


def upstream_options() -> dict[str, dict[str, Any]]:
    from airflow.providers.cncf.kubernetes.get_provider_info import get_provider_info

    options: dict[str, dict[str, Any]] = get_provider_info()["config"][  # type: ignore[no-untyped-call]
        UPSTREAM_SECTION
    ]["options"]
    return options


def test_every_option_of_upstream_is_accepted_or_said_to_be_not_needed() -> None:
    assert {one.name for one in OPTIONS if one.section == UPSTREAM_SECTION} == set(upstream_options())
    assert all(one.why for one in NOT_NEEDED)


def test_defaults_are_upstreams_but_for_those_that_are_better_and_say_why() -> None:
    theirs = {name: str(row["default"] or "") for name, row in upstream_options().items()}
    differing = {one for one in OPTIONS if one.name in theirs and one.default_text != theirs[one.name]}
    assert {one.name for one in differing} == {
        "delete_worker_pods_on_failure",
        "namespace",
        "pod_launch_failure_retries",
        "running_pod_log_lines",
        "task_publish_max_retries",
    }
    assert all(one.why for one in differing)


def test_no_option_is_in_both_sections() -> None:
    assert len(BY_NAME) == len(OPTIONS)
    assert {one.section for one in OPTIONS} == {UPSTREAM_SECTION, OWN_SECTION}


def test_settings_are_the_options_with_their_defaults() -> None:
    settings = settings_of()
    values = {one.name: getattr(settings, one.name) for one in fields(Settings) if one.name not in DERIVED}
    assert values == {one.name: one.default for one in USED} | {"deployment_id": "0123abcd"}
    assert settings.notices == ()


@pytest.mark.parametrize("option", USED, ids=lambda one: one.name)
def test_a_default_written_out_means_the_default(option: Option) -> None:
    assert parse(option, option.default_text) == option.default


@pytest.mark.parametrize("option", [one for one in USED if one.example], ids=lambda one: one.name)
def test_examples_can_be_used(option: Option) -> None:
    assert option.example is not None
    assert getattr(settings_of(**{option.name: option.example}), option.name) != option.default


def test_settings_cannot_be_changed_and_can_be_sent_to_another_process() -> None:
    settings = settings_of(env_secrets='[{"env": "A", "secret": "s", "key": "k"}]', queue_pod_templates='{"q": "t"}')
    assert pickle.loads(pickle.dumps(settings)) == settings
    with pytest.raises(FrozenInstanceError):
        settings.create_qps = 1.0  # type: ignore[misc]


def test_texts_become_values() -> None:
    settings = settings_of(
        delete_worker_pods="f",
        pod_launch_failure_retries=" -1 ",
        pod_launch_failure_excluded_container_reasons="",
        multi_namespace_mode="TRUE # as in the other cluster",
        multi_namespace_mode_namespace_list="team-a, team-b,,team-a",
        confirm_interval="0.5",
        env_secrets='[{"env": "MY_SECRET", "secret": "my-secret", "key": "password"}]',
        queue_pod_templates='{"gpu": "gpu"}',
        client_factory="my_company.kube.make",
    )
    assert settings.delete_worker_pods is False
    assert settings.pod_launch_failure_retries == -1
    assert settings.pod_launch_failure_excluded_container_reasons == ()
    assert settings.multi_namespace_mode is True
    assert settings.multi_namespace_mode_namespace_list == ("team-a", "team-b")
    assert settings.confirm_interval == 0.5
    assert settings.env_secrets == (Secret("env", "MY_SECRET", "my-secret", "password"),)
    assert settings.queue_pod_templates == {"gpu": "gpu"}
    assert settings.client_factory == "my_company.kube.make"


def test_an_empty_text_is_as_good_as_none() -> None:
    empty = {one.name: "" for one in USED if one.kind is not Kind.NAMES}
    assert settings_of(**empty) == settings_of()


BAD = [
    ("delete_worker_pods", "yes", "neither true nor false", "True or False"),
    ("pod_launch_failure_retries", "3.5", "not a whole number", "a whole number"),
    ("pod_launch_failure_retries", "-2", "less than -1", "-1 or more"),
    ("running_pod_log_lines", "-1", "less than 0", "0 or more"),
    ("create_concurrency", "1001", "more than 1000", "1000 or less"),
    ("create_qps", "fast", "not a number", "a number"),
    ("confirm_interval", "nan", "not a finite number", "a number of seconds"),
    ("reconcile_interval", "inf", "not a finite number", "a number of seconds"),
    ("workload_delivery", "env", "not one of the possible values", "secret, args"),
    ("client_factory", "make client", "not an import path", "package.module.name"),
    ("queue_pod_templates", "{'gpu': 'x'}", "not JSON", '{"gpu": "gpu"'),
    ("queue_pod_templates", '["gpu"]', "not object", "a JSON object"),
    ("queue_pod_templates", '{"gpu": 1}', "template of queue 'gpu'", "a JSON object"),
    ("env_secrets", '{"env": "A"}', "not list", "a JSON list"),
    ("env_secrets", '[{"env": "A"}]', "an object with env, secret and key", "MY_SECRET"),
    ("env_secrets", '[{"env": "A", "secret": "", "key": "k"}]', "name of a Kubernetes Secret", "MY_SECRET"),
    ("deployment_id", "prod/eu", "value of a label", "at most 63"),
    ("deployment_id", "a" * 64, "value of a label", "at most 63"),
    ("namespace", "Team_A", "name of a namespace", "lower-case"),
    ("multi_namespace_mode_namespace_list", "team-a,-b", "name of a namespace", "lower-case"),
    ("kube_client_request_args", '{"_request_timeout": "60"}', "_request_timeout must be", "a JSON object"),
    ("delete_option_kwargs", '{"grace": 1}', "unknown option 'grace'", "grace_period_seconds"),
]


@pytest.mark.parametrize(("name", "text", "problem", "advice"), BAD, ids=[f"{one[0]}={one[1][:12]}" for one in BAD])
def test_a_value_that_cannot_be_used_is_named_with_its_place_and_what_to_do(
    name: str, text: str, problem: str, advice: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        settings_of(**{name: text})
    error = caught.value
    assert (error.section, error.option) == BY_NAME[name].key
    assert str(error).startswith(f"[{error.section}] {name} = ")
    assert problem in error.problem
    assert advice in str(error)
    assert error.value
    assert error.value[:10] in str(error)


def test_a_long_value_is_cut_in_the_message() -> None:
    with pytest.raises(SettingsError) as caught:
        settings_of(namespace="N" * 5000)
    assert len(str(caught.value)) < 400


MANY, LIST = "multi_namespace_mode", "multi_namespace_mode_namespace_list"
NAMESPACES: list[tuple[dict[str, str], str | None, tuple[str, ...] | None, str]] = [
    ({}, None, ("default",), "default"),
    ({}, "tmpl", ("tmpl",), "tmpl"),
    ({"namespace": "air"}, "tmpl", ("air",), "air"),
    ({MANY: "True"}, None, None, "default"),
    ({MANY: "True", "namespace": "air"}, None, None, "air"),
    ({MANY: "True"}, "tmpl", None, "tmpl"),
    ({MANY: "1", LIST: "a,b"}, None, ("a", "b"), "a"),
    (
        {MANY: "1", LIST: "a,default"},
        "x",
        ("a", "default"),
        "default",
    ),
    ({MANY: "1", LIST: "a,b"}, "b", ("a", "b"), "b"),
    (
        {MANY: "1", LIST: "a", "namespace": "c"},
        None,
        ("a", "c"),
        "c",
    ),
    ({LIST: "a,b", "namespace": "c"}, None, ("c",), "c"),
]


@pytest.mark.parametrize(("texts", "template", "followed", "fallback"), NAMESPACES)
def test_namespaces(
    texts: dict[str, str], template: str | None, followed: tuple[str, ...] | None, fallback: str
) -> None:
    settings = settings_of(template, **texts)
    assert settings.namespaces == followed
    assert settings.allowed_namespaces == (None if followed is None else frozenset(followed))
    assert settings.fallback_namespace == fallback
    assert settings.manifest.fallback_namespace == fallback
    assert settings.manifest.default_namespace == texts.get("namespace")


def test_an_upper_limit_of_upstream_bounds_concurrent_creates() -> None:
    assert settings_of(pod_creation_max_concurrency="8").create_concurrency == 8
    assert settings_of(pod_creation_max_concurrency="80", create_concurrency="32").create_concurrency == 32
    assert settings_of(pod_creation_max_concurrency="0").create_concurrency == 64


def test_reasons_that_may_end_a_task() -> None:
    assert settings_of().fatal_waiting_reasons >= {"InvalidImageName", "ErrImagePull", "ImagePullBackOff"}
    only = settings_of(worker_pod_pending_fatal_container_state_reasons="CreateContainerError")
    assert only.fatal_waiting_reasons == {"CreateContainerError"}
    assert settings_of(worker_pod_pending_fatal_container_state_reasons="").fatal_waiting_reasons == frozenset()


def test_the_connection_is_made_of_upstreams_options() -> None:
    kube = settings_of(
        in_cluster="False", config_file="/etc/kube/config", cluster_context="kind", verify_ssl="0", tcp_keep_cnt="9",
        kube_client_request_args='{"_request_timeout": [3, 20]}', delete_option_kwargs='{"grace_period_seconds": 5}',
    ).kube  # fmt: skip
    assert (kube.in_cluster, kube.config_file, kube.cluster_context) == (False, "/etc/kube/config", "kind")
    assert (kube.verify_ssl, kube.tcp_keep_cnt) == (False, 9)
    assert (kube.timeout().sock_connect, kube.timeout().sock_read) == (3, 20)
    assert kube.delete_options() == {"gracePeriodSeconds": 5}


def test_every_connection_option_reaches_the_connection() -> None:
    connection = {one.name for one in OPTIONS if one.section == UPSTREAM_SECTION and one.shared}
    assert connection <= {one.name for one in fields(settings_of().kube)}


def test_creates_leave_connections_for_watches_and_deletes() -> None:
    assert settings_of(create_concurrency="200").kube.connection_pool_size > 200


def test_what_pods_are_made_of() -> None:
    manifest = settings_of(
        worker_container_repository="registry/air", worker_container_tag="3.3", pod_template_file="/t/pod.yaml",
        pod_templates_folder="/t", queue_pod_templates='{"gpu": "gpu"}',
        env_secrets='[{"env": "A", "secret": "s", "key": "k"}]',
    ).manifest  # fmt: skip
    assert manifest.worker_image == "registry/air:3.3"
    assert (manifest.default_template, manifest.pod_templates_folder) == (Path("/t/pod.yaml"), Path("/t"))
    assert manifest.queue_pod_templates == {"gpu": "gpu"}
    assert manifest.env_secrets == (Secret("env", "A", "s", "k"),)


@pytest.mark.parametrize("option", NOT_NEEDED, ids=lambda one: one.name)
def test_an_option_that_is_not_needed_is_named_once_with_the_reason(option: Option) -> None:
    settings = settings_of(**{option.name: option.default_text or "{}"})
    (notice,) = settings.notices
    assert notice.startswith(f"[{option.section}] {option.name} is not needed")
    assert option.why in notice


def test_an_option_that_is_not_needed_stops_nothing_even_when_its_value_is_wrong() -> None:
    assert len(settings_of(worker_pods_creation_batch_size="many").notices) == 1
    assert settings_of(api_client_retry_configuration="").notices == ()


NOTICES = [
    ({"workload_delivery": "args"}, "token"),
    ({"worker_container_tag": "3.3"}, "only together"),
    ({"worker_container_repository": "registry/air"}, "only together"),
    ({"multi_namespace_mode_namespace_list": "a"}, "no effect without multi_namespace_mode"),
    ({"kube_client_request_args": '{"pretty": true}'}, "pretty"),
]


@pytest.mark.parametrize(("texts", "said"), NOTICES)
def test_risks_and_halves_are_said_once(texts: dict[str, str], said: str) -> None:
    (notice,) = settings_of(**texts).notices
    assert said in notice


def test_the_readmes_tables_hold_every_option_once_with_default_and_reason() -> None:
    tables = options_markdown()
    for option in OPTIONS:
        (row,) = [line for line in tables.splitlines() if line.startswith(f"| `{option.name}` |")]
        assert option.why.replace("|", "\\|") in row
        assert option.effect is Effect.NOT_NEEDED or not option.default_text or f"`{option.default_text}`" in row
