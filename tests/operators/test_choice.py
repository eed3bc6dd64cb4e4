"""Which cluster a container task goes to, and what mapped tasks and templates become in the triggerer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.definitions._internal.templater import Templater

from executor.kube.settings import KubeSettings
from executor.operators.carried import XComMarker
from executor.operators.cluster import ClusterChoiceError, choose
from executor.operators.rendering import RenderingError, ready
from executor.operators.upstream_values import TemplateInstance, Upstream

OURS = KubeSettings(in_cluster=False, config_file="/ours", cluster_context="ours")


@pytest.mark.parametrize(
    ("given", "extra", "ours", "in_a_pod", "wanted"),
    [
        ({}, {}, True, False, (False, "/ours", "ours")),
        ({}, {}, False, True, (True, None, None)),
        ({}, {}, False, False, (False, None, None)),
        ({"in_cluster": True}, {}, True, False, (True, None, None)),
        ({"in_cluster": False}, {}, False, True, (False, None, None)),
        ({"config_file": "/a", "cluster_context": "c"}, {}, True, False, (False, "/a", "c")),
        ({}, {"kube_config_path": "/b", "cluster_context": "d"}, True, False, (False, "/b", "d")),
        ({"config_file": "/a"}, {"kube_config_path": "/b"}, True, False, (False, "/a", None)),
        ({}, {"extra__kubernetes__in_cluster": True}, True, False, (True, None, None)),
        ({"cluster_context": "c"}, {}, True, False, (False, "/ours", "c")),
    ],
)
def test_which_cluster(
    given: dict[str, Any],
    extra: dict[str, Any],
    ours: bool,
    in_a_pod: bool,
    wanted: tuple[Any, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    if in_a_pod:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    found = choose(given, extra, OURS if ours else KubeSettings(), ours).settings
    assert (found.in_cluster, found.config_file, found.cluster_context) == wanted


def test_a_connection_with_a_kubeconfig_in_it() -> None:
    found = choose({}, {"kube_config": {"clusters": []}, "namespace": "n", "disable_verify_ssl": True}, OURS, True)
    assert found.kubeconfig == '{"clusters": []}'
    assert (found.namespace, found.settings.verify_ssl, found.settings.config_file) == ("n", False, None)
    assert "clusters" not in repr(found)
    with pytest.raises(ClusterChoiceError, match="exclude one another"):
        choose({"in_cluster": True}, {"kube_config": "{}"}, OURS, True)


class Ti:
    """A task instance whose upstream tasks gave these values, by task id: a list for a mapped one."""

    dag_id, run_id, task_id, try_number = "d", "r", "t", 1

    def __init__(self, map_index: int = -1, **given: Any) -> None:
        self.map_index, self.given = map_index, given

    def xcom_pull(self, task_ids: str, *, key: str, map_indexes: int | None, **where: Any) -> Any:
        value = self.given.get(task_ids)
        return value[map_indexes] if map_indexes is not None else value

    def indexes(self, dag_id: str, task_id: str, run_id: str) -> list[int] | None:
        value = self.given.get(task_id)
        return list(range(len(value))) if isinstance(value, tuple) else None


def render(ti: Ti, task: Any = None, **parameters: Any) -> dict[str, Any]:
    proxy = TemplateInstance(ti)
    proxy._upstream = Upstream(ti, ti.indexes)
    context = {"ti": proxy, "name": "world"}
    renderer = Templater()
    renderer.template_ext = ()
    return ready(parameters, task or SimpleNamespace(expand_input=None), proxy._upstream, context, renderer)


def mapped(value: Any) -> Any:
    return SimpleNamespace(expand_input=SimpleNamespace(value=value))


def xcom(task_id: str) -> Any:
    return SimpleNamespace(operator=SimpleNamespace(task_id=task_id), key="return_value")


def test_templates_are_rendered_in_template_fields_only() -> None:
    found = render(Ti(), image="{{ name }}:1", tolerations=[{"key": "{{ name }}"}], env_vars=[{"name": "A{{ 1 + 1 }}"}])
    assert found["image"] == "world:1"
    assert found["tolerations"] == [{"key": "{{ name }}"}]
    assert found["env_vars"] == [{"name": "A2"}]


def test_xcoms_of_mapped_and_other_tasks() -> None:
    ti = Ti(one={"a": 1}, many=("x", None, "z"))
    found = render(
        ti,
        image=XComMarker("one", "return_value"),
        arguments=["{{ ti.xcom_pull(task_ids='many') }}", "{{ ti.xcom_pull('one')['a'] }}", "{{ ti.xcom_pull('no') }}"],
    )
    assert found["image"] == {"a": 1}
    assert found["arguments"] == ["['x', 'z']", "1", "None"]


def test_several_lists_are_combined_as_airflow_does() -> None:
    value = {"image": ["a", "b"], "tolerations": [[{"key": "x"}], [{"key": "y"}], []]}
    found = [render(Ti(index), mapped(value), cmds=["c"]) for index in range(6)]
    assert [(one["image"], [t["key"] for t in one["tolerations"]]) for one in found] == [
        ("a", ["x"]),
        ("a", ["y"]),
        ("a", []),
        ("b", ["x"]),
        ("b", ["y"]),
        ("b", []),
    ]
    assert {tuple(one["cmds"]) for one in found} == {("c",)}


def test_mapped_over_xcoms_and_maps() -> None:
    assert render(Ti(1, up=["a", "b"]), mapped({"image": xcom("up")}))["image"] == "b"
    assert render(Ti(1, up=("a", "b")), mapped({"image": xcom("up")}))["image"] == "b"
    assert render(Ti(1), mapped([{"image": "a"}, {"image": "b", "name": "n"}]))["name"] == "n"
    assert render(Ti(0, up=[{"env_vars": {"A": "1"}}]), mapped(xcom("up")))["env_vars"] == [{"name": "A", "value": "1"}]


@pytest.mark.parametrize(
    ("ti", "task", "given", "sentence"),
    [
        (Ti(), None, {"image": "{{ no_such }}"}, "image cannot be rendered: 'no_such' is undefined"),
        (Ti(), None, {"image": "{{ broken"}, "image cannot be rendered"),
        (Ti(3), mapped([{"image": "a"}]), {}, "the arguments of map index 3 cannot be found"),
        (Ti(0, up=5), mapped({"image": xcom("up")}), {}, "cannot map over a int"),
        (Ti(0), mapped({"image": []}), {}, "cannot map over a list without elements"),
    ],
)
def test_what_cannot_be_rendered_is_named(ti: Ti, task: Any, given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RenderingError, match=sentence):
        render(ti, task, **given)


def test_what_another_task_gave_is_no_template() -> None:
    ti = Ti(0, up="{{ name }}", several=["{{ name }}"])
    assert render(ti, image=XComMarker("up", "return_value"), cmds=["{{ name }}"])["image"] == "{{ name }}"
    assert render(ti, mapped({"image": xcom("several")}))["image"] == "{{ name }}"
    assert render(ti, mapped({"image": ["{{ name }}"]}))["image"] == "world"
