"""What the API server fills in when a pod does not say (``pkg/apis/core/v1/defaults.go``, pod strategy, admission).

Pods are changed in place: they are fresh objects of the request that brings them.
"""

from __future__ import annotations

from typing import Any

from executor.localcluster.quantity import parse_quantity
from executor.localcluster.stamps import timestamp, utc_now
from executor.localcluster.types import Json

_NODE_TROUBLES = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_PROBE_DEFAULTS = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
_FILE_MODE = 0o644


def default_pod(pod: Json) -> None:
    """Every default of spec and status."""
    spec = pod.setdefault("spec", {})
    _default_spec(spec)
    for container in [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]:
        _default_container(container)
    for volume in spec.get("volumes") or ():
        _default_volume(volume)
    _default_tolerations(spec)
    status = pod.setdefault("status", {})
    status.setdefault("phase", "Pending")
    status.setdefault("qosClass", qos_class(spec))
    if spec.get("schedulingGates") and not status.get("conditions"):
        status["conditions"] = [_gated_condition()]


def _default_spec(spec: Json) -> None:
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")
    spec.setdefault("enableServiceLinks", True)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    spec.setdefault("priority", 0)
    account = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
    spec["serviceAccountName"] = spec["serviceAccount"] = account


def _default_container(container: Json) -> None:
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    if container.get("image"):
        container.setdefault("imagePullPolicy", pull_policy(container["image"]))
    resources = container.setdefault("resources", {})
    if limits := resources.get("limits"):
        resources["requests"] = {**limits, **(resources.get("requests") or {})}
    for port in container.get("ports") or ():
        port.setdefault("protocol", "TCP")
    for variable in container.get("env") or ():
        if reference := (variable.get("valueFrom") or {}).get("fieldRef"):
            reference.setdefault("apiVersion", "v1")
    for name in _PROBES:
        if probe := container.get(name):
            _default_probe(probe)


def _default_probe(probe: Json) -> None:
    for name, value in _PROBE_DEFAULTS.items():
        probe.setdefault(name, value)
    if http := probe.get("httpGet"):
        http.setdefault("scheme", "HTTP")
        http.setdefault("path", "/")


def pull_policy(image: str) -> str:
    """``Always`` for the tag ``latest`` or none, else ``IfNotPresent`` (Kubernetes page "Images")."""
    if "@" in image:
        return "IfNotPresent"
    _, separator, tag = image.rpartition("/")[2].partition(":")
    return "Always" if not separator or tag == "latest" else "IfNotPresent"


def _default_volume(volume: Json) -> None:
    if set(volume) == {"name"}:
        volume["emptyDir"] = {}
    for source in ("secret", "configMap", "downwardAPI", "projected"):
        if isinstance(volume.get(source), dict):
            volume[source].setdefault("defaultMode", _FILE_MODE)
    if isinstance(volume.get("hostPath"), dict):
        volume["hostPath"].setdefault("type", "")
    for source in (volume.get("projected") or {}).get("sources") or ():
        if token := source.get("serviceAccountToken"):
            token.setdefault("expirationSeconds", 3600)
    for item in _downward_items(volume):
        if "fieldRef" in item:
            item["fieldRef"].setdefault("apiVersion", "v1")


def _downward_items(volume: Json) -> list[Json]:
    items = list((volume.get("downwardAPI") or {}).get("items") or ())
    for source in (volume.get("projected") or {}).get("sources") or ():
        items += (source.get("downwardAPI") or {}).get("items") or ()
    return items


def _default_tolerations(spec: Json) -> None:
    tolerations: list[Json] = spec.setdefault("tolerations", [])
    for key in _NODE_TROUBLES:
        if not any(_tolerates(toleration, key) for toleration in tolerations):
            toleration = {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
            tolerations.append(toleration)


def _tolerates(toleration: Json, key: str) -> bool:
    return toleration.get("key") in (key, None, "") and toleration.get("effect") in ("NoExecute", None, "")


def _gated_condition() -> Json:
    return {
        "type": "PodScheduled",
        "status": "False",
        "reason": "SchedulingGated",
        "message": "Scheduling is blocked due to non-empty scheduling gates",
        "lastProbeTime": None,
        "lastTransitionTime": timestamp(utc_now()),
    }


def qos_class(spec: Json) -> str:
    """``Guaranteed``, ``Burstable`` or ``BestEffort`` (Kubernetes page "Pod Quality of Service Classes")."""
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    resources = [container.get("resources") or {} for container in containers]
    if not any(_amounts(r, "limits") or _amounts(r, "requests") for r in resources):
        return "BestEffort"
    if all(_guaranteed(r) for r in resources):
        return "Guaranteed"
    return "Burstable"


def _amounts(resources: Json, kind: str) -> dict[str, Any]:
    found = {}
    for name, text in (resources.get(kind) or {}).items():
        if name in ("cpu", "memory") and parse_quantity(str(text)) > 0:
            found[name] = parse_quantity(str(text))
    return found


def _guaranteed(resources: Json) -> bool:
    limits = _amounts(resources, "limits")
    return set(limits) == {"cpu", "memory"} and limits == _amounts(resources, "requests")
