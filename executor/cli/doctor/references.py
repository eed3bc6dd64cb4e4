"""Which objects a pod needs, read off its manifest. Pure.

Fields as in the API reference of PodSpec; a Secret or ConfigMap marked `optional` may be missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from executor.cli.doctor.facts import Reference
from executor.cli.pods import EXAMPLE_SECRET

SECRET: Final = "Secret"
CONFIG_MAP: Final = "ConfigMap"
PULL_SECRET: Final = "pull secret"
SERVICE_ACCOUNT: Final = "ServiceAccount"
CLAIM: Final = "PersistentVolumeClaim"
PRIORITY_CLASS: Final = "PriorityClass"

Json = Mapping[str, Any]


def references(manifest: Json) -> list[Reference]:
    """Return each object that the pod names, once, in the order of the pod's fields."""
    namespace = str(manifest["metadata"]["namespace"])
    spec: Json = manifest["spec"]
    found = [*_of_pod(spec, namespace), *_of_containers(spec, namespace), *_of_volumes(spec, namespace)]
    once: dict[tuple[str, str], Reference] = {}
    for one in found:
        known = once.get((one.kind, one.name))
        if one.name and one.name != EXAMPLE_SECRET and (known is None or (known.optional and not one.optional)):
            once[one.kind, one.name] = one
    return list(once.values())


def _of_pod(spec: Json, namespace: str) -> Iterator[Reference]:
    for one in spec.get("imagePullSecrets") or ():
        yield Reference(PULL_SECRET, namespace, one.get("name", ""), "spec.imagePullSecrets")
    account = spec.get("serviceAccountName") or ""
    yield Reference(SERVICE_ACCOUNT, namespace, account, "spec.serviceAccountName")
    yield Reference(PRIORITY_CLASS, None, spec.get("priorityClassName") or "", "spec.priorityClassName")


def _of_containers(spec: Json, namespace: str) -> Iterator[Reference]:
    for kind in ("initContainers", "containers"):
        for container in spec.get(kind) or ():
            where = f"spec.{kind}[{container.get('name')}]"
            for source in container.get("envFrom") or ():
                yield from _sources(source, namespace, f"{where}.envFrom", "Ref")
            for variable in container.get("env") or ():
                place = f"{where}.env[{variable.get('name')}]"
                yield from _sources(variable.get("valueFrom") or {}, namespace, place, "KeyRef")


def _of_volumes(spec: Json, namespace: str) -> Iterator[Reference]:
    for volume in spec.get("volumes") or ():
        where = f"spec.volumes[{volume.get('name')}]"
        yield from _sources(volume, namespace, where)
        for source in (volume.get("projected") or {}).get("sources") or ():
            yield from _sources(source, namespace, where)
        claim = volume.get("persistentVolumeClaim") or {}
        yield Reference(CLAIM, namespace, claim.get("claimName", ""), where)


def _sources(source: Json, namespace: str, where: str, suffix: str = "") -> Iterator[Reference]:
    for kind, key in ((SECRET, "secret"), (CONFIG_MAP, "configMap")):
        named = source.get(key + suffix) or {}
        name = named.get("name") or named.get("secretName") or ""
        yield Reference(kind, namespace, name, where, bool(named.get("optional")))
