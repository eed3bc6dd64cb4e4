"""What every cluster has from its start: namespaces, priority classes, and the roles that everybody knows.

Source: ``plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go``, cut down to the resources that are served here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from executor.localcluster.registry import Registry
from executor.localcluster.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    NAMESPACES,
    PRIORITY_CLASSES,
    Resource,
)
from executor.localcluster.types import Json
from executor.localcluster.users import AUTHENTICATED, MASTERS

FIRST_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_PRIORITIES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
_API_GROUP = "rbac.authorization.k8s.io"
_READ = ("get", "list", "watch")
_WRITE = ("create", "delete", "deletecollection", "patch", "update")
_DISCOVERY = ("/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz",
              "/version", "/version/")  # fmt: skip
_PUBLIC = ("/healthz", "/livez", "/readyz", "/version", "/version/")
_WORKLOADS = (("apps", "deployments", "statefulsets"), ("batch", "jobs", "cronjobs"),
              ("networking.k8s.io", "networkpolicies"))  # fmt: skip


def _rule(verbs: Sequence[str], group: str, *resources: str) -> Json:
    return {"verbs": list(verbs), "apiGroups": [group], "resources": list(resources)}


def _paths(*paths: str) -> Json:
    return {"verbs": ["get"], "nonResourceURLs": list(paths)}


_VIEW = [
    _rule(
        _READ, "", "pods", "serviceaccounts", "persistentvolumeclaims", "persistentvolumeclaims/status", "configmaps"
    ),
    _rule(_READ, "", "limitranges", "resourcequotas", "pods/status", "resourcequotas/status", "namespaces/status"),
    _rule(_READ, "", "pods/log", "namespaces", "events"),
    _rule(_READ, "policy", "poddisruptionbudgets", "poddisruptionbudgets/status"),
    _rule(_READ, "", "services", "services/status"),
    *(_rule(_READ, group, *names, *(f"{name}/status" for name in names)) for group, *names in _WORKLOADS),
]
_EDIT = [
    _rule(_READ, "", "pods/attach", "pods/exec", "secrets"),
    _rule(_WRITE, "", "pods", "pods/attach", "pods/exec", "serviceaccounts", "persistentvolumeclaims", "configmaps"),
    _rule(_WRITE, "", "secrets", "events"),
    _rule(("create",), "", "pods/eviction", "serviceaccounts/token"),
    _rule((*_READ, *_WRITE), "coordination.k8s.io", "leases"),
    _rule(_WRITE, "policy", "poddisruptionbudgets"),
    _rule(_WRITE, "", "services"),
    *(_rule(_WRITE, group, *names) for group, *names in _WORKLOADS),
]
_ADMIN = [
    _rule(("create",), "authorization.k8s.io", "localsubjectaccessreviews"),
    _rule((*_READ, *_WRITE), _API_GROUP, "roles", "rolebindings"),
]
_BASIC = [
    _rule(("create",), "authorization.k8s.io", "selfsubjectaccessreviews", "selfsubjectrulesreviews"),
    _rule(("create",), "authentication.k8s.io", "selfsubjectreviews"),
]
_EVERYTHING = [_rule("*", "*", "*"), {"verbs": ["*"], "nonResourceURLs": ["*"]}]

_ROLES: dict[str, list[Json]] = {
    "cluster-admin": _EVERYTHING,
    "admin": [*_ADMIN, *_EDIT, *_VIEW],
    "edit": [*_EDIT, *_VIEW],
    "view": _VIEW,
    "system:basic-user": _BASIC,
    "system:discovery": [_paths(*_DISCOVERY)],
    "system:public-info-viewer": [_paths(*_PUBLIC)],
}
_GATHERED = ("admin", "edit", "view")
_BINDINGS = {
    "cluster-admin": MASTERS,
    "system:basic-user": AUTHENTICATED,
    "system:discovery": AUTHENTICATED,
    "system:public-info-viewer": AUTHENTICATED,
}


def furnish(registry: Registry) -> None:
    """Create what is missing; what is there (read from disk, changed by a user) stays as it is."""
    for resource, obj in _first_objects():
        if registry.store.find(resource, ("", obj["metadata"]["name"])) is None:
            registry.create(resource, "", obj)


def _first_objects() -> Iterator[tuple[Resource, Json]]:
    for name in FIRST_NAMESPACES:
        yield NAMESPACES, {"metadata": {"name": name}}
    for name, value in _PRIORITIES.items():
        yield PRIORITY_CLASSES, {"metadata": {"name": name}, "value": value, "preemptionPolicy": "PreemptLowerPriority"}
    for name, rules in _ROLES.items():
        yield CLUSTER_ROLES, _role(name, rules)
    for name, group in _BINDINGS.items():
        subject = {"kind": "Group", "apiGroup": _API_GROUP, "name": group}
        reference = {"apiGroup": _API_GROUP, "kind": "ClusterRole", "name": name}
        yield CLUSTER_ROLE_BINDINGS, {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]}


def _role(name: str, rules: list[Json]) -> Json:
    """A role; those of users also gather the roles with the label that real clusters gather."""
    role: Json = {"metadata": {"name": name, "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}}}
    role["rules"] = rules
    if name in _GATHERED:
        label = {f"rbac.authorization.k8s.io/aggregate-to-{name}": "true"}
        role["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": label}]}
    return role
