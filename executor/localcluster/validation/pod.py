"""Rules of a whole pod, when it is created and when it is changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from executor.localcluster.status import FieldError
from executor.localcluster.types import Json
from executor.localcluster.validation import fields
from executor.localcluster.validation.containers import validate_containers
from executor.localcluster.validation.metadata import labels, validate_metadata
from executor.localcluster.validation.volumes import validate_volumes

_MAX_INT32 = 2147483647
_UPDATE_SENTENCE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def validate_pod(pod: Json) -> list[FieldError]:
    """Everything a new pod must keep."""
    return validate_metadata(pod) + validate_pod_spec(pod["spec"])


def validate_pod_spec(spec: Json, claims: Iterable[str] = ()) -> list[FieldError]:
    """The spec of a pod, or of a template of pods; ``claims`` are volumes that come from elsewhere."""
    volumes = {*(volume.get("name") for volume in spec.get("volumes") or ()), *claims}
    errors = validate_volumes(spec) + validate_containers(spec, volumes)
    errors += fields.one_of("spec.restartPolicy", spec.get("restartPolicy"), ("Always", "OnFailure", "Never"))
    errors += fields.one_of("spec.dnsPolicy", spec.get("dnsPolicy"), _DNS_POLICIES)
    errors += fields.in_range("spec.activeDeadlineSeconds", spec.get("activeDeadlineSeconds"), 1, _MAX_INT32)
    errors += labels("spec.nodeSelector", spec.get("nodeSelector") or {})
    return errors + _names(spec) + _tolerations(spec.get("tolerations") or []) + _gates(spec) + _affinity(spec)


def _names(spec: Json) -> list[FieldError]:
    errors: list[FieldError] = []
    for name in ("nodeName", "serviceAccountName", "priorityClassName"):
        if value := spec.get(name):
            errors += fields.each(f"spec.{name}", value, fields.dns_subdomain(value))
    for name in ("hostname", "subdomain"):
        if value := spec.get(name):
            errors += fields.each(f"spec.{name}", value, fields.dns_label(value))
    return errors


def _tolerations(tolerations: Sequence[Json]) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, toleration in enumerate(tolerations):
        errors += _toleration(f"spec.tolerations[{index}]", toleration)
    return errors


def _toleration(path: str, toleration: Json) -> list[FieldError]:
    key, operator = toleration.get("key", ""), toleration.get("operator", "")
    errors = fields.each(f"{path}.key", key, fields.qualified_name(key)) if key else []
    if not key and operator != "Exists":
        detail = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
        errors.append(fields.invalid(f"{path}.operator", operator, detail))
    errors += fields.one_of(f"{path}.operator", operator or None, ("Equal", "Exists"))
    if operator == "Exists" and toleration.get("value"):
        detail = "value must be empty when `operator` is 'Exists'"
        errors.append(fields.invalid(f"{path}.operator", toleration, detail))
    return errors + _effect(f"{path}.effect", toleration)


def _effect(path: str, toleration: Json) -> list[FieldError]:
    effect = toleration.get("effect", "")
    errors = fields.one_of(path, effect or None, _EFFECTS)
    if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
        errors.append(fields.invalid(path, effect, "effect must be 'NoExecute' when `tolerationSeconds` is set"))
    return errors


def _gates(spec: Json) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, gate in enumerate(spec.get("schedulingGates") or ()):
        path, name = f"spec.schedulingGates[{index}]", gate.get("name", "")
        errors += fields.each(path, name, fields.qualified_name(name))
        if name in seen:
            errors.append(fields.duplicate(path, name))
        seen.add(name)
    if seen and spec.get("nodeName"):
        errors.append(fields.forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared"))
    return errors


def _affinity(spec: Json) -> list[FieldError]:
    node = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    wanted = node.get("requiredDuringSchedulingIgnoredDuringExecution")
    if wanted is None or wanted.get("nodeSelectorTerms"):
        return []
    path = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
    return [fields.required(path, "must have at least one node selector term")]


def validate_pod_update(new: Json, old: Json) -> list[FieldError]:
    """What a change of an existing pod must keep: most of the spec."""
    after, before = new["spec"], old["spec"]
    errors = _deadline_update(after, before) + _gates_update(after, before)
    if not _only_added(after.get("tolerations") or [], before.get("tolerations") or []):
        detail = "existing toleration can not be modified except its tolerationSeconds"
        errors.append(fields.forbidden("spec.tolerations", detail))
    if not errors and _fixed_part(after, bool(before.get("schedulingGates"))) != _fixed_part(
        before, bool(before.get("schedulingGates"))
    ):
        errors.append(fields.forbidden("spec", _UPDATE_SENTENCE))
    return errors


def _deadline_update(after: Json, before: Json) -> list[FieldError]:
    path, new, old = (
        "spec.activeDeadlineSeconds",
        after.get("activeDeadlineSeconds"),
        before.get("activeDeadlineSeconds"),
    )
    if old is None or new == old:
        return []
    if new is None:
        return [fields.invalid(path, None, "must not update from a positive integer to nil value")]
    return [fields.invalid(path, new, "must be less than or equal to previous value")] if new > old else []


def _gates_update(after: Json, before: Json) -> list[FieldError]:
    old = {gate["name"] for gate in before.get("schedulingGates") or ()}
    added = [gate["name"] for gate in after.get("schedulingGates") or () if gate["name"] not in old]
    detail = "only deletion is allowed, but found new scheduling gate '{}'"
    return [fields.forbidden("spec.schedulingGates", detail.format(name)) for name in added]


def _only_added(after: Sequence[Json], before: Sequence[Json]) -> bool:
    def known(toleration: Json) -> Json:
        return {name: value for name, value in toleration.items() if name != "tolerationSeconds"}

    return all(known(toleration) in [known(other) for other in after] for toleration in before)


def _fixed_part(spec: Json, gated: bool) -> Json:
    """The spec without what may change; a gated pod may still change where it wants to run."""
    fixed = {name: value for name, value in spec.items() if name not in _CHANGEABLE}
    if gated:
        fixed.pop("nodeSelector", None)
        fixed.pop("affinity", None)
    for kind in ("containers", "initContainers"):
        if kind in fixed:
            fixed[kind] = [{k: v for k, v in c.items() if k != "image"} for c in fixed[kind]]
    return fixed


_CHANGEABLE = frozenset({"activeDeadlineSeconds", "tolerations", "schedulingGates"})
