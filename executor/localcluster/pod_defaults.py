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
    default_template(pod)
    _default_pod_spec(spec)
    for container in _all_containers(spec):
        _default_resources(container["resources"])
    _default_tolerations(spec)
    status = pod.setdefault("status", {})
    status.setdefault("phase", "Pending")
    status.setdefault("qosClass", qos_class(spec))
    if spec.get("schedulingGates") and not status.get("conditions"):
        status["conditions"] = [_gated_condition()]


def default_template(template: Json) -> None:
    """The defaults that a pod's template already has."""
    spec = template.setdefault("spec", {})
    for name, value in (("restartPolicy", "Always"), ("dnsPolicy", "ClusterFirst"), ("securityContext", {}),
                        ("schedulerName", "default-scheduler"), ("terminationGracePeriodSeconds", 30)):  # fmt: skip
        spec.setdefault(name, value)
    if account := spec.get("serviceAccountName") or spec.get("serviceAccount"):
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    for container in _all_containers(spec):
        _default_container(container)
    for volume in spec.get("volumes") or ():
        _default_volume(volume)


def _all_containers(spec: Json) -> list[Json]:
    return [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]


def _default_pod_spec(spec: Json) -> None:
    if spec["terminationGracePeriodSeconds"] < 0:
        spec["terminationGracePeriodSeconds"] = 1  # not refused: pkg/registry/core/pod/strategy.go
    spec.setdefault("enableServiceLinks", True)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    spec.setdefault("serviceAccountName", "default")
    spec.setdefault("serviceAccount", "default")


def _default_container(container: Json) -> None:
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    if container.get("image"):
        container.setdefault("imagePullPolicy", pull_policy(container["image"]))
    container.setdefault("resources", {})
    for port in container.get("ports") or ():
        port.setdefault("protocol", "TCP")
    for variable in container.get("env") or ():
        _default_field(variable.get("valueFrom") or {})
    for probe in filter(None, map(container.get, _PROBES)):
        _default_probe(probe)


def _default_resources(resources: Json) -> None:
    """What is limited and not requested is requested up to its limit."""
    if limits := resources.get("limits"):
        resources["requests"] = {**limits, **(resources.get("requests") or {})}


def _default_field(source: Json) -> None:
    """A reference to a field of the pod, in an environment variable or a file."""
    if "fieldRef" in source:
        source["fieldRef"].setdefault("apiVersion", "v1")


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
        if source in volume:
            volume[source].setdefault("defaultMode", _FILE_MODE)
    if "hostPath" in volume:
        volume["hostPath"].setdefault("type", "")
    _default_projection(volume)
    for projection in (volume.get("projected") or {}).get("sources") or ():
        _default_projection(projection)


def _default_projection(source: Json) -> None:
    if "serviceAccountToken" in source:
        source["serviceAccountToken"].setdefault("expirationSeconds", 3600)
    for item in (source.get("downwardAPI") or {}).get("items") or ():
        _default_field(item)


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
    containers = _all_containers(spec)
    resources = [container.get("resources") or {} for container in containers]
    if not any(_amounts(entry, kind) for entry in resources for kind in ("limits", "requests")):
        return "BestEffort"
    if all(map(_guaranteed, resources)):
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
