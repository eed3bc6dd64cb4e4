"""Requests as values: what is asked of the API server, prepared without I/O.

Each carries its RBAC verb and resource, so that logs, permission checks and the chart's Role speak of the same thing.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from executor.kube.port import PodRef

FIELD_MANAGER = "airflow-pod-executor"
JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. `body` is left out of the repr: it may hold a token."""

    verb: str  # RBAC: create, get, list, watch, delete, patch
    resource: str  # RBAC: pods, pods/log, secrets, events
    method: str
    path: str
    query: Mapping[str, str | int] = field(default_factory=dict)
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    content_type: str = JSON
    accept: str = JSON


def core_path(namespace: str | None, resource: str, name: str = "", subresource: str = "") -> str:
    """The path of a core/v1 resource (API reference, "Resource URIs"); None = all namespaces."""
    scope = ("api", "v1") if namespace is None else ("api", "v1", "namespaces", quote(namespace, safe=""))
    parts = (*scope, resource, quote(name, safe=""), subresource)
    return "/" + "/".join(part for part in parts if part)


def create_pod(namespace: str, manifest: Mapping[str, Any]) -> Request:
    query = {"fieldValidation": "Strict", "fieldManager": FIELD_MANAGER}
    return Request("create", "pods", "POST", core_path(namespace, "pods"), query, manifest, accept=_METADATA)


def read_pod(namespace: str, name: str) -> Request:
    return Request("get", "pods", "GET", core_path(namespace, "pods", name))


def delete_pod(pod: PodRef, options: Mapping[str, Any], grace_seconds: int | None, version: str = "") -> Request:
    """version: the resourceVersion that the pod must still have, "" for any."""
    grace = {} if grace_seconds is None else {"gracePeriodSeconds": grace_seconds}
    expected = {"uid": pod.uid} | ({"resourceVersion": version} if version else {})
    body = {
        **options,
        **grace,
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {**options.get("preconditions", {}), **expected},
    }
    return Request("delete", "pods", "DELETE", core_path(pod.namespace, "pods", pod.name), body=body, accept=_METADATA)


def set_deadline(pod: PodRef, seconds: int) -> Request:
    body = {"metadata": {"uid": pod.uid}, "spec": {"activeDeadlineSeconds": seconds}}
    path = core_path(pod.namespace, "pods", pod.name)
    return Request("patch", "pods", "PATCH", path, body=body, content_type=MERGE_PATCH, accept=_METADATA)


def list_pods(namespace: str | None, selector: str, limit: int, continue_: str) -> Request:
    """One page; a limit of 0 asks for everything at once."""
    query: dict[str, str | int] = {"labelSelector": selector}
    if limit:
        query["limit"] = limit
    if continue_:
        query["continue"] = continue_
    return Request("list", "pods", "GET", core_path(namespace, "pods"), query)


def watch_pods(namespace: str | None, selector: str, resource_version: str, seconds: int) -> Request:
    query: dict[str, str | int] = {
        "watch": "true",
        "labelSelector": selector,
        "resourceVersion": resource_version,
        "allowWatchBookmarks": "true",
        "timeoutSeconds": seconds,
    }
    return Request("watch", "pods", "GET", core_path(namespace, "pods"), query)


def read_log(namespace: str, name: str, container: str, tail_lines: int | None, *, follow: bool = False) -> Request:
    query: dict[str, str | int] = {"container": container}
    if tail_lines is not None:
        query["tailLines"] = tail_lines
    if follow:
        query["follow"] = "true"
    return Request("get", "pods/log", "GET", core_path(namespace, "pods", name, "log"), query, accept="*/*")


def follow_stamped_log(namespace: str, name: str, container: str, since: str) -> Request:
    """since: "" for the beginning."""
    query: dict[str, str | int] = {"container": container, "follow": "true", "timestamps": "true"}
    if since:
        query["sinceTime"] = since
    return Request("get", "pods/log", "GET", core_path(namespace, "pods", name, "log"), query, accept="*/*")


def list_pod_events(pod: PodRef) -> Request:
    query: dict[str, str | int] = {"fieldSelector": f"involvedObject.uid={pod.uid}", "limit": 500}
    return Request("list", "events", "GET", core_path(pod.namespace, "events"), query)


def create_secret(namespace: str, name: str, labels: Mapping[str, str], data: Mapping[str, bytes]) -> Request:
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace, "labels": dict(labels)},
        "type": "Opaque",
        "immutable": True,
        "data": {key: base64.b64encode(value).decode("ascii") for key, value in data.items()},
    }
    query = {"fieldManager": FIELD_MANAGER}
    return Request("create", "secrets", "POST", core_path(namespace, "secrets"), query, body, accept=_METADATA)


def own_secret(namespace: str, name: str, owners: Sequence[PodRef]) -> Request:
    references = [{"apiVersion": "v1", "kind": "Pod", "name": pod.name, "uid": pod.uid} for pod in owners]
    body = {"metadata": {"ownerReferences": references}}
    path = core_path(namespace, "secrets", name)
    return Request("patch", "secrets", "PATCH", path, body=body, content_type=MERGE_PATCH, accept=_METADATA)


def delete_secret(namespace: str, name: str) -> Request:
    return Request("delete", "secrets", "DELETE", core_path(namespace, "secrets", name))


def list_secrets(namespace: str | None, selector: str, limit: int, continue_: str) -> Request:
    """Metadata only: the server is asked to leave the data out."""
    query: dict[str, str | int] = {"labelSelector": selector, "limit": limit}
    if continue_:
        query["continue"] = continue_
    return Request("list", "secrets", "GET", core_path(namespace, "secrets"), query, accept=METADATA_LIST)


def review_access(verb: str, resource: str, namespace: str | None) -> Request:
    """A SelfSubjectAccessReview (authorization.k8s.io/v1)."""
    name, _, subresource = resource.partition("/")
    attributes = {"verb": verb, "resource": name, "subresource": subresource, "namespace": namespace or ""}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    return Request("create", "selfsubjectaccessreviews", "POST", path, body=body)
