"""Rules of workloads that are only kept (``pkg/apis/apps/validation``, ``pkg/apis/batch/validation``).

Excluded: update strategies, pod failure policies, and which fields of a schedule are in range.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from executor.localcluster.selectors import matches_labels
from executor.localcluster.status import FieldError
from executor.localcluster.types import Json
from executor.localcluster.validation import fields
from executor.localcluster.validation.metadata import labels, validate_metadata
from executor.localcluster.validation.pod import validate_pod_spec
from executor.localcluster.validation.policy import validate_selector

_CHANGEABLE = frozenset(
    {"replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
     "persistentVolumeClaimRetentionPolicy", "minReadySeconds"}
)  # fmt: skip
_FIXED_SENTENCE = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)


def validate_lasting(workload: Json) -> list[FieldError]:
    """A Deployment or a StatefulSet: its pods are selected by labels and always restarted."""
    spec = workload["spec"]
    template, selector = spec["template"], spec.get("selector")
    errors = validate_metadata(workload) + fields.not_negative("spec.replicas", spec["replicas"])
    errors += [fields.required("spec.selector")] if selector is None else validate_selector("spec.selector", selector)
    given = (template.get("metadata") or {}).get("labels")
    if not selector or not matches_labels(selector, given or {}):
        detail = "`selector` does not match template `labels`"
        errors.append(fields.invalid("spec.template.metadata.labels", given, detail))
    claims = [str(claim["metadata"].get("name", "")) for claim in spec.get("volumeClaimTemplates") or ()]
    errors += validate_template("spec.template", template, claims)
    return errors + fields.one_of(
        "spec.template.spec.restartPolicy", template["spec"].get("restartPolicy"), ("Always",)
    )


def validate_template(path: str, template: Json, claims: Iterable[str] = ()) -> list[FieldError]:
    """The template of pods at ``path``; ``claims`` are names of volumes that each pod gets besides."""
    found = labels("metadata.labels", (template.get("metadata") or {}).get("labels") or {})
    found += validate_pod_spec(template["spec"], claims)
    return [replace(error, field=f"{path}.{error.field}") for error in found]


def validate_deployment_update(new: Json, old: Json) -> list[FieldError]:
    selector = new["spec"].get("selector")
    if selector == old["spec"].get("selector"):
        return []
    return [fields.invalid("spec.selector", selector, "field is immutable")]


def validate_stateful_set_update(new: Json, old: Json) -> list[FieldError]:
    def fixed(obj: Json) -> Json:
        return {name: value for name, value in obj["spec"].items() if name not in _CHANGEABLE}

    return [] if fixed(new) == fixed(old) else [fields.forbidden("spec", _FIXED_SENTENCE)]


def validate_job(job: Json) -> list[FieldError]:
    return validate_metadata(job) + _job_spec("spec", job["spec"])


def _job_spec(path: str, spec: Json) -> list[FieldError]:
    errors: list[FieldError] = []
    for name in ("parallelism", "completions", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"):
        errors += fields.not_negative(f"{path}.{name}", spec.get(name))
    errors += validate_template(f"{path}.template", spec["template"])
    if spec["template"]["spec"].get("restartPolicy") == "Always":
        detail = 'valid values: "OnFailure", "Never"'
        errors.append(fields.required(f"{path}.template.spec.restartPolicy", detail))
    return errors


def validate_job_update(new: Json, old: Json) -> list[FieldError]:
    """A job's pods stay as they were meant; the sentence shows JSON where the real one shows Go's fields."""
    template = new["spec"].get("template")
    if template == old["spec"].get("template"):
        return []
    return [fields.invalid("spec.template", template, "field is immutable")]


def validate_cron_job(cron_job: Json) -> list[FieldError]:
    spec = cron_job["spec"]
    schedule, path = spec.get("schedule", ""), "spec.schedule"
    errors = validate_metadata(cron_job)
    if not schedule:
        errors.append(fields.required(path))
    elif not schedule.startswith("@") and len(schedule.split()) != 5:
        found = f"expected exactly 5 fields, found {len(schedule.split())}: [{schedule}]"
        errors.append(fields.invalid(path, schedule, found))
    policies = ("Allow", "Forbid", "Replace")
    errors += fields.one_of("spec.concurrencyPolicy", spec["concurrencyPolicy"], policies)
    return errors + _job_spec("spec.jobTemplate.spec", spec["jobTemplate"]["spec"])
