"""What is cleaned up, pass by pass."""

from __future__ import annotations

from executor.localcluster.collector import Collector
from executor.localcluster.registry import DeleteOptions, Registry
from executor.localcluster.resources import CONFIG_MAPS, EVENTS, NAMESPACES, PODS, SECRETS
from executor.localcluster.store import Store
from executor.localcluster.types import Json


def collector() -> Collector:
    registry = Registry(Store())
    made = Collector(registry)
    registry.create(NAMESPACES, "", {"metadata": {"name": "n"}})
    return made


def owned(name: str, uid: str) -> Json:
    reference = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": uid}
    return {"metadata": {"name": name, "ownerReferences": [reference]}}


def test_a_chain_of_owners_goes_one_by_one() -> None:
    made = collector()
    registry = made.registry
    first = registry.create(CONFIG_MAPS, "n", {"metadata": {"name": "first"}})
    second = registry.create(CONFIG_MAPS, "n", owned("second", first.uid))
    registry.create(SECRETS, "n", owned("third", second.uid))
    made.collect()
    assert made.store.find(SECRETS, ("n", "third"))
    registry.delete(CONFIG_MAPS, ("n", "first"), DeleteOptions())
    made.collect()
    assert made.store.find(CONFIG_MAPS, ("n", "second")) is None
    made.collect()
    assert made.store.find(SECRETS, ("n", "third")) is None


def test_an_owner_in_another_namespace_is_no_owner() -> None:
    made = collector()
    made.registry.create(NAMESPACES, "", {"metadata": {"name": "m"}})
    other = made.registry.create(CONFIG_MAPS, "m", {"metadata": {"name": "owner"}})
    made.registry.create(CONFIG_MAPS, "n", owned("a", other.uid))
    made.collect()
    assert made.store.find(CONFIG_MAPS, ("n", "a")) is None


def test_orphaned_on_purpose() -> None:
    made = collector()
    owner = made.registry.create(CONFIG_MAPS, "n", {"metadata": {"name": "owner"}})
    made.registry.create(CONFIG_MAPS, "n", owned("kept", owner.uid))
    made.registry.delete(CONFIG_MAPS, ("n", "owner"), DeleteOptions(propagation="Orphan"))
    made.collect()
    assert made.store.get(CONFIG_MAPS, ("n", "kept")).owners == ()


def test_a_namespace_waits_for_pods_that_are_still_stopping() -> None:
    made = collector()
    spec = {"nodeName": "node", "containers": [{"name": "a", "image": "i"}]}
    made.registry.create(PODS, "n", {"metadata": {"name": "p"}, "spec": spec})
    made.registry.delete(NAMESPACES, ("", "n"), DeleteOptions())
    made.collect()
    assert made.store.get(PODS, ("n", "p")).terminating
    assert made.store.find(NAMESPACES, ("", "n"))
    made.registry.delete(PODS, ("n", "p"), DeleteOptions(grace=0))
    made.collect()
    assert made.store.find(NAMESPACES, ("", "n")) is None


def test_events_are_bounded() -> None:
    registry = Registry(Store())
    made = Collector(registry, events_limit=10)
    registry.create(NAMESPACES, "", {"metadata": {"name": "n"}})
    for number in range(11):
        registry.create(EVENTS, "n", {"metadata": {"name": f"e-{number}"}})
    made.collect()
    assert [key[1] for key in made.store.collections[EVENTS].objects] == [f"e-{number}" for number in range(2, 11)]
