"""The numbered store: versions, bounded history, the past, owners."""

from __future__ import annotations

import pytest

from executor.localcluster.resources import CONFIG_MAPS, PODS
from executor.localcluster.status import ApiError
from executor.localcluster.store import Store
from executor.localcluster.types import Json


def config_map(name: str, **data: str) -> Json:
    return {"kind": "ConfigMap", "metadata": {"name": name, "namespace": "n", "uid": f"uid-{name}"}, "data": data}


def test_one_counter_numbers_every_resource() -> None:
    store = Store()
    first = store.create(CONFIG_MAPS, config_map("a"))
    second = store.create(PODS, {**config_map("p"), "spec": {}})
    assert second.version == first.version + 1
    assert second.object["metadata"]["resourceVersion"] == str(second.version)


def test_replacing_an_old_version_conflicts() -> None:
    store = Store()
    first = store.create(CONFIG_MAPS, config_map("a"))
    store.replace(CONFIG_MAPS, first, config_map("a", k="1"))
    with pytest.raises(ApiError) as caught:
        store.replace(CONFIG_MAPS, first, config_map("a", k="2"))
    assert (caught.value.code, caught.value.reason) == (409, "Conflict")


def test_replacing_by_the_same_is_no_write() -> None:
    store = Store()
    first = store.create(CONFIG_MAPS, config_map("a", k="1"))
    before = store.version
    assert store.replace(CONFIG_MAPS, first, first.object) is first
    assert store.version == before


def test_what_is_read_can_be_changed_without_harm() -> None:
    store = Store()
    stored = store.create(CONFIG_MAPS, config_map("a", k="1"))
    stored.object["data"]["k"] = "changed"
    assert store.get(CONFIG_MAPS, ("n", "a")).object["data"] == {"k": "1"}


def test_the_past_is_the_present_with_changes_undone() -> None:
    store = Store()
    first = store.create(CONFIG_MAPS, config_map("a", k="1"))
    store.create(CONFIG_MAPS, config_map("b"))
    then = store.version
    store.replace(CONFIG_MAPS, first, config_map("a", k="2"))
    store.remove(CONFIG_MAPS, store.get(CONFIG_MAPS, ("n", "b")))
    store.create(CONFIG_MAPS, config_map("c"))
    past = {key[1]: stored.object["data"] for key, stored in store.at(CONFIG_MAPS, then).items()}
    assert past == {"a": {"k": "1"}, "b": {}}


def test_history_is_bounded_and_older_versions_expire() -> None:
    store = Store(history_limit=10)
    stored = store.create(CONFIG_MAPS, config_map("a", k="0"))
    old = store.version
    for number in range(50):
        stored = store.replace(CONFIG_MAPS, stored, config_map("a", k=str(number + 1)))
    collection = store.collections[CONFIG_MAPS]
    assert len(collection.history) <= 13
    with pytest.raises(ApiError) as caught:
        collection.position_after(old)
    assert (caught.value.code, caught.value.reason) == (410, "Expired")
    recent = collection.changes_from(collection.position_after(store.version - 3))
    assert [change.stored.version for change in recent] == [store.version - 2, store.version - 1, store.version]


def test_a_position_that_was_forgotten_expires() -> None:
    store = Store(history_limit=4)
    position = store.collections[CONFIG_MAPS].end
    for number in range(9):
        store.create(CONFIG_MAPS, config_map(f"c-{number}"))
    with pytest.raises(ApiError, match="too old resource version"):
        store.collections[CONFIG_MAPS].changes_from(position)


def test_compaction_forgets_every_resource() -> None:
    store = Store()
    store.create(CONFIG_MAPS, config_map("a"))
    old = store.version
    store.create(CONFIG_MAPS, config_map("b"))
    store.compact()
    with pytest.raises(ApiError, match="too old resource version"):
        store.at(CONFIG_MAPS, old)
    with pytest.raises(ApiError, match="too old resource version"):
        store.collections[PODS].position_after(old)
    assert (
        store.collections[CONFIG_MAPS].changes_from(store.collections[CONFIG_MAPS].position_after(store.version)) == []
    )


def test_the_future_is_a_timeout() -> None:
    store = Store()
    with pytest.raises(ApiError, match="Too large resource version: 99, current: 1"):
        store.at(CONFIG_MAPS, 99)


def test_a_deletion_has_a_version_of_its_own() -> None:
    store = Store()
    made = store.create(CONFIG_MAPS, config_map("a", k="1"))
    gone = store.remove(CONFIG_MAPS, made)
    assert gone.version == made.version + 1
    assert gone.object["data"] == {"k": "1"}
    assert store.find(CONFIG_MAPS, ("n", "a")) is None


def test_owners_and_dependents_are_indexed() -> None:
    store = Store()
    owner = store.create(CONFIG_MAPS, config_map("owner"))
    owned = config_map("owned")
    owned["metadata"]["ownerReferences"] = [{"uid": owner.uid}]
    stored = store.create(CONFIG_MAPS, owned)
    assert store.dependents == {owner.uid: {(CONFIG_MAPS, ("n", "owned"))}}
    store.remove(CONFIG_MAPS, stored)
    assert store.dependents == {}
    store.remove(CONFIG_MAPS, owner)
    assert store.owners == {}
