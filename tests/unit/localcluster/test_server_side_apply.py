"""Field sets and server-side apply as functions: what holds for any configuration, and what stays where."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from executor.localcluster import field_sets
from executor.localcluster.field_sets import dotted, leaves, whole
from executor.localcluster.ownership import Manager, after_update
from executor.localcluster.schema import struct_of
from executor.localcluster.server_side_apply import apply
from executor.localcluster.types import Json

_POD = struct_of("V1Pod")
_NOW = "2026-01-01T00:00:00Z"
_NAMES = st.sampled_from(("a", "b", "c"))
_ENV = st.lists(
    st.fixed_dictionaries({"name": _NAMES, "value": _NAMES}), max_size=3, unique_by=lambda one: str(one["name"])
)
_CONTAINERS = st.lists(
    st.fixed_dictionaries({"name": _NAMES, "image": _NAMES}, optional={"env": _ENV, "command": st.lists(_NAMES)}),
    min_size=1,
    max_size=3,
    unique_by=lambda one: str(one["name"]),
)


def pod(containers: list[Json], labels: dict[str, str] | None = None, **spec: Any) -> Json:
    metadata = {"name": "p"} | ({"labels": labels} if labels else {})
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers, **spec}}


_PODS = st.builds(pod, _CONTAINERS, st.dictionaries(_NAMES, _NAMES, max_size=2))


def applied(live: Json | None, config: Json, manager: str = "me", force: bool = True) -> Json:
    """The object after an apply, as the server would keep it."""
    done = apply(_POD, live, config, Manager(manager, "Apply", "v1"), _NOW, force)
    metadata = {name: value for name, value in done.object["metadata"].items() if name != "managedFields"}
    return done.object | {"metadata": metadata | ({"managedFields": done.managed} if done.managed else {})}


def names(items: list[Json]) -> list[str]:
    return [one["name"] for one in items]


@settings(max_examples=40)
@given(_PODS)
def test_a_field_set_is_read_back_as_it_was_written(config: Json) -> None:
    paths = frozenset(path for path, _ in leaves(whole(_POD, config)))
    assert frozenset(field_sets.decode(field_sets.encode(paths))) == paths


@settings(max_examples=40)
@given(_PODS, _PODS)
def test_the_last_apply_of_one_manager_is_what_there_is(first: Json, second: Json) -> None:
    result = applied(applied(None, first), second)
    fields = dict(leaves(whole(_POD, result | {"metadata": {**result["metadata"], "managedFields": []}})))
    fields.pop(("f:metadata", "f:managedFields"))
    assert fields == dict(leaves(whole(_POD, second)))


@settings(max_examples=40)
@given(_PODS, _PODS)
def test_the_same_again_changes_nothing(first: Json, second: Json) -> None:
    once = applied(applied(None, first, "other"), second)
    assert applied(once, second, force=False) == once


@settings(max_examples=40)
@given(_PODS, _PODS)
def test_what_is_forced_on_another_is_there(first: Json, second: Json) -> None:
    result = dict(leaves(whole(_POD, applied(applied(None, first, "other"), second))))
    assert all(result.get(path, "nothing") == value for path, value in leaves(whole(_POD, second)))


def test_defaults_go_with_the_item_they_were_for() -> None:
    live = applied(None, pod([{"name": "a", "image": "i"}, {"name": "b", "image": "i", "livenessProbe": {}}]))
    live["spec"]["containers"][1] |= {"imagePullPolicy": "Always", "livenessProbe": {"periodSeconds": 10}}
    left = applied(live, pod([{"name": "a", "image": "i"}]))
    assert left["spec"]["containers"] == [{"name": "a", "image": "i"}]


def test_an_item_that_somebody_changed_stays_with_its_key() -> None:
    live = applied(None, pod([{"name": "a", "image": "i"}, {"name": "b", "image": "i"}]))
    changed = pod([{"name": "a", "image": "i"}, {"name": "b", "image": "new"}])
    editor = Manager("editor", "Update", "v1")
    live["metadata"]["managedFields"] = after_update(_POD, live, changed | {"metadata": live["metadata"]}, editor, _NOW)
    live["spec"] = changed["spec"]
    left = applied(live, pod([{"name": "a", "image": "i"}]))
    assert left["spec"]["containers"] == [{"name": "a", "image": "i"}, {"name": "b", "image": "new"}]


def test_what_nobody_applied_stays() -> None:
    live = applied(None, pod([{"name": "a", "image": "i"}]))
    live["spec"] |= {"dnsPolicy": "ClusterFirst"}
    live["spec"]["containers"].append({"name": "injected", "image": "i"})
    result = applied(live, pod([{"name": "a", "image": "j"}]))
    assert (result["spec"]["dnsPolicy"], names(result["spec"]["containers"])) == ("ClusterFirst", ["a", "injected"])


def test_keyed_lists_follow_the_order_of_the_configuration() -> None:
    live = pod([{"name": name, "image": "i"} for name in ("a", "b", "c")])
    result = applied(live, pod([{"name": name, "image": "i"} for name in ("c", "new", "a")]))
    assert names(result["spec"]["containers"]) == ["c", "new", "a", "b"]


def test_ports_are_told_apart_by_their_protocol() -> None:
    ports = [{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53}]
    paths = [path for path, _ in leaves(whole(_POD, pod([{"name": "a", "image": "i", "ports": ports}])))]
    shown = {dotted(path) for path in paths if "ports" in str(path)}
    assert '.spec.containers[name="a"].ports[containerPort=53,protocol="TCP"]' in shown
    assert '.spec.containers[name="a"].ports[containerPort=53,protocol="UDP"]' in shown
