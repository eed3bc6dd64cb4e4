"""The verb patch where it is a server-side apply: an object as its applier wants it, made or changed."""

from __future__ import annotations

from dataclasses import replace

from aiohttp import web

from executor.localcluster import server_side_apply
from executor.localcluster.authorization import require
from executor.localcluster.body import parse_yaml
from executor.localcluster.cluster import Cluster
from executor.localcluster.delete_options import check_write
from executor.localcluster.ownership import Manager
from executor.localcluster.reading import object_answer
from executor.localcluster.registry import NAME_MISMATCH, Write
from executor.localcluster.request_info import RequestInfo
from executor.localcluster.resources import Resource
from executor.localcluster.schema import TypeMismatchError, decode_by, struct_of
from executor.localcluster.server_side_apply import Applied, untyped
from executor.localcluster.stamps import timestamp
from executor.localcluster.status import bad_request, not_found
from executor.localcluster.store import Stored
from executor.localcluster.types import Json

_NO_MAP = (
    "error decoding YAML: error unmarshaling JSON: while decoding JSON: "
    "json: cannot unmarshal {} into Go value of type map[string]interface {{}}"
)


async def apply(cluster: Cluster, request: web.Request, info: RequestInfo) -> web.StreamResponse:
    """Raises 400 (no such configuration), 409 (conflicts), 422 (rules of the kind), 500 (fields that there are not)."""
    check_write(info, applies=True)
    config = _config(await request.read(), info)
    live = cluster.store.find(info.resource, (info.namespace, info.name))
    manager = Manager(info.query["fieldManager"], "Apply", info.resource.api_version, info.subresource)
    shape, now = struct_of(info.resource.model), timestamp(cluster.registry.now())
    applied = server_side_apply.apply(shape, live.object if live else None, config, manager, now, info.flag("force"))
    if live is None:
        return object_answer(request, _create(cluster, info, applied), 201)
    write = Write(info.subresource, info.dry_run, managed=applied.managed)
    obj = _of_version(applied.object, config)
    return object_answer(request, cluster.registry.patched(info.resource, live.key, obj, write))


def _of_version(obj: Json, config: Json) -> Json:
    """The outcome, for the version that the configuration names; without one, for any."""
    metadata = dict(obj["metadata"])
    metadata.pop("resourceVersion", None)
    asked = (config.get("metadata") or {}).get("resourceVersion")
    return obj | {"metadata": metadata | ({"resourceVersion": asked} if asked else {})}


def _create(cluster: Cluster, info: RequestInfo, applied: Applied) -> Stored:
    """A first apply needs the right to create as well (apiserver ``pkg/endpoints/handlers/patch.go``)."""
    if info.subresource:
        raise not_found(info.resource, info.name)
    require(cluster.authorizer, replace(info, verb="create"))
    metadata = applied.object["metadata"]
    if metadata["name"] != info.name:
        raise bad_request(NAME_MISMATCH.format(metadata["name"], info.name))
    metadata.pop("resourceVersion", None)
    return cluster.registry.create(info.resource, info.namespace, applied.object, info.dry_run, applied.managed)


def _config(body: bytes, info: RequestInfo) -> Json:
    """The body as an object of its kind, named as in the URL."""
    value = _read(body)
    kind, version = value.get("kind", ""), value.get("apiVersion", "")
    if (kind, version) != (info.resource.kind, info.resource.api_version):
        group, _, name = str(version).rpartition("/")
        raise bad_request(f"invalid object type: {group}/{name}, Kind={kind}")
    config = _typed(value, info.resource)
    metadata = config.setdefault("metadata", {})
    if metadata.get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    if not metadata.get("name") and not info.subresource:
        message = f"the name of the object ({info.name} based on URL) was undeterminable: name must be provided"
        raise bad_request(message)
    return config


def _read(body: bytes) -> Json:
    try:
        value = parse_yaml(body).value
    except ValueError as error:
        raise bad_request(f"error decoding YAML: error converting YAML to JSON: {error}") from None
    if not isinstance(value, dict):
        raise bad_request(_NO_MAP.format("array" if isinstance(value, list) else "string"))
    return value


def _typed(value: Json, resource: Resource) -> Json:
    """The configuration by the schema of its kind: an apply refuses what it does not know, always."""
    try:
        config, unknown = decode_by(resource.model, value)
    except TypeMismatchError as error:
        raise untyped(value, str(error)) from None
    if unknown:
        path = unknown[0].removeprefix('unknown field "').removesuffix('"')
        raise untyped(value, f".{path}: field not declared in schema")
    return config
