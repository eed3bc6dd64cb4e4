"""What a real cluster adds to or refuses from a pod before it is stored: limits, service account, priority.

Sources: ``plugin/pkg/admission/serviceaccount``, ``.../priority``, ``.../runtimeclass``. Excluded: runtime classes; a
pod that names one is refused.
"""

from __future__ import annotations

from executor.localcluster import status
from executor.localcluster.limit_ranges import apply_defaults
from executor.localcluster.resources import PODS, PRIORITY_CLASSES, SERVICE_ACCOUNTS
from executor.localcluster.stamps import generate_name
from executor.localcluster.store import Store
from executor.localcluster.types import Json

TOKEN_MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_TOKEN_SECONDS = 3607


def admit_pod(store: Store, pod: Json) -> None:
    """Change or refuse (403) a new pod, in the order of a real server's plugins."""
    apply_defaults(store, pod)
    add_service_account(store, pod)
    _set_priority(store, pod)
    if runtime := pod["spec"].get("runtimeClassName"):
        raise status.forbidden(PODS, pod["metadata"]["name"], f'pod rejected: RuntimeClass "{runtime}" not found')


def _default_class(store: Store) -> Json:
    """The class of pods that name none: the one marked as default (of several, the lowest), else a class of 0."""
    classes = (stored.object for stored in store.in_namespace(PRIORITY_CLASSES, ""))
    marked = [one for one in classes if one.get("globalDefault")]
    return min(marked, key=lambda one: int(one["value"]), default={"value": 0})


def _class_of(store: Store, pod: Json) -> Json:
    """The class a pod names; raises a 403 when there is none of that name."""
    wanted = pod["spec"].get("priorityClassName") or ""
    found = store.find(PRIORITY_CLASSES, ("", wanted))
    if found is None and wanted:
        name = pod["metadata"]["name"]
        raise status.forbidden(PODS, name, f"no PriorityClass with name {wanted} was found")
    return found.object if found else _default_class(store)


def _set_priority(store: Store, pod: Json) -> None:
    """The number and the policy that the class stands for; nobody may give another number."""
    spec, name = pod["spec"], pod["metadata"]["name"]
    chosen = _class_of(store, pod)
    priority = chosen["value"]
    if "metadata" in chosen:
        spec["priorityClassName"] = chosen["metadata"]["name"]
        spec["preemptionPolicy"] = chosen.get("preemptionPolicy", "PreemptLowerPriority")
    if spec.setdefault("priority", priority) != priority:
        why = (
            f"the integer value of priority ({spec['priority']}) must not be provided in pod spec; "
            f"priority admission controller computed {priority} from the given PriorityClass name"
        )
        raise status.forbidden(PODS, name, why)


def add_service_account(store: Store, pod: Json) -> None:
    """Refuse an unknown service account; mount the token volume unless pod or account say no."""
    spec, metadata = pod["spec"], pod["metadata"]
    account = store.find(SERVICE_ACCOUNTS, (metadata["namespace"], spec["serviceAccountName"]))
    if account is None:
        name, namespace = spec["serviceAccountName"], metadata["namespace"]
        why = f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found'
        raise status.forbidden(PODS, metadata["name"], why)
    wanted = spec.get("automountServiceAccountToken", account.object.get("automountServiceAccountToken", True))
    if wanted and spec.get("containers"):
        _mount_token(spec)


def _mount_token(spec: Json) -> None:
    containers = [*(spec.get("initContainers") or ()), *spec["containers"]]
    missing = [c for c in containers if not any(m.get("mountPath") == TOKEN_MOUNT for m in c.get("volumeMounts") or ())]
    if not missing:
        return
    name = generate_name("kube-api-access-")
    for container in missing:
        container.setdefault("volumeMounts", []).append({"name": name, "readOnly": True, "mountPath": TOKEN_MOUNT})
    spec.setdefault("volumes", []).append(_token_volume(name))


def _token_volume(name: str) -> Json:
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    sources = [
        {"serviceAccountToken": {"expirationSeconds": _TOKEN_SECONDS, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [namespace]}},
    ]
    return {"name": name, "projected": {"sources": sources, "defaultMode": 0o644}}
