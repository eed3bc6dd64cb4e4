"""Which files a secret, configMap, downwardAPI or projected volume holds. Pure; see `volumes` for the writing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from executor.localcluster.node.account_tokens import TokenKey, token_key
from executor.localcluster.node.api import Json
from executor.localcluster.node.fields import FieldError, NodeFacts, pod_field, resource_field
from executor.localcluster.node.sources import Sources

DEFAULT_MODE = 0o644


class VolumeError(ValueError):
    """A volume that cannot be set up (now): the pod waits, with the kubelet's message in a FailedMount event."""


@dataclass(frozen=True, slots=True)
class VolumeFile:
    data: bytes = field(repr=False)
    mode: int


@dataclass(frozen=True, slots=True)
class VolumeContext:
    """What volumes may hold: the pod's own fields, Secrets and ConfigMaps, and tokens for the API."""

    pod: Json
    node: NodeFacts
    sources: Sources
    tokens: Mapping[TokenKey, str] = field(repr=False)


Files = dict[str, VolumeFile]


def volume_files(volume: Json, context: VolumeContext) -> Files:
    """Files by path relative to the volume's root. Raises VolumeError."""
    if "projected" in volume:
        projected = volume["projected"] or {}
        mode = projected.get("defaultMode", DEFAULT_MODE)
        files: Files = {}
        for source in projected.get("sources") or ():
            files.update(_source_files(source, mode, context))
        return files
    kind = next(kind for kind in ("secret", "configMap", "downwardAPI") if kind in volume)
    return _source_files(volume, (volume[kind] or {}).get("defaultMode", DEFAULT_MODE), context)


def _source_files(source: Json, mode: int, context: VolumeContext) -> Files:
    if source.get("secret"):
        secret = source["secret"]
        return _keyed("Secret", secret.get("secretName") or secret.get("name"), secret, mode, context.sources)
    if source.get("configMap"):
        return _keyed("ConfigMap", source["configMap"]["name"], source["configMap"], mode, context.sources)
    if "downwardAPI" in source:
        return _downward((source["downwardAPI"] or {}).get("items") or (), mode, context)
    if source.get("serviceAccountToken"):
        token = context.tokens[token_key(source["serviceAccountToken"])]
        return {source["serviceAccountToken"]["path"]: VolumeFile(token.encode(), mode)}
    raise VolumeError(f"the local cluster does not support volume source {', '.join(source)}")


def _keyed(kind: str, name: str, source: Json, mode: int, sources: Sources) -> Files:
    data: Mapping[str, bytes] | None = sources.get(kind, name)
    if data is None:
        if source.get("optional"):
            return {}
        raise VolumeError(f'{kind.lower()} "{name}" not found')
    if not source.get("items"):
        return {key: VolumeFile(value, mode) for key, value in data.items()}
    files: Files = {}
    for item in source["items"]:
        if item["key"] in data:
            files[item["path"]] = VolumeFile(data[item["key"]], item.get("mode", mode))
        elif not source.get("optional"):
            what = "secret" if kind == "Secret" else "config"
            raise VolumeError(f"references non-existent {what} key: {item['key']}")
    return files


def _downward(items: Iterable[Json], mode: int, context: VolumeContext) -> Files:
    files: Files = {}
    for item in items:
        try:
            text = _downward_text(item, context)
        except FieldError as error:
            raise VolumeError(str(error)) from error
        files[item["path"]] = VolumeFile(text.encode(), item.get("mode", mode))
    return files


def _downward_text(item: Json, context: VolumeContext) -> str:
    if item.get("fieldRef"):
        return pod_field(item["fieldRef"]["fieldPath"], context.pod, context.node)
    reference, spec = item["resourceFieldRef"], context.pod["spec"]
    every = [*(spec.get("initContainers") or ()), *spec["containers"]]
    named: Json = next((one for one in every if one["name"] == reference.get("containerName")), {})
    return resource_field(reference, named, context.node)
