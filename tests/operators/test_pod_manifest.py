"""What the parameters of a container task make of its pod."""

from __future__ import annotations

from typing import Any

import pytest

from executor.manifest import ManifestError
from executor.operators.manifest import Wanted, build, pod_name
from executor.operators.parameters import BY_NAME, TOLD
from tests.operators.world import identity


def made(template: dict[str, Any] | None = None, **given: Any) -> dict[str, Any]:
    parameters = {name: BY_NAME[name].default for name in TOLD} | {"image": "i:1"} | given
    return build(Wanted(identity(), parameters, template))


def test_the_smallest_pod() -> None:
    pod = made()
    name = pod["metadata"]["name"]
    assert name == pod_name(identity(), None, suffix=True)
    assert pod["spec"] == {
        "restartPolicy": "Never",
        "containers": [{"name": "base", "image": "i:1", "terminationMessagePolicy": "File"}],
    }
    assert pod["metadata"]["labels"] == {
        "dag_id": "d",
        "task_id": "t",
        "run_id": "r",
        "try_number": "1",
        "airflow_version": "3.3.2",
        "airflow-launch": identity().launch_id,
        "ti_id": identity().ti_id,
        "kubernetes_pod_operator": "True",
        "airflow-pod-operator": "abcd1234",
    }


def test_names() -> None:
    ours = pod_name(identity(), None, suffix=True)
    assert pod_name(identity(), "My Name!", suffix=True) == f"my-name{ours[-17:]}"
    assert pod_name(identity(), "My Name!", suffix=False) == "my-name"
    assert pod_name(identity(), None, suffix=False) == ours
    assert pod_name(identity(2), "my", suffix=True) != pod_name(identity(1), "my", suffix=True)
    assert len(pod_name(identity(), "x" * 300, suffix=True)) <= 63


def test_a_template_under_full_pod_spec_under_parameters() -> None:
    template = {
        "metadata": {"labels": {"a": "template", "b": "template"}, "namespace": "there"},
        "spec": {
            "containers": [
                {"name": "main", "image": "t:1", "env": [{"name": "A", "value": "t"}, {"name": "B", "value": "t"}]},
                {"name": "side", "image": "s:1"},
            ]
        },
    }
    full = {"spec": {"containers": [{"name": "base", "env": [{"name": "B", "value": "full"}]}]}}
    env = [{"name": "C", "value": "p"}]
    pod = made(template, full_pod_spec=full, image=None, env_vars=env, labels={"b": "parameter"})
    base, side = pod["spec"]["containers"]
    assert (base["name"], base["image"], side["name"]) == ("base", "t:1", "side")
    assert [(one["name"], one["value"]) for one in base["env"]] == [("A", "t"), ("B", "full"), ("C", "p")]
    assert {name: pod["metadata"]["labels"][name] for name in "ab"} == {"a": "template", "b": "parameter"}
    assert pod["metadata"]["namespace"] == "there"


@pytest.mark.parametrize("base", ["base", "main"])
def test_secrets_and_config_maps(base: str) -> None:
    secrets = [
        {"deploy_type": "env", "deploy_target": "PW", "secret": "s", "key": "k"},
        {"deploy_type": "env", "deploy_target": None, "secret": "whole", "key": None},
        {"deploy_type": "volume", "deploy_target": "/s", "secret": "s", "key": None},
    ]
    pod = made(secrets=secrets, configmaps=["c"], base_container_name=base)
    container = pod["spec"]["containers"][0]
    assert container["name"] == base
    assert container["env"] == [{"name": "PW", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]
    assert container["envFrom"] == [{"configMapRef": {"name": "c"}}, {"secretRef": {"name": "whole"}}]
    assert container["volumeMounts"][0]["mountPath"] == "/s"
    assert pod["spec"]["volumes"][0]["secret"] == {"secretName": "s"}


def test_a_result_needs_a_volume_only_where_a_shell_hands_it_over() -> None:
    wrapped = made(do_xcom_push=True, cmds=["a"])["spec"]
    assert wrapped["containers"][0]["command"][:2] == ["/bin/sh", "-c"]
    assert wrapped["volumes"] == [{"name": "xcom", "emptyDir": {}}]
    own = made(do_xcom_push=True)["spec"]
    assert own["containers"][0]["terminationMessagePath"] == "/airflow/xcom/return.json"
    assert "volumes" not in own


def test_identity_is_not_the_users_to_set() -> None:
    full = {"metadata": {"labels": {"airflow-pod-operator": "x", "mine": "y"}}, "spec": {"restartPolicy": "Always"}}
    pod = made(full_pod_spec=full, labels={"ti_id": "z"})
    assert pod["metadata"]["labels"]["airflow-pod-operator"] == "abcd1234"
    assert pod["metadata"]["labels"]["ti_id"] == identity().ti_id
    assert pod["metadata"]["labels"]["mine"] == "y"
    assert pod["spec"]["restartPolicy"] == "Never"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"image": None}, "has no image"),
        ({"env_vars": [{"name": "A", "value": 5}]}, r"spec.containers\[base\].env\[A\].value is the number 5"),
        ({"namespace": "No Namespace"}, "metadata.namespace"),
        ({"container_resources": {"limits": {"memory": "much"}}}, "resources.limits.memory"),
    ],
)
def test_what_kubernetes_would_not_take_is_named(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ManifestError, match=sentence):
        made(**given)
