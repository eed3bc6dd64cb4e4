"""The table of resources this server knows. A new resource is a row here, nothing more, unless it has rules of its own.

Rows name the model class of ``kubernetes.client.models`` from which the field schema is compiled.
"""

from __future__ import annotations

from dataclasses import dataclass

CRUD = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True, eq=False)
class Resource:
    """One resource, named as in discovery; ``subresources`` are the paths below an object."""

    plural: str
    kind: str
    model: str
    group: str = ""
    version: str = "v1"
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    verbs: tuple[str, ...] = CRUD
    categories: tuple[str, ...] = ()

    @property
    def qualified(self) -> str:
        """``pods`` or ``roles.rbac.authorization.k8s.io``: how sentences of the API name the resource."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


_RBAC = "rbac.authorization.k8s.io"
_NETWORKS = "networking.k8s.io"
_AUTHENTICATION = "authentication.k8s.io"


def _stored(plural: str, kind: str, short_name: str, group: str) -> Resource:
    """What is kept and nothing else: no controller acts on it here."""
    short = (short_name,) if short_name else ()
    return Resource(plural, kind, f"V1{kind}", group, short_names=short, subresources=("status",), categories=("all",))


def _review(plural: str, kind: str, group: str = "authorization.k8s.io", namespaced: bool = False) -> Resource:
    """A question that is answered at once and never stored."""
    return Resource(plural, kind, f"V1{kind}", group=group, namespaced=namespaced, verbs=("create",))


RESOURCES: tuple[Resource, ...] = (
    Resource("namespaces", "Namespace", "V1Namespace", namespaced=False, short_names=("ns",), subresources=("status",)),
    Resource(
        "pods",
        "Pod",
        "V1Pod",
        short_names=("po",),
        subresources=("status", "log", "binding", "eviction", "exec", "attach"),
        categories=("all",),
    ),
    Resource("nodes", "Node", "V1Node", namespaced=False, short_names=("no",), subresources=("status",)),
    Resource("secrets", "Secret", "V1Secret"),
    Resource("configmaps", "ConfigMap", "V1ConfigMap", short_names=("cm",)),
    Resource("serviceaccounts", "ServiceAccount", "V1ServiceAccount", short_names=("sa",), subresources=("token",)),
    Resource("events", "Event", "CoreV1Event", short_names=("ev",)),
    Resource("resourcequotas", "ResourceQuota", "V1ResourceQuota", short_names=("quota",), subresources=("status",)),
    Resource("limitranges", "LimitRange", "V1LimitRange", short_names=("limits",)),
    Resource(
        "persistentvolumeclaims",
        "PersistentVolumeClaim",
        "V1PersistentVolumeClaim",
        short_names=("pvc",),
        subresources=("status",),
    ),
    Resource(
        "priorityclasses",
        "PriorityClass",
        "V1PriorityClass",
        group="scheduling.k8s.io",
        namespaced=False,
        short_names=("pc",),
    ),
    Resource(
        "poddisruptionbudgets",
        "PodDisruptionBudget",
        "V1PodDisruptionBudget",
        group="policy",
        short_names=("pdb",),
        subresources=("status",),
    ),
    Resource("roles", "Role", "V1Role", group=_RBAC),
    Resource("rolebindings", "RoleBinding", "V1RoleBinding", group=_RBAC),
    Resource("clusterroles", "ClusterRole", "V1ClusterRole", group=_RBAC, namespaced=False),
    Resource("clusterrolebindings", "ClusterRoleBinding", "V1ClusterRoleBinding", group=_RBAC, namespaced=False),
    Resource("leases", "Lease", "V1Lease", group="coordination.k8s.io"),
    _stored("services", "Service", "svc", ""),
    _stored("deployments", "Deployment", "deploy", "apps"),
    _stored("statefulsets", "StatefulSet", "sts", "apps"),
    _stored("jobs", "Job", "", "batch"),
    _stored("cronjobs", "CronJob", "cj", "batch"),
    Resource("networkpolicies", "NetworkPolicy", "V1NetworkPolicy", group=_NETWORKS, short_names=("netpol",)),
    _review("selfsubjectaccessreviews", "SelfSubjectAccessReview"),
    _review("subjectaccessreviews", "SubjectAccessReview"),
    _review("localsubjectaccessreviews", "LocalSubjectAccessReview", namespaced=True),
    _review("selfsubjectrulesreviews", "SelfSubjectRulesReview"),
    _review("selfsubjectreviews", "SelfSubjectReview", _AUTHENTICATION),
    _review("tokenreviews", "TokenReview", _AUTHENTICATION),
)

_BY_PATH = {(r.group, r.version, r.plural): r for r in RESOURCES}


def find_resource(group: str, version: str, plural: str) -> Resource | None:
    return _BY_PATH.get((group, version, plural))


def core(plural: str) -> Resource:
    """A resource of the core group by its plural; ``KeyError`` if the table has no such row."""
    return _BY_PATH[("", "v1", plural)]


PODS = core("pods")
NAMESPACES = core("namespaces")
SECRETS = core("secrets")
EVENTS = core("events")
CONFIG_MAPS = core("configmaps")
SERVICE_ACCOUNTS = core("serviceaccounts")
RESOURCE_QUOTAS = core("resourcequotas")
LIMIT_RANGES = core("limitranges")
PRIORITY_CLASSES = _BY_PATH[("scheduling.k8s.io", "v1", "priorityclasses")]
POD_DISRUPTION_BUDGETS = _BY_PATH[("policy", "v1", "poddisruptionbudgets")]
ROLES, ROLE_BINDINGS, CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS = (
    _BY_PATH[(_RBAC, "v1", plural)] for plural in ("roles", "rolebindings", "clusterroles", "clusterrolebindings")
)
EVICTIONS = Resource("pods/eviction", "Eviction", "V1Eviction", group="policy")
TOKEN_REQUESTS = Resource(
    "serviceaccounts/token", "TokenRequest", "AuthenticationV1TokenRequest", group=_AUTHENTICATION
)


def groups() -> dict[tuple[str, str], list[Resource]]:
    """Resources by (group, version), in the order of the table."""
    found: dict[tuple[str, str], list[Resource]] = {}
    for resource in RESOURCES:
        found.setdefault((resource.group, resource.version), []).append(resource)
    return found
