"""A container's environment, command and arguments as the kubelet makes them (pkg/kubelet/kubelet_pods.go)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from executor.localcluster.node.api import Json
from executor.localcluster.node.fields import FieldError, NodeFacts, pod_field, resource_field
from executor.localcluster.node.images import ImageEntry
from executor.localcluster.node.sources import Sources


class ConfigError(ValueError):
    """A container that cannot be configured: CreateContainerConfigError, with the kubelet's message."""


@dataclass(frozen=True, slots=True)
class EnvContext:
    """What values may refer to: the pod, its node, its Secrets and ConfigMaps."""

    pod: Json
    node: NodeFacts
    sources: Sources


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace $(NAME) by its value; $$ is a dollar; unknown names stay (third_party/forked/golang/expansion)."""
    out, at = [], 0
    while at < len(text):
        following = text[at + 1 : at + 2]
        if text[at] != "$" or not following:
            out.append(text[at])
            at += 1
        elif following == "(" and ")" in text[at + 2 :]:
            end = text.index(")", at + 2)
            name = text[at + 2 : end]
            out.append(values.get(name, f"$({name})"))
            at = end + 1
        else:
            out.append("$" if following == "$" else "$" + following)
            at += 2
    return "".join(out)


def build_env(container: Json, context: EnvContext, services: Mapping[str, str]) -> dict[str, str]:
    """All variables of a container but the image's own. Raises ConfigError."""
    result: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        result.update(_whole_object(source, context.sources))
    for variable in container.get("env") or ():
        if variable.get("valueFrom"):
            value = _referenced(variable["valueFrom"], container, context)
        else:
            value = expand(variable.get("value") or "", {**services, **result})
        if value is not None:
            result[variable["name"]] = value
    return {**services, **result}


def _whole_object(source: Json, sources: Sources) -> dict[str, str]:
    kind, reference = (
        ("Secret", source["secretRef"]) if source.get("secretRef") else ("ConfigMap", source["configMapRef"])
    )
    data = sources.get(kind, reference["name"])
    if data is None:
        if reference.get("optional"):
            return {}
        raise ConfigError(f'{kind.lower()} "{reference["name"]}" not found')
    prefix = source.get("prefix") or ""
    return {prefix + key: value.decode(errors="replace") for key, value in data.items()}


def _referenced(value_from: Json, container: Json, context: EnvContext) -> str | None:
    if value_from.get("fieldRef"):
        try:
            return pod_field(value_from["fieldRef"]["fieldPath"], context.pod, context.node)
        except FieldError as error:
            raise ConfigError(str(error)) from error
    if value_from.get("resourceFieldRef"):
        reference = value_from["resourceFieldRef"]
        return resource_field(reference, _container_named(reference, container, context.pod), context.node)
    for kind, member in (("Secret", "secretKeyRef"), ("ConfigMap", "configMapKeyRef")):
        if value_from.get(member):
            return _key_of(kind, value_from[member], context.sources)
    raise ConfigError(f"the local cluster does not support env valueFrom {', '.join(value_from)}")


def _container_named(reference: Json, container: Json, pod: Json) -> Json:
    name = reference.get("containerName")
    spec = pod["spec"]
    every = [*(spec.get("initContainers") or ()), *spec["containers"]]
    return next((other for other in every if other["name"] == name), container)


def _key_of(kind: str, reference: Json, sources: Sources) -> str | None:
    name, key = reference["name"], reference["key"]
    data = sources.get(kind, name)
    if data is not None and key in data:
        return data[key].decode(errors="replace")
    if reference.get("optional"):
        return None
    if data is None:
        raise ConfigError(f'{kind.lower()} "{name}" not found')
    raise ConfigError(f"couldn't find key {key} in {kind} {sources.namespace}/{name}")


def build_argv(container: Json, image: ImageEntry, env: Mapping[str, str]) -> tuple[str, ...]:
    """Kubernetes: "Define a Command and Arguments for a Container": a command replaces entrypoint and cmd."""
    command = container.get("command") or ()
    args = container.get("args") or ()
    if not command:
        command = image.entrypoint
        args = args or image.cmd
        return (*command, *_expanded(args, env))
    return (*_expanded(command, env), *_expanded(args, env))


def _expanded(texts: Iterable[str], env: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(expand(text, env) for text in texts)
