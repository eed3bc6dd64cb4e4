"""The columns and cells that kubectl prints of each kind (``pkg/printers/internalversion/printers.go``).

A column is ``Title``, ``-Title`` where only ``-o wide`` shows it, with ``:type`` where it is no text.
"""

from __future__ import annotations

from collections.abc import Callable

from executor.localcluster.pod_row import pod_cells
from executor.localcluster.stamps import age
from executor.localcluster.types import Json
from executor.localcluster.workload_rows import WORKLOAD_ROWS

Row = Callable[[Json], list[object]]
_NONE, _UNKNOWN = "<none>", "<unknown>"
_ROLE_LABEL = "node-role.kubernetes.io/"
_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def _name(obj: Json) -> str:
    return str(obj["metadata"]["name"])


def _created(obj: Json) -> str:
    return age(obj["metadata"].get("creationTimestamp"))


def _node_roles(node: Json) -> str:
    labels: dict[str, str] = node["metadata"].get("labels") or {}
    roles = {key.removeprefix(_ROLE_LABEL) for key in labels if key.startswith(_ROLE_LABEL)} - {""}
    roles |= {labels["kubernetes.io/role"]} if labels.get("kubernetes.io/role") else set()
    return ",".join(sorted(roles)) or _NONE


def _node_state(node: Json) -> str:
    conditions = {c["type"]: c.get("status") for c in (node.get("status") or {}).get("conditions") or ()}
    state = {"True": "Ready", None: "Unknown"}.get(conditions.get("Ready"), "NotReady")
    return f"{state},SchedulingDisabled" if (node.get("spec") or {}).get("unschedulable") else state


def _node(node: Json) -> list[object]:
    status = node.get("status") or {}
    info = status.get("nodeInfo") or {}
    addresses = {one.get("type"): one.get("address") for one in status.get("addresses") or ()}
    kernel = info.get("kernelVersion") or _UNKNOWN
    kernel += f" ({info['architecture']})" if info.get("architecture") else ""
    wide = [addresses.get("InternalIP") or _NONE, addresses.get("ExternalIP") or _NONE]
    wide += [info.get("osImage") or _UNKNOWN, kernel, info.get("containerRuntimeVersion") or _UNKNOWN]
    version = info.get("kubeletVersion", "")
    return [_name(node), _node_state(node), _node_roles(node), _created(node), version, *wide]


def _namespace(namespace: Json) -> list[object]:
    return [_name(namespace), (namespace.get("status") or {}).get("phase", ""), _created(namespace)]


def _event_source(event: Json) -> str:
    source = event.get("source") or {}
    component = source.get("component") or event.get("reportingComponent", "")
    instance = source.get("host") or event.get("reportingInstance", "")
    return f"{component}, {instance}" if instance else component


def _event(event: Json) -> list[object]:
    about, series = event.get("involvedObject") or {}, event.get("series") or {}
    first = age(event.get("firstTimestamp") or event.get("eventTime"))
    last = age(event["lastTimestamp"]) if event.get("lastTimestamp") else first
    last = age(series["lastObservedTime"]) if series.get("lastObservedTime") else last
    kind, name = str(about.get("kind", "")).lower(), about.get("name", "")
    where = [f"{kind}/{name}" if name else kind, about.get("fieldPath", ""), _event_source(event)]
    end = [str(event.get("message", "")).strip(), first, series.get("count") or event.get("count") or 1, _name(event)]
    return [last, event.get("type", ""), event.get("reason", ""), *where, *end]


def _secret(secret: Json) -> list[object]:
    return [_name(secret), secret.get("type", ""), len(secret.get("data") or {}), _created(secret)]


def _config_map(obj: Json) -> list[object]:
    return [_name(obj), len(obj.get("data") or {}) + len(obj.get("binaryData") or {}), _created(obj)]


def _service_account(obj: Json) -> list[object]:
    return [_name(obj), _created(obj)]


def _quota(quota: Json) -> list[object]:
    status = quota.get("status") or {}
    hard, used = status.get("hard") or {}, status.get("used") or {}
    pairs = {name: f"{name}: {used.get(name, '0')}/{hard[name]}" for name in sorted(hard)}
    limits = [text for name, text in pairs.items() if name.startswith("limits.")]
    requests = [text for name, text in pairs.items() if not name.startswith("limits.")]
    return [_name(quota), ", ".join(requests), ", ".join(limits), _created(quota)]


