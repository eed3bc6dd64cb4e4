"""Just enough of OpenAPI v3 for kubectl to see that this server validates fields itself, so that kubectl need not.

Excluded: schemas of fields. kubectl merges built-in kinds by its own tables.
"""

from __future__ import annotations

from executor.localcluster.resources import Resource, groups
from executor.localcluster.types import Json

_PARAMETERS = [
    {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
    for name in ("dryRun", "fieldManager", "fieldValidation", "force")
]


def _operation(resource: Resource, action: str) -> Json:
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    return {
        "operationId": f"{action}{resource.kind}",
        "parameters": _PARAMETERS,
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": kind,
    }


def _paths(base: str, resource: Resource) -> Json:
    scope = f"{base}/namespaces/{{namespace}}" if resource.namespaced else base
    collection = f"{scope}/{resource.plural}"
    return {
        collection: {"post": _operation(resource, "post")},
        f"{collection}/{{name}}": {"patch": _operation(resource, "patch"), "put": _operation(resource, "put")},
    }


def documents() -> dict[str, Json]:
    """The index and one document a group version, by path."""
    found: dict[str, Json] = {}
    index: Json = {}
    for (group, version), resources in groups().items():
        name = f"apis/{group}/{version}" if group else f"api/{version}"
        index[name] = {"serverRelativeURL": f"/openapi/v3/{name}?hash=1"}
        paths = {path: item for resource in resources for path, item in _paths(f"/{name}", resource).items()}
        info = {"title": "Kubernetes", "version": "v1.36.0"}
        found[f"/openapi/v3/{name}"] = {"openapi": "3.0.0", "info": info, "paths": paths}
    found["/openapi/v3"] = {"paths": index}
    return found
