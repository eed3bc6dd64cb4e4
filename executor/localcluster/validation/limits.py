"""Rules of quotas and limit ranges (``pkg/apis/core/validation/validation.go``)."""

from __future__ import annotations

from decimal import Decimal

from executor.localcluster.quantity import parse_quantity
from executor.localcluster.status import FieldError
from executor.localcluster.types import Json
from executor.localcluster.validation import fields
from executor.localcluster.validation.metadata import validate_metadata

_COUNTED = frozenset(
    {"pods", "services", "replicationcontrollers", "resourcequotas", "secrets", "configmaps", "persistentvolumeclaims",
     "services.nodeports", "services.loadbalancers"}
)  # fmt: skip
_MEASURED = frozenset({"cpu", "memory", "ephemeral-storage", "requests.storage"})
_POD_SCOPES = ("BestEffort", "NotBestEffort", "Terminating", "NotTerminating", "PriorityClass",
               "CrossNamespacePodAffinity")  # fmt: skip
_SCOPES = frozenset({*_POD_SCOPES, "VolumeAttributesClass"})
_OPPOSITES = (frozenset({"BestEffort", "NotBestEffort"}), frozenset({"Terminating", "NotTerminating"}))
_LIMIT_TYPES = ("Pod", "Container", "PersistentVolumeClaim")


def validate_quota(quota: Json) -> list[FieldError]:
    spec = quota.get("spec") or {}
    errors = validate_metadata(quota)
    for name, amount in sorted((spec.get("hard") or {}).items()):
        errors += _hard(f"spec.hard[{name}]", name, amount)
    return errors + _scopes(spec)


def _hard(path: str, name: str, amount: str) -> list[FieldError]:
    errors = _quota_resource(path, name)
    value = parse_quantity(amount)
    if value < 0:
        errors.append(fields.invalid(path, amount, "must be greater than or equal to 0"))
    whole = name in _COUNTED or name.startswith("count/")
    if whole and value != value.to_integral_value():
        errors.append(fields.invalid(path, amount, "must be an integer"))
    return errors


def _quota_resource(path: str, name: str) -> list[FieldError]:
    base = name.removeprefix("requests.").removeprefix("limits.")
    if name in _COUNTED or base in _MEASURED or "/" in name or base.startswith("hugepages-") or name in _MEASURED:
        return []
    sentences = ("must be a standard resource type or fully qualified", "must be a standard resource for quota")
    return fields.each(path, name, sentences)


def _scopes(spec: Json) -> list[FieldError]:
    path, scopes = "spec.scopes", spec.get("scopes") or []
    if not all(scope in _SCOPES for scope in scopes):
        return [fields.invalid(path, scopes, "unsupported scope")]
    errors = []
    if any(scope in _POD_SCOPES and not _is_about_pods(name) for scope in scopes for name in spec.get("hard") or ()):
        errors.append(fields.invalid(path, scopes, "unsupported scope applied to resource"))
    if any(pair <= set(scopes) for pair in _OPPOSITES):
        errors.append(fields.invalid(path, scopes, "conflicting scopes"))
    return errors


def _is_about_pods(name: str) -> bool:
    return name == "pods" or name.removeprefix("requests.").removeprefix("limits.") in ("cpu", "memory")


def validate_limit_range(limit_range: Json) -> list[FieldError]:
    errors, seen = validate_metadata(limit_range), set()
    for index, limit in enumerate((limit_range.get("spec") or {}).get("limits") or ()):
        path, kind = f"spec.limits[{index}]", limit.get("type", "")
        if kind not in _LIMIT_TYPES and "/" not in kind:
            errors.append(fields.invalid(f"{path}.type", kind, "must be a standard limit type or fully qualified"))
        if kind in seen:
            errors.append(fields.duplicate(f"{path}.type", kind))
        seen.add(kind)
        errors += _limit(path, limit)
    return errors


def _limit(path: str, limit: Json) -> list[FieldError]:
    errors = []
    if limit.get("type") == "Pod":
        detail = "may not be specified when `type` is 'Pod'"
        given = (name for name in ("default", "defaultRequest") if limit.get(name))
        errors += [fields.forbidden(f"{path}.{name}", detail) for name in given]
    parts = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
    for resource in sorted({name for part in parts for name in limit.get(part) or ()}):
        errors += _ordered(path, resource, {part: (limit.get(part) or {}).get(resource) for part in parts})
    return errors


_NAMES = {"min": "min", "max": "max", "defaultRequest": "default request", "default": "default"}
# (smaller, larger, field at fault, value shown): what may not be above what
_ORDER = (
    ("min", "max", "min", "min"),
    ("min", "defaultRequest", "defaultRequest", "defaultRequest"),
    ("defaultRequest", "max", "defaultRequest", "defaultRequest"),
    ("defaultRequest", "default", "defaultRequest", "defaultRequest"),
    ("min", "default", "default", "min"),
    ("default", "max", "default", "max"),
)


def _ordered(path: str, resource: str, amounts: dict[str, str | None]) -> list[FieldError]:
    errors = []
    for smaller, larger, at_fault, shown in _ORDER:
        low, high = amounts[smaller], amounts[larger]
        if low is not None and high is not None and parse_quantity(low) > parse_quantity(high):
            than = "default limit" if (smaller, larger) == ("defaultRequest", "default") else _NAMES[larger]
            detail = f"{_NAMES[smaller]} value {low} is greater than {than} value {high}"
            errors.append(fields.invalid(f"{path}.{at_fault}[{resource}]", amounts[shown], detail))
    ratio = amounts["maxLimitRequestRatio"]
    if ratio is not None and parse_quantity(ratio) < Decimal(1):
        detail = f"ratio {ratio} is less than 1"
        errors.append(fields.invalid(f"{path}.maxLimitRequestRatio[{resource}]", ratio, detail))
    return errors
