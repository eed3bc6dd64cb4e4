"""Rules about whole pods: it is a Pod, it has a container `base`, every container has an image, the namespace is one.

Pure; nothing is changed. Excluded: field types (`types_check`).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any, Final

from executor.manifest.errors import ManifestError
from executor.manifest.model import BASE, JsonMap, container_index

CONTAINER_LISTS: Final = ("initContainers", "containers")
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def require_pod(value: Any, layer: str) -> JsonMap:
    """Return `value` if it is a map that says nothing else than `kind: Pod`."""
    if not isinstance(value, dict):
        raise ManifestError(layer, "", "is no map", "write a pod: apiVersion, kind, metadata, spec")
    for field, wanted in (("kind", "Pod"), ("apiVersion", "v1")):
        if value.get(field) not in (None, wanted):
            raise ManifestError(layer, field, f"is {value[field]!r}", f"write {field}: {wanted}")
    return value


def require_base(pod: JsonMap, layer: str, what: str) -> int:
    """Return the index of container `base`; `what` is the subject of the sentence if there is none."""
    index = container_index(pod, BASE)
    if index is not None:
        return index
    names = [str(c.get("name", "one without a name")) for c in (pod.get("spec") or {}).get("containers") or ()]
    problem = f"{what} has no container named base; found: {', '.join(names) or 'none'}"
    raise ManifestError(layer, "spec.containers:", problem, "name the container that runs the task base")


def container_without_image(pod: JsonMap) -> tuple[str, str] | None:
    """Return (field path, advice) for the first container that no layer gave an image, or None."""
    spec = pod["spec"]
    for field in CONTAINER_LISTS:
        for container in spec.get(field) or ():
            if not container.get("image"):
                names = [c.get("name") for c in spec[field] if c.get("image")]
                return f"spec.{field}[{container.get('name')}]", _image_advice(str(container.get("name")), names)
    return None


def _image_advice(name: str, others: Iterable[Any]) -> str:
    if name == BASE:
        return "set worker_container_repository and worker_container_tag, or image in the pod template"
    near = difflib.get_close_matches(name, [str(other) for other in others], 1)
    return f"give it an image{f', or did you mean {near[0]}?' if near else ', or correct its name'}"


def namespace_problem(namespace: Any, allowed: frozenset[str] | None) -> tuple[str, str] | None:
    """Return (problem, advice) if pods cannot go to `namespace`, or None."""
    if not isinstance(namespace, str) or not _DNS_LABEL.fullmatch(namespace):
        return f"is {namespace!r}, no namespace", "write lower-case letters, digits and '-', at most 63"
    if allowed is not None and namespace not in allowed:
        names = ", ".join(sorted(allowed))
        return (
            f"is {namespace}, where this executor runs no pods",
            f"use one of {names}, or add it to multi_namespace_mode_namespace_list, with multi_namespace_mode",
        )
    return None


def last_env_wins(pod: JsonMap) -> JsonMap:
    """Return `pod` with each environment variable once per container: the last one, as in the running container."""
    spec = pod.get("spec")
    if not isinstance(spec, dict):
        return pod
    changed = {field: _each_once(spec[field]) for field in CONTAINER_LISTS if isinstance(spec.get(field), list)}
    return {**pod, "spec": {**spec, **changed}}


def _each_once(containers: list[Any]) -> list[Any]:
    return [
        {**c, "env": _last_of_each(c["env"])} if isinstance(c, dict) and isinstance(c.get("env"), list) else c
        for c in containers
    ]


def _last_of_each(variables: list[Any]) -> list[Any]:
    last = {v.get("name"): index for index, v in enumerate(variables) if isinstance(v, dict)}
    return [v for index, v in enumerate(variables) if not isinstance(v, dict) or last[v.get("name")] == index]
