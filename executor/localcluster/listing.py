"""Answers of list: pages, versions and continue tokens (Kubernetes page "API Concepts")."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from executor.localcluster.request_info import RequestInfo
from executor.localcluster.selectors import selection
from executor.localcluster.status import ApiError, FieldError, bad_request, expired, invalid
from executor.localcluster.store import Key, Store, Stored
from executor.localcluster.types import Json


class _Token(msgspec.Struct, frozen=True):
    """Where the next page starts: after ``key``, in the collection as of ``version``."""

    version: int
    key: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Page:
    """Selected objects in order of namespace and name, and the ``ListMeta`` that goes with them."""

    objects: list[Stored]
    metadata: Json


def _read_token(text: str) -> _Token:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(text), type=_Token)
    except (binascii.Error, msgspec.DecodeError, ValueError):
        raise bad_request("continue key is not valid: encoded continue token is not understood") from None


def _write_token(version: int, key: Key) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(_Token(version, key))).decode()


def _check(info: RequestInfo) -> None:
    match = info.query.get("resourceVersionMatch", "")
    if match and info.version() is None:
        message = "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
        raise _bad_options(FieldError("FieldValueForbidden", "resourceVersionMatch", message))
    if match == "Exact" and info.version() == 0:
        message = 'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        raise _bad_options(FieldError("FieldValueForbidden", "resourceVersionMatch", message))


def _bad_options(error: FieldError) -> ApiError:
    return invalid("ListOptions", "meta.k8s.io", "", [error])


def _snapshot(store: Store, info: RequestInfo, token: _Token | None) -> tuple[int, Iterable[Stored]]:
    """The version a list is answered from, and every object of the resource at it."""
    version = info.version()
    if token is not None:
        return token.version, _past(
            store,
            info,
            token.version,
            "The provided continue parameter is too old to display "
            "a consistent list result. You must start a new list without the continue parameter.",
        )
    if version and info.query.get("resourceVersionMatch") == "Exact":
        return version, _past(store, info, version, "The resourceVersion for the provided list is too old.")
    return store.version, store.at(info.resource, max(version or 0, store.version)).values()


def _past(store: Store, info: RequestInfo, version: int, sentence: str) -> Iterable[Stored]:
    try:
        return store.at(info.resource, version).values()
    except ApiError as error:
        raise expired(sentence) if error.code == 410 else error from None


def wanted(info: RequestInfo) -> Callable[[Stored], bool]:
    """Namespace, name and selectors of a list or watch as one predicate."""
    selected = selection(info.resource.kind, info.query.get("labelSelector", ""), info.query.get("fieldSelector", ""))
    namespace, name = info.namespace, info.name

    def holds(stored: Stored) -> bool:
        if (namespace and stored.key[0] != namespace) or (name and stored.key[1] != name):
            return False
        return selected is None or selected(stored.view)

    return holds


def page(store: Store, info: RequestInfo) -> Page:
    """One page. Raises 400 (token, selector), 410 (version forgotten), 422 (options that exclude each other)."""
    _check(info)
    limit = info.number("limit") or 0
    token = _read_token(info.query["continue"]) if info.query.get("continue") else None
    version, snapshot = _snapshot(store, info, token)
    found = sorted(filter(wanted(info), snapshot), key=lambda stored: stored.key)
    if token is not None:
        found = [stored for stored in found if stored.key > token.key]
    metadata: Json = {"resourceVersion": str(version)}
    if 0 < limit < len(found):
        metadata["continue"] = _write_token(version, found[limit - 1].key)
        metadata |= {} if _selects(info) else {"remainingItemCount": len(found) - limit}
        found = found[:limit]
    return Page(found, metadata)


def _selects(info: RequestInfo) -> bool:
    return bool(info.query.get("labelSelector") or info.query.get("fieldSelector"))


def encode_page(info: RequestInfo, found: Page) -> bytes:
    """A ``PodList`` and the like, from the bytes that every object already has.

    Items have no ``kind`` and no ``apiVersion``: those of the list say what they are.
    """
    head = {"kind": f"{info.resource.kind}List", "apiVersion": info.resource.api_version, "metadata": found.metadata}
    of_object = {"kind": info.resource.kind, "apiVersion": info.resource.api_version}
    before = msgspec.json.encode(of_object)[:-1] + b","
    items = b",".join(b"{" + stored.raw.removeprefix(before) for stored in found.objects)
    return msgspec.json.encode(head)[:-1] + b',"items":[' + items + b"]}\n"
