"""Environment, command and arguments, against the kubelet's rules."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.localcluster.node.env import ConfigError, EnvContext, build_argv, build_env, expand
from executor.localcluster.node.fields import FieldError, NodeFacts, pod_field, resource_field
from executor.localcluster.node.images import ImageEntry
from executor.localcluster.node.sources import Sources, env_references, volume_references

NODE = NodeFacts("n1", Decimal(4), Decimal(8 << 30))
POD: dict[str, Any] = {
    "metadata": {"name": "p", "namespace": "ns", "uid": "u", "labels": {"a": "1"}, "annotations": {"q": 'x "y"'}},
    "spec": {"containers": [{"name": "base"}, {"name": "other", "resources": {"limits": {"cpu": "1500m"}}}]},
}
SOURCES = Sources(
    "ns",
    {
        ("Secret", "s"): {"k": b"v", "bin": b"\xff"},
        ("ConfigMap", "c"): {"mode": b"fast"},
        ("Secret", "gone"): None,
        ("ConfigMap", "gone"): None,
    },
)


def env(*variables: dict[str, Any], **container: Any) -> dict[str, str]:
    return build_env(
        {"name": "base", "env": list(variables), **container}, EnvContext(POD, NODE, SOURCES), {"SVC": "h"}
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(A)", "a"),
        ("x$(A)y$(B)", "xayb"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$a"),
        ("$(NO)", "$(NO)"),
        ("$A", "$A"),
        ("$", "$"),
        ("$(", "$("),
        ("$(A", "$(A"),
        ("100$", "100$"),
        ("$$", "$"),
        ("$()", "$()"),
        ("$(A)$(", "a$("),
    ],
)
def test_expand(text: str, expected: str) -> None:
    assert expand(text, {"A": "a", "B": "b"}) == expected


@given(st.text(alphabet="ab()x ", max_size=40))
def test_text_without_dollars_is_never_changed(text: str) -> None:
    assert expand(text, {"a": "1"}) == text


@given(st.text(alphabet="$(A)x", max_size=30))
def test_doubled_dollars_give_the_text_back(text: str) -> None:
    assert expand(text.replace("$", "$$"), {"A": "1", "x": "2"}) == text


def test_values_see_earlier_variables_only() -> None:
    built = env({"name": "A", "value": "$(B)"}, {"name": "B", "value": "b$(SVC)"}, {"name": "C", "value": "$(B)!"})
    assert (built["A"], built["B"], built["C"]) == ("$(B)", "bh", "bh!")


def test_env_wins_over_env_from_and_services() -> None:
    sources = [{"configMapRef": {"name": "c"}}]
    built = env({"name": "mode", "value": "slow"}, {"name": "SVC", "value": "mine"}, envFrom=sources)
    assert (built["mode"], built["SVC"]) == ("slow", "mine")


def test_prefix_and_optional_sources() -> None:
    sources = [{"prefix": "P_", "secretRef": {"name": "s"}}, {"configMapRef": {"name": "gone", "optional": True}}]
    assert env(envFrom=sources)["P_k"] == "v"


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ({"secretKeyRef": {"name": "gone", "key": "k"}}, 'secret "gone" not found'),
        ({"configMapKeyRef": {"name": "gone", "key": "k"}}, 'configmap "gone" not found'),
        ({"secretKeyRef": {"name": "s", "key": "no"}}, "couldn't find key no in Secret ns/s"),
        ({"configMapKeyRef": {"name": "c", "key": "no"}}, "couldn't find key no in ConfigMap ns/c"),
        ({"fieldRef": {"fieldPath": "spec.replicas"}}, "unsupported fieldPath: spec.replicas"),
    ],
)
def test_what_the_kubelet_says(reference: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        env({"name": "A", "valueFrom": reference})
    assert str(caught.value) == message


def test_missing_whole_secret() -> None:
    with pytest.raises(ConfigError, match='secret "gone" not found'):
        env(envFrom=[{"secretRef": {"name": "gone"}}])


@pytest.mark.parametrize("reference", [{"name": "gone", "key": "k"}, {"name": "s", "key": "no"}])
def test_optional_key_leaves_the_variable_out(reference: dict[str, Any]) -> None:
    assert "A" not in env({"name": "A", "valueFrom": {"secretKeyRef": {**reference, "optional": True}}})


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("metadata.name", "p"),
        ("metadata.namespace", "ns"),
        ("metadata.uid", "u"),
        ("metadata.labels['a']", "1"),
        ("metadata.labels['none']", ""),
        ("metadata.annotations", 'q="x \\"y\\""'),
        ("spec.nodeName", "n1"),
        ("spec.serviceAccountName", "default"),
        ("status.podIP", "127.0.0.1"),
    ],
)
def test_pod_fields(path: str, expected: str) -> None:
    assert pod_field(path, POD, NODE) == expected


def test_unknown_field() -> None:
    with pytest.raises(FieldError, match=r"spec\.x"):
        pod_field("spec.x", POD, NODE)


@pytest.mark.parametrize(
    ("resources", "reference", "expected"),
    [
        ({"limits": {"memory": "100Mi"}}, {"resource": "limits.memory"}, str(100 << 20)),
        ({"limits": {"memory": "100Mi"}}, {"resource": "limits.memory", "divisor": "1Mi"}, "100"),
        ({"requests": {"cpu": "250m"}}, {"resource": "requests.cpu"}, "1"),
        ({"requests": {"cpu": "250m"}}, {"resource": "requests.cpu", "divisor": "1m"}, "250"),
        ({}, {"resource": "limits.cpu"}, "4"),
        ({}, {"resource": "requests.memory"}, "0"),
    ],
)
def test_resource_fields(resources: dict[str, Any], reference: dict[str, Any], expected: str) -> None:
    assert resource_field(reference, {"resources": resources}, NODE) == expected


def test_resource_of_another_container() -> None:
    reference = {"resource": "limits.cpu", "containerName": "other", "divisor": "1m"}
    assert env({"name": "A", "valueFrom": {"resourceFieldRef": reference}})["A"] == "1500"


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        ({}, ("entry", "cmd")),
        ({"args": ["a", "$(X)"]}, ("entry", "a", "1")),
        ({"command": ["c"]}, ("c",)),
        ({"command": ["c"], "args": ["$(X)$(Y)"]}, ("c", "1$(Y)")),
    ],
)
def test_command_and_arguments(container: dict[str, Any], expected: tuple[str, ...]) -> None:
    image = ImageEntry(entrypoint=("entry",), cmd=("cmd",))
    assert build_argv(container, image, {"X": "1"}) == expected


def test_references_of_env_and_volumes() -> None:
    container = {
        "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}, {"name": "B", "value": "x"}],
        "envFrom": [{"configMapRef": {"name": "c"}}],
    }
    assert env_references(container) == {("Secret", "s"), ("ConfigMap", "c")}
    volumes = [
        {"name": "1", "secret": {"secretName": "v"}},
        {"name": "2", "projected": {"sources": [{"secret": {"name": "w"}}, {"configMap": {"name": "x"}}]}},
        {"name": "3", "emptyDir": {}},
    ]
    assert volume_references(volumes) == {("Secret", "v"), ("Secret", "w"), ("ConfigMap", "x")}