def _claim(claim: Json) -> list[object]:
    spec, status = claim.get("spec") or {}, claim.get("status") or {}
    bound = bool(spec.get("volumeName"))
    capacity = (status.get("capacity") or {}).get("storage", "") if bound else ""
    modes = ",".join(_MODES.get(mode, mode) for mode in status.get("accessModes") or ()) if bound else ""
    phase = "Terminating" if claim["metadata"].get("deletionTimestamp") else status.get("phase", "")
    classes = [spec.get("storageClassName", ""), spec.get("volumeAttributesClassName") or "<unset>"]
    first = [_name(claim), phase, spec.get("volumeName", ""), capacity, modes]
    return [*first, *classes, _created(claim), spec.get("volumeMode") or "<unset>"]


def _binding(binding: Json) -> list[object]:
    reference, subjects = binding.get("roleRef") or {}, binding.get("subjects") or ()
    names: dict[str, list[str]] = {"User": [], "Group": [], "ServiceAccount": []}
    for one in subjects:
        is_account = one.get("kind") == "ServiceAccount"
        names.get(one.get("kind"), []).append(
            f"{one.get('namespace', '')}/{one['name']}" if is_account else one["name"]
        )
    role = f"{reference.get('kind')}/{reference.get('name')}"
    return [_name(binding), role, _created(binding), *(", ".join(found) for found in names.values())]


def _budget(budget: Json) -> list[object]:
    spec, status = budget.get("spec") or {}, budget.get("status") or {}
    shares = [str(spec.get(name, "N/A")) for name in ("minAvailable", "maxUnavailable")]
    return [_name(budget), *shares, status.get("disruptionsAllowed", 0), _created(budget)]


def _priority_class(obj: Json) -> list[object]:
    policy = obj.get("preemptionPolicy", "PreemptLowerPriority")
    return [_name(obj), obj.get("value", 0), bool(obj.get("globalDefault")), _created(obj), policy]


def _lease(lease: Json) -> list[object]:
    return [_name(lease), (lease.get("spec") or {}).get("holderIdentity", ""), _created(lease)]


def plain_row(obj: Json) -> list[object]:
    """A kind without columns of its own."""
    return [_name(obj), obj["metadata"].get("creationTimestamp", "")]


PLAIN_COLUMNS = ("Name", "Created At:date")
_BINDING_COLUMNS = ("Name", "Role", "Age", "-Users", "-Groups", "-ServiceAccounts")
ROWS: dict[str, tuple[tuple[str, ...], Row]] = {
    "Pod": (
        ("Name", "Ready", "Status", "Restarts", "Age", "-IP", "-Node", "-Nominated Node", "-Readiness Gates"),
        pod_cells,
    ),
    "Node": (
        ("Name", "Status", "Roles", "Age", "Version", "-Internal-IP", "-External-IP", "-OS-Image", "-Kernel-Version",
         "-Container-Runtime"),
        _node,
    ),
    "Namespace": (("Name", "Status", "Age"), _namespace),
    "Event": (
        ("Last Seen", "Type", "Reason", "Object", "-Subobject", "-Source", "Message", "-First Seen", "-Count", "-Name"),
        _event,
    ),
    "Secret": (("Name", "Type", "Data", "Age"), _secret),
    "ConfigMap": (("Name", "Data", "Age"), _config_map),
    "ServiceAccount": (("Name", "Age"), _service_account),
    "ResourceQuota": (("Name", "Request", "Limit", "Age"), _quota),
    "PersistentVolumeClaim": (
        ("Name", "Status", "Volume", "Capacity", "Access Modes", "StorageClass", "VolumeAttributesClass", "Age",
         "-VolumeMode"),
        _claim,
    ),
    "RoleBinding": (_BINDING_COLUMNS, _binding),
    "ClusterRoleBinding": (_BINDING_COLUMNS, _binding),
    "PodDisruptionBudget": (
        ("Name", "Min Available", "Max Unavailable", "Allowed Disruptions:integer", "Age"),
        _budget,
    ),
    "PriorityClass": (
        ("Name", "Value:integer", "Global-Default:boolean", "Age", "PreemptionPolicy"),
        _priority_class,
    ),
    "Lease": (("Name", "Holder", "Age"), _lease),
    **WORKLOAD_ROWS,
}  # fmt: skip
