"""The Secrets and ConfigMaps that a pod reads: which ones, and their content as one frozen value."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from executor.localcluster.node.api import ApiClient, ApiError, Json

Reference = tuple[str, str]
"""("Secret" or "ConfigMap", name)"""
PATHS = {"Secret": "secrets", "ConfigMap": "configmaps"}


@dataclass(frozen=True, slots=True)
class Sources:
    """Content by reference; None for an object that does not exist.

    versions: resourceVersions of the objects that may change, "" for one that does not exist.
    """

    namespace: str
    data: Mapping[Reference, Mapping[str, bytes] | None] = field(repr=False)
    versions: Mapping[Reference, str] = field(default_factory=dict)

    def get(self, kind: str, name: str) -> Mapping[str, bytes] | None:
        return self.data.get((kind, name))


def env_references(container: Json) -> set[Reference]:
    found: set[Reference] = set()
    for variable in container.get("env") or ():
        value_from = variable.get("valueFrom") or {}
        found |= _named(value_from.get("secretKeyRef"), "Secret") | _named(
            value_from.get("configMapKeyRef"), "ConfigMap"
        )
    for source in container.get("envFrom") or ():
        found |= _named(source.get("secretRef"), "Secret") | _named(source.get("configMapRef"), "ConfigMap")
    return found


def volume_references(volumes: Iterable[Json]) -> set[Reference]:
    found: set[Reference] = set()
    for volume in volumes:
        for source in (volume, *((volume.get("projected") or {}).get("sources") or ())):
            secret = source.get("secret") or {}
            found |= _named({"name": secret.get("secretName") or secret.get("name")}, "Secret")
            found |= _named(source.get("configMap"), "ConfigMap")
    return found


def _named(reference: Json | None, kind: str) -> set[Reference]:
    name = (reference or {}).get("name")
    return {(kind, name)} if name else set()


async def fetch(api: ApiClient, namespace: str, references: Iterable[Reference]) -> Sources:
    """One GET each. Raises ApiError for anything but 404, one of `api.UNREACHABLE` without an answer."""
    data: dict[Reference, Mapping[str, bytes] | None] = {}
    versions: dict[Reference, str] = {}
    for reference in references:
        found = await fetch_object(api, namespace, reference)
        data[reference] = None if found is None else _content(found, reference[0])
        if found is None or not found.get("immutable"):
            versions[reference] = version_of(found)
    return Sources(namespace, data, versions)


async def fetch_object(api: ApiClient, namespace: str, reference: Reference) -> Json | None:
    """None if there is none. Raises as `fetch` does."""
    kind, name = reference
    try:
        return await api.get(f"/api/v1/namespaces/{namespace}/{PATHS[kind]}/{name}")
    except ApiError as error:
        if error.status != 404:
            raise
        return None


def version_of(found: Json | None) -> str:
    return "" if found is None else str(found["metadata"]["resourceVersion"])


def _content(found: Json, kind: str) -> dict[str, bytes]:
    decoded = {key: base64.b64decode(value) for key, value in (found.get("binaryData") or {}).items()}
    for key, value in (found.get("data") or {}).items():
        decoded[key] = base64.b64decode(value) if kind == "Secret" else value.encode()
    return decoded
