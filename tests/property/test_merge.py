"""Laws of the strategic merge over random pods and patches."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from executor.manifest import strategic_merge
from executor.manifest.plain import without_nulls

names = st.sampled_from(["base", "a", "b", "c"])
words = st.sampled_from(["", "1", "x", "y"])


def _keyed(key: str, keys: Any, **optional: Any) -> Any:
    element = st.fixed_dictionaries({key: keys}, optional=optional)
    return st.lists(element, max_size=4, unique_by=lambda item: item[key])


def _pods(maybe: Any) -> Any:
    """Pods whose members may also be what `maybe` adds (None, in a patch)."""
    sources = {"value": words, "valueFrom": st.just({"fieldRef": {"fieldPath": "p"}})}
    env = st.one_of(*[_keyed("name", names, **{field: source}) for field, source in sources.items()])
    maps = st.dictionaries(names, words | maybe, max_size=3)
    quantities = st.fixed_dictionaries({}, optional={"limits": maps, "requests": maps})
    container = {
        "image": words | maybe,
        "env": env | maybe,
        "args": st.lists(words, max_size=2) | maybe,
        "resources": quantities | maybe,
        "tty": st.booleans() | maybe,
        "ports": _keyed("containerPort", st.integers(80, 83), name=words) | maybe,
    }
    spec = {
        "containers": _keyed("name", names, **container),
        "volumes": _keyed("name", names, emptyDir=maps) | maybe,
        "tolerations": st.lists(st.fixed_dictionaries({"key": words}), max_size=2) | maybe,
        "nodeSelector": maps | maybe,
    }
    metadata = {"labels": maps | maybe, "finalizers": st.lists(words, max_size=3, unique=True) | maybe}
    return st.fixed_dictionaries(
        {}, optional={"metadata": _map(metadata) | maybe, "spec": _map(spec) | maybe, "tomorrow": maps}
    )


def _map(optional: dict[str, Any]) -> Any:
    return st.fixed_dictionaries({}, optional=optional)


pods = _pods(st.nothing())
patches = _pods(st.none())


@given(pods, patches)
def test_inputs_are_never_changed(base: Any, patch: Any) -> None:
    before = copy.deepcopy((base, patch))
    strategic_merge(base, patch)
    assert (base, patch) == before


@given(pods)
def test_an_empty_patch_changes_nothing(base: Any) -> None:
    assert strategic_merge(base, {}) == base


@given(pods)
def test_a_pod_over_nothing_is_the_pod(pod: Any) -> None:
    assert strategic_merge({}, pod) == pod


@given(pods)
def test_a_pod_over_itself_is_the_pod(pod: Any) -> None:
    assert strategic_merge(pod, pod) == pod


@given(pods, patches)
def test_a_patch_twice_is_the_patch_once(base: Any, patch: Any) -> None:
    """But for nulls in new list elements, which the first merge leaves in as Kubernetes does, and nobody sends."""
    once = strategic_merge(base, patch)
    assert without_nulls(strategic_merge(once, patch)) == without_nulls(once)


@given(pods, pods)
def test_elements_of_the_base_keep_their_order_and_come_first(base: Any, patch: Any) -> None:
    merged = strategic_merge(base, patch)
    for field in ("containers", "volumes"):
        old = [item["name"] for item in base.get("spec", {}).get(field, [])]
        assert [item["name"] for item in merged.get("spec", {}).get(field, [])][: len(old)] == old


@given(pods, pods)
def test_a_variable_never_has_two_sources(base: Any, patch: Any) -> None:
    merged = strategic_merge(base, patch)
    for container in merged.get("spec", {}).get("containers", []):
        assert not any({"value", "valueFrom"} <= variable.keys() for variable in container.get("env", []))
