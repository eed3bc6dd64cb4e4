"""What clients ask before they ask for objects: versions, groups, resources."""

from __future__ import annotations

from aiohttp import web

from executor.localcluster import openapi
from executor.localcluster.reading import json_answer
from executor.localcluster.resources import Resource, groups
from executor.localcluster.types import Json

VERSION: Json = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.0-localcluster",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "2026-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "linux/amd64",
}


def _resource_entries(resource: Resource) -> list[Json]:
    entry: Json = {
        "name": resource.plural,
        "singularName": resource.kind.lower(),
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    return [entry, *(_subresource_entry(resource, name) for name in resource.subresources)]


_SUBRESOURCES: dict[str, tuple[str, list[str]]] = {
    "status": ("", ["get", "patch", "update"]),
    "log": ("", ["get"]),
    "binding": ("Binding", ["create"]),
    "eviction": ("Eviction", ["create"]),
    "exec": ("PodExecOptions", ["create", "get"]),
    "attach": ("PodAttachOptions", ["create", "get"]),
    "token": ("TokenRequest", ["create"]),
}


_GROUPS: dict[str, Json] = {
    "eviction": {"group": "policy", "version": "v1"},
    "token": {"group": "authentication.k8s.io", "version": "v1"},
}


def _subresource_entry(resource: Resource, name: str) -> Json:
    kind, verbs = _SUBRESOURCES[name]
    return _GROUPS.get(name, {}) | {
        "name": f"{resource.plural}/{name}",
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": kind or resource.kind,
        "verbs": verbs,
    }


def _resource_list(group_version: str, resources: list[Resource]) -> Json:
    entries = [entry for resource in resources for entry in _resource_entries(resource)]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": entries}


def _group(name: str, version: str) -> Json:
    this = {"groupVersion": f"{name}/{version}", "version": version}
    return {"name": name, "versions": [this], "preferredVersion": this}


def _documents() -> dict[str, Json]:
    """Every discovery document by its path."""
    named = [(group, version) for group, version in groups() if group]
    documents: dict[str, Json] = {
        **openapi.documents(),
        "/version": VERSION,
        "/api": {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(*pair) for pair in named]},
    }
    for (group, version), resources in groups().items():
        path = f"/apis/{group}/{version}" if group else f"/api/{version}"
        documents[path] = _resource_list(f"{group}/{version}" if group else version, resources)
        if group:
            documents[f"/apis/{group}"] = {"kind": "APIGroup", "apiVersion": "v1", **_group(group, version)}
    return documents


_DOCUMENTS = _documents()


def answer(request: web.Request) -> web.Response | None:
    """The answer to a discovery request; ``None`` for any other."""
    document = _DOCUMENTS.get(request.path.rstrip("/"))
    return json_answer(document) if document is not None and request.method == "GET" else None
