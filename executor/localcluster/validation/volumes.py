"""Rules of volumes: unique names, exactly one source, and what the sources need that one machine offers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from executor.localcluster.status import FieldError
from executor.localcluster.types import Json
from executor.localcluster.validation import fields
from executor.localcluster.validation.containers import field_path, relative_path
from executor.localcluster.validation.metadata import validate_metadata

_PROJECTIONS = ("secret", "downwardAPI", "configMap", "serviceAccountToken", "clusterTrustBundle", "podCertificate")
_CLAIM_CHANGEABLE = frozenset({"resources", "volumeAttributesClassName", "volumeName"})
_CLAIM_SENTENCE = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
)
_ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")


def validate_volumes(spec: Json) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, volume in enumerate(spec.get("volumes") or ()):
        path, name = f"spec.volumes[{index}]", volume.get("name", "")
        errors += fields.each(f"{path}.name", name, fields.dns_label(name)) if name else []
        if not name:
            errors.append(fields.required(f"{path}.name"))
        elif name in seen:
            errors.append(fields.duplicate(f"{path}.name", name))
        seen.add(name)
        errors += _sources(path, volume)
    return errors


def _sources(path: str, volume: Json) -> list[FieldError]:
    given = [name for name in volume if name != "name"]
    if not given:
        return [fields.required(path, "must specify a volume type")]
    errors = [fields.forbidden(f"{path}.{name}", "may not specify more than 1 volume type") for name in given[1:]]
    check = _CHECKS.get(given[0])
    return errors + (check(f"{path}.{given[0]}", volume[given[0]]) if check else [])


def _needs(field: str) -> Callable[[str, Json], list[FieldError]]:
    """A source that is nothing without one field; its ``items`` are checked too."""

    def check(path: str, source: Json) -> list[FieldError]:
        errors = [] if source.get(field) else [fields.required(f"{path}.{field}")]
        return errors + _items(path, source.get("items") or ())

    return check


def _items(path: str, items: Sequence[Json]) -> list[FieldError]:
    errors = []
    for index, item in enumerate(items):
        here = f"{path}.items[{index}]"
        if not item.get("key"):
            errors.append(fields.required(f"{here}.key"))
        errors += _item_path(here, item)
    return errors


def _item_path(path: str, item: Json) -> list[FieldError]:
    if not item.get("path"):
        return [fields.required(f"{path}.path")]
    return relative_path(f"{path}.path", item["path"])


def _downward(path: str, source: Json) -> list[FieldError]:
    errors = []
    for index, item in enumerate(source.get("items") or ()):
        here = f"{path}[{index}]"
        errors += _item_path(here, item)
        if "fieldRef" in item:
            errors += field_path(f"{here}.fieldRef.fieldPath", item["fieldRef"].get("fieldPath", ""))
        elif "resourceFieldRef" not in item:
            errors.append(fields.required(here, "one of fieldRef and resourceFieldRef is required"))
    return errors


def _projected(path: str, source: Json) -> list[FieldError]:
    errors = []
    for index, projection in enumerate(source.get("sources") or ()):
        here = f"{path}.sources[{index}]"
        given = [name for name in _PROJECTIONS if name in projection]
        if not given:
            errors.append(fields.required(here, "must specify a volume type"))
        errors += [fields.forbidden(f"{here}.{name}", "may not specify more than 1 volume type") for name in given[1:]]
        errors += _projection(here, given[0], projection[given[0]]) if given else []
    return errors


def _projection(path: str, kind: str, source: Json) -> list[FieldError]:
    if kind in ("secret", "configMap"):
        return _needs("name")(f"{path}.{kind}", source)
    if kind == "downwardAPI":
        return _downward(f"{path}.{kind}", source)
    if kind == "serviceAccountToken" and not source.get("path"):
        return [fields.required(f"{path}.{kind}.path")]
    return []


def _host_path(path: str, source: Json) -> list[FieldError]:
    target = source.get("path", "")
    if not target:
        return [fields.required(f"{path}.path")]
    return [fields.invalid(f"{path}.path", target, "must not contain '..'")] if ".." in target.split("/") else []


_CHECKS: dict[str, Callable[[str, Json], list[FieldError]]] = {
    "secret": _needs("secretName"),
    "configMap": _needs("name"),
    "persistentVolumeClaim": _needs("claimName"),
    "hostPath": _host_path,
    "downwardAPI": _downward,
    "projected": _projected,
}


def validate_claim(claim: Json) -> list[FieldError]:
    """A claim of storage (``pkg/apis/core/validation``, ``ValidatePersistentVolumeClaim``)."""
    spec, errors = claim["spec"], validate_metadata(claim)
    if not (modes := spec.get("accessModes")):
        errors.append(fields.required("spec.accessModes", "at least 1 access mode is required"))
    for mode in modes or ():
        errors += fields.one_of("spec.accessModes", mode, _ACCESS_MODES)
    if "storage" not in ((spec.get("resources") or {}).get("requests") or {}):
        errors.append(fields.required("spec.resources[storage]"))
    return errors


def validate_claim_update(new: Json, old: Json) -> list[FieldError]:
    """Of a claim only what it asks for may change, and which volume it is bound to."""

    def fixed(claim: Json) -> Json:
        return {name: value for name, value in claim["spec"].items() if name not in _CLAIM_CHANGEABLE}

    return [] if fixed(new) == fixed(old) else [fields.forbidden("spec", _CLAIM_SENTENCE)]
