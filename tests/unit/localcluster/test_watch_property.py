"""Whatever is written: a list and the watch from its version tell the same as a list later."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from executor.localcluster.listing import page
from executor.localcluster.request_info import parse
from executor.localcluster.resources import CONFIG_MAPS
from executor.localcluster.store import Store
from executor.localcluster.types import Json
from executor.localcluster.watching import plan, translate

_PATH = "/api/v1/namespaces/n/configmaps"
_SELECT = {"labelSelector": "app in (x,y)"}
Writes = list[tuple[str, str, str]]
_WRITES = st.lists(
    st.tuples(st.sampled_from(["put", "delete"]), st.sampled_from("abc"), st.sampled_from(["x", "y", "z"])), max_size=12
)


def write(store: Store, kind: str, name: str, app: str) -> None:
    current = store.find(CONFIG_MAPS, ("n", name))
    obj: Json = {"metadata": {"name": name, "namespace": "n", "uid": name, "labels": {"app": app}}}
    if kind == "delete":
        if current:
            store.remove(CONFIG_MAPS, current)
    elif current:
        store.replace(CONFIG_MAPS, current, obj)
    else:
        store.create(CONFIG_MAPS, obj)


def write_all(store: Store, writes: Writes) -> None:
    for kind, name, app in writes:
        write(store, kind, name, app)


def listed(store: Store) -> tuple[dict[str, Json], str]:
    found = page(store, parse("GET", _PATH, _SELECT))
    return {stored.key[1]: stored.object for stored in found.objects}, found.metadata["resourceVersion"]


@given(before=_WRITES, after=_WRITES)
def test_a_list_and_its_watch_agree_with_a_later_list(before: Writes, after: Writes) -> None:
    store = Store()
    write_all(store, before)
    mirror, version = listed(store)
    write_all(store, after)
    watch = plan(store, parse("GET", _PATH, {**_SELECT, "watch": "1", "resourceVersion": version}))
    for line in filter(None, (translate(change, watch) for change in watch.collection.changes_from(watch.position))):
        event = json.loads(line)
        name = event["object"]["metadata"]["name"]
        assert (event["type"] == "ADDED") is (name not in mirror)
        if event["type"] == "DELETED":
            del mirror[name]
        else:
            mirror[name] = event["object"]
    assert mirror == listed(store)[0]


@given(before=_WRITES, after=_WRITES)
def test_the_past_can_be_listed(before: Writes, after: Writes) -> None:
    store = Store()
    write_all(store, before)
    then, version = listed(store)
    write_all(store, after)
    query = {**_SELECT, "resourceVersion": version, "resourceVersionMatch": "Exact"}
    assert {stored.key[1]: stored.object for stored in page(store, parse("GET", _PATH, query)).objects} == then
