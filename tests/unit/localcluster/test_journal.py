"""Objects on disk: what a server that starts again knows, and what a damaged file becomes."""

from __future__ import annotations

import logging
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from executor.localcluster.journal import FILE, Journal, JournalError
from executor.localcluster.resources import CONFIG_MAPS, PODS, SECRETS
from executor.localcluster.status import ApiError
from executor.localcluster.store import Store
from executor.localcluster.types import Json


def config_map(name: str, **data: str) -> Json:
    return {"metadata": {"name": name, "namespace": "n", "uid": f"uid-{name}"}, "data": data}


@contextmanager
def started(folder: Path, rewrite_bytes: int = 1 << 30) -> Iterator[Store]:
    """A store kept in ``folder`` until the context ends."""
    store = Store()
    journal = Journal(folder, store, rewrite_bytes)
    journal.open()
    try:
        yield store
    finally:
        journal.close()


def contents(store: Store) -> dict[str, dict[tuple[str, str], bytes]]:
    """Every object as it is stored."""
    found = {resource.plural: collection.objects for resource, collection in store.collections.items()}
    return {name: {key: one.raw for key, one in objects.items()} for name, objects in found.items() if objects}


def test_a_restart_knows_everything_and_goes_on_counting(tmp_path: Path) -> None:
    with started(tmp_path) as store:
        first = store.create(CONFIG_MAPS, config_map("a", k="1"))
        store.replace(CONFIG_MAPS, first, config_map("a", k="2"))
        store.remove(SECRETS, store.create(SECRETS, config_map("gone")))
        store.create(PODS, {**config_map("p"), "spec": {}})
        before, version = contents(store), store.version
    with started(tmp_path) as again:
        assert (contents(again), again.version) == (before, version)
        assert again.create(CONFIG_MAPS, config_map("b")).version == version + 1


def test_watches_go_on_over_a_restart(tmp_path: Path) -> None:
    with started(tmp_path) as store:
        first = store.create(CONFIG_MAPS, config_map("a", k="1"))
        store.replace(CONFIG_MAPS, first, config_map("a", k="2"))
        store.remove(CONFIG_MAPS, store.get(CONFIG_MAPS, ("n", "a")))
    with started(tmp_path) as again:
        collection = again.collections[CONFIG_MAPS]
        missed = collection.changes_from(collection.position_after(first.version))
        assert [change.type for change in missed] == ["MODIFIED", "DELETED"]
        assert again.at(CONFIG_MAPS, first.version)["n", "a"].object["data"] == {"k": "1"}


def test_owners_are_known_again(tmp_path: Path) -> None:
    with started(tmp_path) as store:
        owner = store.create(CONFIG_MAPS, config_map("owner"))
        owned = config_map("owned")
        owned["metadata"]["ownerReferences"] = [{"uid": owner.uid}]
        store.create(CONFIG_MAPS, owned)
    with started(tmp_path) as again:
        assert again.dependents[owner.uid] == {(CONFIG_MAPS, ("n", "owned"))}


@pytest.mark.parametrize("cut", [1, 7, 40])
def test_a_last_record_that_was_cut_short_is_dropped(
    tmp_path: Path, cut: int, caplog: pytest.LogCaptureFixture
) -> None:
    with started(tmp_path) as store:
        store.create(CONFIG_MAPS, config_map("a"))
        before, version = contents(store), store.version
        store.create(CONFIG_MAPS, config_map("b"))
    file = tmp_path / FILE
    os.truncate(file, file.stat().st_size - cut)
    with caplog.at_level(logging.WARNING), started(tmp_path) as again:
        assert (contents(again), again.version) == (before, version)
        assert "the last record was cut short and is dropped" in caplog.text
        again.create(CONFIG_MAPS, config_map("c"))
    with started(tmp_path) as third:
        assert [name for _, name in third.collections[CONFIG_MAPS].objects] == ["a", "c"]


def test_damage_before_the_end_is_not_passed_over(tmp_path: Path) -> None:
    with started(tmp_path) as store:
        for name in ("a", "b", "c"):
            store.create(CONFIG_MAPS, config_map(name))
    file = tmp_path / FILE
    content = bytearray(file.read_bytes())
    content[content.index(b"uid-b")] ^= 1
    file.write_bytes(content)
    with pytest.raises(JournalError, match="is damaged at byte"):
        Journal(tmp_path, Store()).open()


def test_another_format_is_named(tmp_path: Path) -> None:
    with started(tmp_path):
        pass
    file = tmp_path / FILE
    payload = file.read_bytes()[8:].replace(b"objects 1", b"objects 9")
    file.write_bytes(struct.pack(">II", len(payload), zlib.crc32(payload)) + payload)
    with pytest.raises(JournalError, match="objects 9"):
        Journal(tmp_path, Store()).open()


def test_two_servers_do_not_share_a_folder(tmp_path: Path) -> None:
    with started(tmp_path), pytest.raises(JournalError, match="is used by another local cluster"):
        Journal(tmp_path, Store()).open()


def test_the_file_stays_small_and_forgets_the_past_alone(tmp_path: Path) -> None:
    with started(tmp_path, rewrite_bytes=4096) as store:
        current = store.create(CONFIG_MAPS, config_map("a", k="0"))
        first = current.version
        for number in range(500):
            current = store.replace(CONFIG_MAPS, current, config_map("a", k=str(number + 1)))
        before, version = contents(store), store.version
    assert (tmp_path / FILE).stat().st_size < 2 * 4096
    assert [file.name for file in tmp_path.iterdir()] == [FILE]
    with started(tmp_path) as again:
        assert (contents(again), again.version) == (before, version)
        with pytest.raises(ApiError, match="too old resource version"):
            again.collections[CONFIG_MAPS].position_after(first)


def test_only_its_owner_may_read_the_file(tmp_path: Path) -> None:
    with started(tmp_path / "new"):
        assert (tmp_path / "new" / FILE).stat().st_mode & 0o077 == 0
        assert (tmp_path / "new").stat().st_mode & 0o077 == 0
