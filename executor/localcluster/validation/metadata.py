"""Rules of metadata that every object keeps (apimachinery ``pkg/api/validation/objectmeta.go``)."""

from __future__ import annotations

from collections.abc import Callable

from executor.localcluster.status import FieldError
from executor.localcluster.types import Json
from executor.localcluster.validation import fields

ANNOTATIONS_LIMIT = 256 * 1024
_NAME_RULES: dict[str, Callable[[str], list[str]]] = {
    "Namespace": fields.dns_label,
    "Role": fields.path_segment,
    "RoleBinding": fields.path_segment,
    "ClusterRole": fields.path_segment,
    "ClusterRoleBinding": fields.path_segment,
}


def validate_metadata(obj: Json) -> list[FieldError]:
    """Name, labels, annotations and owners of an object of any kind."""
    metadata = obj["metadata"]
    errors = _name(obj["kind"], metadata["name"])
    errors += labels("metadata.labels", metadata.get("labels") or {})
    errors += _annotations(metadata.get("annotations") or {})
    return errors + _owners(metadata.get("ownerReferences") or [])


def validate_patched_uid(uid: str, current: str) -> list[FieldError]:
    """A patch may name the object's uid, not change it; a PUT with another is a conflict instead."""
    return [fields.invalid("metadata.uid", uid, "field is immutable")] if uid and uid != current else []


def _name(kind: str, name: str) -> list[FieldError]:
    if not name:
        return [fields.required("metadata.name", "name or generateName is required")]
    return fields.each("metadata.name", name, _NAME_RULES.get(kind, fields.dns_subdomain)(name))


def labels(path: str, values: dict[str, str]) -> list[FieldError]:
    """Keys and values of labels or of a node selector."""
    errors = []
    for key, value in values.items():
        errors += fields.each(path, key, fields.qualified_name(key))
        errors += fields.each(path, value, fields.label_value(value))
    return errors


def _annotations(values: dict[str, str]) -> list[FieldError]:
    errors = []
    for key in values:
        errors += fields.each("metadata.annotations", key, fields.qualified_name(key.lower()))
    if sum(len(key.encode()) + len(value.encode()) for key, value in values.items()) > ANNOTATIONS_LIMIT:
        errors.append(fields.too_long("metadata.annotations", ANNOTATIONS_LIMIT))
    return errors


def _owners(references: list[Json]) -> list[FieldError]:
    path, errors = "metadata.ownerReferences", []
    for reference in references:
        if not reference.get("apiVersion"):
            errors.append(fields.invalid(f"{path}.apiVersion", "", "version must not be empty"))
        missing = [name for name in ("kind", "name", "uid") if not reference.get(name)]
        errors += [fields.invalid(f"{path}.{name}", "", "must not be empty") for name in missing]
    controllers = [reference.get("name", "") for reference in references if reference.get("controller")]
    if len(controllers) > 1:
        detail = 'Only one reference can have Controller set to true. Found "true" in references for ' + " and ".join(
            str(name) for name in controllers[:2]
        )
        errors.append(fields.invalid(path, references, detail))
    return errors
