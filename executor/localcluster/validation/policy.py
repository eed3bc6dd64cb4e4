"""Rules of roles, bindings and disruption budgets (``pkg/apis/rbac/validation``, ``pkg/apis/policy/validation``)."""

from __future__ import annotations

import re
from typing import Any

from executor.localcluster.status import FieldError
from executor.localcluster.types import Json
from executor.localcluster.validation import fields
from executor.localcluster.validation.metadata import validate_metadata

_PERCENT = re.compile(r"[0-9]+%")
_PERCENT_SENTENCE = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for "
    "validation is '[0-9]+%')"
)
_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")
_SUBJECTS = ("ServiceAccount", "User", "Group")


def validate_role(role: Json) -> list[FieldError]:
    """A Role or a ClusterRole; only the latter has rules about paths."""
    errors = validate_metadata(role)
    for index, rule in enumerate(role.get("rules") or ()):
        errors += _rule(f"rules[{index}]", rule, role["kind"] == "Role")
    return errors


def _rule(path: str, rule: Json, namespaced: bool) -> list[FieldError]:
    errors = [] if rule.get("verbs") else [fields.required(f"{path}.verbs", "verbs must contain at least one value")]
    if paths := rule.get("nonResourceURLs"):
        if namespaced:
            detail = "namespaced rules cannot apply to non-resource URLs"
            errors.append(fields.invalid(f"{path}.nonResourceURLs", paths, detail))
        return errors
    for name, what in (("apiGroups", "api group"), ("resources", "resource")):
        if not rule.get(name):
            detail = f"resource rules must supply at least one {what}"
            errors.append(fields.required(f"{path}.{name}", detail))
    return errors


def validate_binding(binding: Json) -> list[FieldError]:
    """A RoleBinding or a ClusterRoleBinding."""
    reference = binding.get("roleRef") or {}
    kinds = ("Role", "ClusterRole") if binding["kind"] == "RoleBinding" else ("ClusterRole",)
    errors = validate_metadata(binding) + fields.one_of("roleRef.kind", reference.get("kind", ""), kinds)
    if not reference.get("name"):
        errors.append(fields.required("roleRef.name"))
    for index, subject in enumerate(binding.get("subjects") or ()):
        errors += _subject(f"subjects[{index}]", subject, binding["kind"])
    return errors


def _subject(path: str, subject: Json, kind: str) -> list[FieldError]:
    errors = [] if subject.get("name") else [fields.required(f"{path}.name")]
    errors += fields.one_of(f"{path}.kind", subject.get("kind", ""), _SUBJECTS)
    is_account = subject.get("kind") == "ServiceAccount"
    if is_account and not subject.get("namespace") and kind == "ClusterRoleBinding":
        errors.append(fields.required(f"{path}.namespace"))
    return errors


def validate_binding_update(new: Json, old: Json) -> list[FieldError]:
    """A binding keeps its role for ever."""
    reference = new.get("roleRef") or {}
    if reference == old.get("roleRef"):
        return []
    shown = {"APIGroup": reference.get("apiGroup", ""), "Kind": reference.get("kind", "")}
    shown["Name"] = reference.get("name", "")
    return [fields.invalid("roleRef", shown, "cannot change roleRef")]


def validate_budget(budget: Json) -> list[FieldError]:
    spec = budget.get("spec") or {}
    errors = validate_metadata(budget)
    if "minAvailable" in spec and "maxUnavailable" in spec:
        shown = {"MinAvailable": spec["minAvailable"], "Selector": spec.get("selector")}
        shown |= {"MaxUnavailable": spec["maxUnavailable"], "UnhealthyPodEvictionPolicy": None}
        errors.append(fields.invalid("spec", shown, "minAvailable and maxUnavailable cannot be both set"))
    for name in ("minAvailable", "maxUnavailable"):
        if name in spec:
            errors += _share(f"spec.{name}", spec[name])
    return errors + validate_selector("spec.selector", spec.get("selector") or {})


def _share(path: str, value: Any) -> list[FieldError]:
    """A number of pods, or a percentage of them."""
    if isinstance(value, int):
        return fields.not_negative(path, value)
    if not _PERCENT.fullmatch(value):
        return [fields.invalid(path, value, _PERCENT_SENTENCE)]
    return [fields.invalid(path, value, "must not be greater than 100%")] if int(value[:-1]) > 100 else []


def validate_selector(path: str, selector: Json) -> list[FieldError]:
    """A selector of labels."""
    return [
        fields.invalid(
            f"{path}.matchExpressions[{index}].operator", one.get("operator"), "not a valid selector operator"
        )
        for index, one in enumerate(selector.get("matchExpressions") or ())
        if one.get("operator") not in _OPERATORS
    ]
