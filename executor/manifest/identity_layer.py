"""Layer 6: what is the executor's alone, laid over everything else.

Name, namespace, our labels and annotations, the arguments of `base`, its workload volume, `restartPolicy: Never`. A
template's `command` of `base` stays (entry-point wrappers are common); an override's does not.
"""

from __future__ import annotations

from typing import Any, Final

from executor import identity
from executor.manifest.model import BASE, WORKLOAD_FILE, JsonMap, PodRequest, WorkloadMount

IDENTITY: Final = "executor"
WORKLOAD_VOLUME: Final = "airflow-workload"

# Airflow's models/renderedtifields.py and users' images look for it.
_ENVIRONMENT: Final = {"name": "AIRFLOW_IS_K8S_EXECUTOR_POD", "value": "True"}

# Readable by any user id of the image, with or without fsGroup; only `base` mounts the volume, and the pod's other
# containers do not see it.
_READ_BY_ALL: Final = 0o444

_RESERVED: Final = {"labels": identity.OPTIONAL_LABELS, "annotations": identity.OPTIONAL_ANNOTATIONS}


def identity_patch(request: PodRequest, namespace: str) -> JsonMap:
    """Return what this layer says, as a patch: for provenance, and as the source of `with_identity`."""
    base: JsonMap = {"name": BASE, "args": list(request.args), "env": [_ENVIRONMENT]}
    spec: JsonMap = {"restartPolicy": "Never", "containers": [base]}
    notes = identity.annotations(request.identity)
    mount = request.workload_secret
    if mount is not None:
        notes[identity.SECRET_ANNOTATION] = mount.secret
        base["volumeMounts"] = [{"name": WORKLOAD_VOLUME, "mountPath": mount.mount_path, "readOnly": True}]
        spec["volumes"] = [_workload_volume(mount)]
    metadata = {
        "name": identity.pod_name(request.identity),
        "namespace": namespace,
        "labels": identity.labels(request.identity),
        "annotations": notes,
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def with_identity(pod: JsonMap, patch: JsonMap, index: int) -> JsonMap:
    """Return `pod` with `patch` (of `identity_patch`) over it; `index` is where container `base` is."""
    metadata = pod.get("metadata") or {}
    ours = patch["metadata"]
    merged = {**metadata, **ours}
    merged.pop("generateName", None)
    for field, reserved in _RESERVED.items():
        theirs = metadata.get(field) or {}
        merged[field] = {key: value for key, value in theirs.items() if key not in reserved} | ours[field]
    return {**pod, "apiVersion": "v1", "kind": "Pod", "metadata": merged, "spec": _spec(pod["spec"], patch, index)}


def _spec(spec: JsonMap, patch: JsonMap, index: int) -> JsonMap:
    ours = patch["spec"]
    base = ours["containers"][0]
    containers = list(spec["containers"])
    container = {**containers[index], "args": base["args"]}
    container["env"] = _replaced(container.get("env"), base["env"], "name")
    if "volumes" in ours:
        container["volumeMounts"] = _mounts(container.get("volumeMounts"), base["volumeMounts"])
    containers[index] = container
    merged = {**spec, "restartPolicy": "Never", "containers": containers}
    if "volumes" in ours:
        merged["volumes"] = _replaced(spec.get("volumes"), ours["volumes"], "name")
    return merged


def _replaced(present: list[Any] | None, ours: list[JsonMap], key: str) -> list[Any]:
    names = [item[key] for item in ours]
    return [item for item in present or () if item.get(key) not in names] + ours


def _mounts(present: list[Any] | None, ours: list[JsonMap]) -> list[Any]:
    return _replaced([m for m in present or () if m.get("name") != WORKLOAD_VOLUME], ours, "mountPath")


def _workload_volume(mount: WorkloadMount) -> JsonMap:
    source = {
        "secretName": mount.secret,
        "items": [{"key": mount.key, "path": WORKLOAD_FILE}],
        "defaultMode": _READ_BY_ALL,
    }
    return {"name": WORKLOAD_VOLUME, "secret": source}


def without_identity(override: JsonMap, request: PodRequest) -> tuple[JsonMap, tuple[str, ...]]:
    """Return `override` without what is the executor's, and a warning for each thing that was left out."""
    warnings: list[str] = []
    metadata = override.get("metadata")
    if isinstance(metadata, dict) and not metadata.keys().isdisjoint(("name", "generateName", "labels", "annotations")):
        warnings += _claimed(metadata, request)
    spec = override.get("spec")
    index = _base_with_command(spec)
    if index is not None and isinstance(spec, dict):
        override = {**override, "spec": _without_command(spec, index, warnings)}
    if isinstance(spec, dict) and spec.get("restartPolicy") not in (None, "Never"):
        warnings.append(_ignored("spec.restartPolicy", "a task's pod never restarts; Airflow's retries do that"))
    return override, tuple(warnings)


def _claimed(metadata: JsonMap, request: PodRequest) -> list[str]:
    marks = {
        "labels": identity.labels(request.identity),
        "annotations": identity.annotations(request.identity),
    }
    claimed = [f"metadata.{field}" for field in ("name", "generateName") if metadata.get(field) is not None]
    for field, values in marks.items():
        theirs = metadata.get(field) or {}
        ours = values.keys() | _RESERVED[field]
        claimed += [f"metadata.{field}.{key}" for key in theirs if key in ours and theirs[key] != values.get(key)]
    return [_ignored(path, "it identifies the pod") for path in claimed]


def _base_with_command(spec: Any) -> int | None:
    for index, container in enumerate((spec.get("containers") if isinstance(spec, dict) else None) or ()):
        if container.get("name") == BASE and not container.keys().isdisjoint(("command", "args")):
            return index
    return None


def _without_command(spec: JsonMap, index: int, warnings: list[str]) -> JsonMap:
    containers = list(spec["containers"])
    base = containers[index]
    dropped = [f"spec.containers[base].{field}" for field in ("command", "args") if base.get(field)]
    warnings += [_ignored(path, "the executor decides what container base runs") for path in dropped]
    containers[index] = {key: value for key, value in base.items() if key not in ("command", "args")}
    return {**spec, "containers": containers}


def _ignored(path: str, reason: str) -> str:
    return f"pod_override: {path} was ignored: {reason}"
