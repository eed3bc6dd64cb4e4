"""What a real cluster adds to or refuses from a pod before it is stored: service account, priority, quota.

Sources: ``plugin/pkg/admission/serviceaccount``, ``.../priority``, ``.../runtimeclass``,
``apiserver/pkg/admission/plugin/resourcequota``. Excluded: PriorityClass and RuntimeClass objects; there are only the
two priority classes that every cluster has, and no runtime class.
"""

from __future__ import annotations

from executor.localcluster import status
from executor.localcluster.resources import PODS, SERVICE_ACCOUNTS
from executor.localcluster.stamps import generate_name
from executor.localcluster.store import Store
from executor.localcluster.types import Json

TOKEN_MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_TOKEN_SECONDS = 3607
_PRIORITIES = {"": 0, "system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}


def admit_pod(store: Store, pod: Json) -> None:
    """Change or refuse (403) a new pod, in the order of a real server's plugins."""
    add_service_account(store, pod)
    _set_priority(pod)
    if runtime := pod["spec"].get("runtimeClassName"):
        raise status.forbidden(PODS, pod["metadata"]["name"], f'pod rejected: RuntimeClass "{runtime}" not found')


def _set_priority(pod: Json) -> None:
    """The number that the class stands for; nobody may give another one."""
    spec, name = pod["spec"], pod["metadata"]["name"]
    wanted = spec.get("priorityClassName") or ""
    if wanted not in _PRIORITIES:
        raise status.forbidden(PODS, name, f"no PriorityClass with name {wanted} was found")
    priority = _PRIORITIES[wanted]
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
