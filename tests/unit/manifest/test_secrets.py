"""Secrets as variables and volumes of base, however they are written."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.cncf.kubernetes.secret import Secret as UpstreamSecret
from kubernetes.client import models as k8s

from executor.secret import Secret
from tests.unit.manifest.builders import TEMPLATE, build, container, in_base

ENV = {"name": "MY_SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}


def secrets(*items: Any) -> dict[str, Any]:
    return {"secrets": list(items)}


FORMS = [
    Secret("env", "MY_SECRET", "s", "k"),
    {"deploy_type": "env", "deploy_target": "MY_SECRET", "secret": "s", "key": "k"},
    UpstreamSecret("env", "my_secret", "s", "k"),
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: type(form).__module__)
def test_a_variable_comes_from_the_secret(tmp_path: Path, form: Any) -> None:
    env = container(build(tmp_path, secrets(form)).manifest)["env"]
    assert [v["name"] for v in env] == ["LOG", "MODE", "MY_SECRET", "AIRFLOW_IS_K8S_EXECUTOR_POD"]
    assert env[2] == ENV


def test_our_own_keeps_the_spelling_of_a_variable(tmp_path: Path) -> None:
    env = container(build(tmp_path, secrets(Secret("env", "my_secret", "s", "k"))).manifest)["env"]
    assert env[2]["name"] == "my_secret"


def test_a_whole_secret_is_added_to_what_the_template_takes(tmp_path: Path) -> None:
    template = TEMPLATE + "      envFrom: [{configMapRef: {name: c}}]\n"
    config = secrets(Secret("env", None, "s"), Secret("env", None, "s"), UpstreamSecret("env", "ignored", "t"))
    assert container(build(tmp_path, config, template).manifest)["envFrom"] == [
        {"configMapRef": {"name": "c"}},
        {"secretRef": {"name": "s"}},
        {"secretRef": {"name": "t"}},
    ]


def test_a_volume_is_mounted_read_only_under_the_same_name_each_time(tmp_path: Path) -> None:
    config = secrets(Secret("volume", "/etc/all", "s"), Secret("volume", "/etc/one", "s", "tls.key"))
    pods = [build(tmp_path, config).manifest for _ in range(2)]
    assert pods[0] == pods[1]
    volumes = pods[0]["spec"]["volumes"]
    assert [v["secret"] for v in volumes] == [
        {"secretName": "s"},
        {"secretName": "s", "items": [{"key": "tls.key", "path": "tls.key"}]},
    ]
    mounts = [
        {"name": v["name"], "mountPath": p, "readOnly": True}
        for v, p in zip(volumes, ["/etc/all", "/etc/one"], strict=True)
    ]
    assert container(pods[0])["volumeMounts"] == mounts


def test_upstreams_items_are_kept(tmp_path: Path) -> None:
    secret = UpstreamSecret("volume", "/etc/x", "s", items=[k8s.V1KeyToPath(key="a", path="b")])
    (volume,) = build(tmp_path, secrets(secret)).manifest["spec"]["volumes"]
    assert volume["secret"] == {"secretName": "s", "items": [{"key": "a", "path": "b"}]}


def test_a_secret_wins_over_the_template_and_the_override_over_the_secret(tmp_path: Path) -> None:
    config = secrets(Secret("env", "LOG", "s", "k"))
    assert container(build(tmp_path, config).manifest)["env"][0] == ENV | {"name": "LOG"}
    config |= {"pod_override": in_base(env=[{"name": "LOG", "value": "DEBUG"}])}
    assert container(build(tmp_path, config).manifest)["env"][0] == {"name": "LOG", "value": "DEBUG"}


def test_env_secrets_are_in_every_pod_and_the_tasks_own_win(tmp_path: Path) -> None:
    env_secrets = (Secret("env", "MY_SECRET", "shared", "k"), Secret("env", "OTHER", "shared", "o"))
    env = container(build(tmp_path, secrets(FORMS[0]), env_secrets=env_secrets).manifest)["env"]
    assert env[2] == ENV
    assert env[3]["valueFrom"]["secretKeyRef"] == {"name": "shared", "key": "o"}


BAD: list[Any] = [
    (("file", "A", "s", "k"), "deploy_type is 'file'; write 'env' or 'volume'"),
    (("env", "A", "", "k"), "secret is ''; write the name of a Kubernetes Secret"),
    (("env", "A", "s", ""), "key is ''; write a text, or leave it out"),
    (("env", 3, "s", "k"), "deploy_target is 3; write a text"),
    (("env", None, "s", "k"), "it has a key but no deploy_target; write the name of the environment variable"),
    (("env", "A", "s", None), "it has no key; write which entry of the secret becomes A"),
    (("volume", "etc", "s", None), "deploy_target is 'etc'; write the absolute path"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_a_wrong_secret_says_how_to_write_it(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=r"^Secret") as caught:
        Secret(*arguments)
    assert message in str(caught.value)


def test_a_secret_is_a_value() -> None:
    secret = Secret("env", "A", "s", "k")
    assert (secret.deploy_type, secret.deploy_target, secret.secret, secret.key) == ("env", "A", "s", "k")
    assert pickle.loads(pickle.dumps(secret)) == secret == Secret("env", "A", "s", "k")
    assert repr(secret) == "Secret('env', 'A', 's', 'k')"
    assert len({secret, Secret("env", "A", "s", "k"), Secret("env", None, "s")}) == 2
    with pytest.raises(TypeError, match="cannot be changed"):
        secret["key"] = "other"
    with pytest.raises(TypeError, match="cannot be changed"):
        secret.update(key="other")
