"""Rules of containers: names, images, environment, mounts, ports, resources, probes."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from executor.localcluster.quantity import parse_quantity
from executor.localcluster.status import FieldError
from executor.localcluster.types import Json
from executor.localcluster.validation import fields

_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
_HOOK_HANDLERS = ("exec", "httpGet", "tcpSocket", "sleep")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_STANDARD_RESOURCES = ("cpu", "memory", "ephemeral-storage", "storage")
_VALUE_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_NO_SOURCE = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
_FIELD_PATHS = frozenset(
    {
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "spec.nodeName",
        "spec.serviceAccountName",
        "status.hostIP",
        "status.hostIPs",
        "status.podIP",
        "status.podIPs",
    }
)
_PATTERNS = ("metadata.labels['", "metadata.annotations['")


def validate_containers(spec: Json, volumes: Collection[str]) -> list[FieldError]:
    """Init containers and containers of a pod; names are unique across both. ``volumes`` are the names to mount."""
    if not spec.get("containers"):
        return [fields.required("spec.containers")]
    errors: list[FieldError] = []
    seen: set[str] = set()
    for kind in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(kind) or ()):
            path = f"spec.{kind}[{index}]"
            errors += _name(path, container.get("name", ""), seen)
            errors += _container(path, container, volumes)
            if kind == "initContainers" and container.get("restartPolicy") != "Always":
                errors += _no_probes(path, container)
    return errors


def _name(path: str, name: str, seen: set[str]) -> list[FieldError]:
    if not name:
        return [fields.required(f"{path}.name")]
    errors = fields.each(f"{path}.name", name, fields.dns_label(name))
    if name in seen:
        errors.append(fields.duplicate(f"{path}.name", name))
    seen.add(name)
    return errors


def _container(path: str, container: Json, volumes: Collection[str]) -> list[FieldError]:
    errors = _image(path, container.get("image") or "")
    errors += fields.one_of(
        f"{path}.imagePullPolicy", container.get("imagePullPolicy"), ("Always", "IfNotPresent", "Never")
    )
    policies = ("FallbackToLogsOnError", "File")
    errors += fields.one_of(f"{path}.terminationMessagePolicy", container.get("terminationMessagePolicy"), policies)
    errors += fields.one_of(f"{path}.restartPolicy", container.get("restartPolicy"), ("Always", "OnFailure", "Never"))
    errors += _env(f"{path}.env", container.get("env") or [])
    errors += _env_from(f"{path}.envFrom", container.get("envFrom") or [])
    errors += _mounts(f"{path}.volumeMounts", container.get("volumeMounts") or [], volumes)
    errors += _ports(f"{path}.ports", container.get("ports") or [])
    errors += _resources(f"{path}.resources", container.get("resources") or {})
    return errors + _probes(path, container)


def _image(path: str, image: str) -> list[FieldError]:
    if not image:
        return [fields.required(f"{path}.image")]
    if image != image.strip():
        return [fields.invalid(f"{path}.image", image, "must not have leading or trailing whitespace")]
    return []


def _env(path: str, variables: Sequence[Json]) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, variable in enumerate(variables):
        here, name = f"{path}[{index}]", variable.get("name", "")
        if name:
            errors += fields.each(f"{here}.name", name, fields.env_name(name))
        else:
            errors.append(fields.required(f"{here}.name"))
        if "valueFrom" in variable:
            errors += _value_from(f"{here}.valueFrom", variable)
    return errors


def _value_from(path: str, variable: Json) -> list[FieldError]:
    source = variable["valueFrom"]
    given = [name for name in _VALUE_SOURCES if name in source]
    if not given:
        return [fields.invalid(path, "", _NO_SOURCE)]
    if variable.get("value"):
        return [fields.invalid(path, "", "may not be specified when `value` is not empty")]
    if len(given) > 1:
        return [fields.invalid(path, "", "may not have more than one field specified at a time")]
    return _reference(f"{path}.{given[0]}", given[0], source[given[0]])


def _reference(path: str, kind: str, reference: Json) -> list[FieldError]:
    if kind == "fieldRef":
        return field_path(f"{path}.fieldPath", reference.get("fieldPath", ""))
    if kind == "resourceFieldRef":
        return [] if reference.get("resource") else [fields.required(f"{path}.resource")]
    key = reference.get("key", "")
    return fields.each(f"{path}.key", key, fields.config_key(key)) if key else [fields.required(f"{path}.key")]


def field_path(path: str, value: str) -> list[FieldError]:
    """A path of the downward API."""
    if not value:
        return [fields.required(path)]
    if value in _FIELD_PATHS or value in ("metadata.labels", "metadata.annotations"):
        return []
    if value.startswith(_PATTERNS) and value.endswith("']"):
        return []
    return [fields.invalid(path, value, f"error converting fieldPath: field label not supported: {value}")]


def _env_from(path: str, sources: Sequence[Json]) -> list[FieldError]:
    return [error for index, source in enumerate(sources) for error in _env_source(f"{path}[{index}]", source)]


def _env_source(path: str, source: Json) -> list[FieldError]:
    given = [name for name in ("configMapRef", "secretRef") if name in source]
    if not given:
        return [fields.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`")]
    if len(given) > 1:
        return [fields.invalid(path, "", "may not have more than one field specified at a time")]
    return [] if source[given[0]].get("name") else [fields.required(f"{path}.{given[0]}.name")]


def _mounts(path: str, mounts: Sequence[Json], volumes: Collection[str]) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, mount in enumerate(mounts):
        here, name, target = f"{path}[{index}]", mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            errors.append(fields.required(f"{here}.name"))
        elif name not in volumes:
            errors.append(fields.not_found(f"{here}.name", name))
        if not target:
            errors.append(fields.required(f"{here}.mountPath"))
        elif target in seen:
            errors.append(fields.invalid(f"{here}.mountPath", target, "must be unique"))
        seen.add(target)
        errors += relative_path(f"{here}.subPath", mount.get("subPath", ""))
    return errors


def relative_path(path: str, value: str) -> list[FieldError]:
    if value.startswith("/"):
        return [fields.invalid(path, value, "must be a relative path")]
    return [fields.invalid(path, value, "must not contain '..'")] if ".." in value.split("/") else []


def _ports(path: str, ports: Sequence[Json]) -> list[FieldError]:
    errors: list[FieldError] = []
    names: set[str] = set()
    for index, port in enumerate(ports):
        here, number = f"{path}[{index}]", port.get("containerPort")
        errors += fields.in_range(f"{here}.containerPort", number, 1, 65535) if number else []
        if not number:
            errors.append(fields.required(f"{here}.containerPort"))
        errors += fields.in_range(f"{here}.hostPort", port.get("hostPort"), 0, 65535)
        errors += fields.one_of(f"{here}.protocol", port.get("protocol"), ("SCTP", "TCP", "UDP"))
        name = port.get("name")
        if name and name in names:
            errors.append(fields.duplicate(f"{here}.name", name))
        names.add(name or "")
    return errors


def _resources(path: str, resources: Json) -> list[FieldError]:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    errors = []
    for kind, amounts in (("limits", limits), ("requests", requests)):
        for name, amount in amounts.items():
            errors += _resource(f"{path}.{kind}", name, amount)
    for name, amount in requests.items():
        if name in limits and parse_quantity(amount) > parse_quantity(limits[name]):
            detail = f"must be less than or equal to {name} limit of {limits[name]}"
            errors.append(fields.invalid(f"{path}.requests", amount, detail))
    errors += [
        fields.required(f"{path}.limits", "Limit must be set for non overcommitable resources")
        for name in requests
        if _is_device(name) and name not in limits
    ]
    return errors


def _is_device(name: str) -> bool:
    """A resource of a device plugin, such as a GPU: counted in whole pieces and never promised twice."""
    return "/" in name and not name.startswith("requests.") and "kubernetes.io/" not in name


def _resource(path: str, name: str, amount: str) -> list[FieldError]:
    errors = [fields.invalid(f"{path}[{name}]", name, problem) for problem in fields.qualified_name(name)]
    if "/" not in name and name not in _STANDARD_RESOURCES and not name.startswith("hugepages-"):
        errors.append(fields.invalid(f"{path}[{name}]", name, "must be a standard resource type or fully qualified"))
    if parse_quantity(amount) < 0:
        errors.append(fields.invalid(f"{path}[{name}]", amount, "must be greater than or equal to 0"))
    if _is_device(name) and parse_quantity(amount) % 1:
        errors.append(fields.invalid(f"{path}[{name}]", amount, "must be an integer"))
    return errors


def _probes(path: str, container: Json) -> list[FieldError]:
    errors: list[FieldError] = []
    for name in _PROBES:
        if probe := container.get(name):
            errors += _handler(f"{path}.{name}", probe, _HANDLERS)
            for number in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds"):
                errors += fields.not_negative(f"{path}.{name}.{number}", probe.get(number))
        elif probe is not None:
            errors += _handler(f"{path}.{name}", probe, _HANDLERS)
    for name, hook in (container.get("lifecycle") or {}).items():
        if isinstance(hook, dict):
            errors += _handler(f"{path}.lifecycle.{name}", hook, _HOOK_HANDLERS)
    return errors


def _handler(path: str, holder: Json, handlers: Sequence[str]) -> list[FieldError]:
    given = [name for name in handlers if holder.get(name) is not None]
    if not given:
        return [fields.required(path, "must specify a handler type")]
    return [fields.forbidden(f"{path}.{name}", "may not specify more than 1 handler type") for name in given[1:]]


def _no_probes(path: str, container: Json) -> list[FieldError]:
    detail = "may not be set for init containers without restartPolicy=Always"
    return [fields.forbidden(f"{path}.{name}", detail) for name in ("lifecycle", *_PROBES) if container.get(name)]
