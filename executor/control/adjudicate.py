"""What the API server's answer to a create means for the launch. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from executor.control.work_queue import LONGEST_HOLD
from executor.errors import ApiError, BadRequest, Invalid, NotFound, QuotaExceeded, Transient, Unreachable
from executor.manifest import BuiltPod, explain_strict_error

NAMESPACE_TRIES = 1  # further ones after the first 404
QUOTA_HOLD = 4.0  # seconds: room is there at once when somebody makes it, and asking costs an API server little


@dataclass(frozen=True, slots=True)
class Verdict:
    """refusal: final, the sentence for the scheduler; else try again: `waiting` says why, `reason` names the kind."""

    refusal: str = ""
    waiting: str = ""
    reason: str = ""
    retry_after: float | None = None
    longest_hold: float = LONGEST_HOLD
    missing_namespace: bool = False
    ambiguous: bool = False  # the create may have been carried out


def judge_answer(error: ApiError, built: BuiltPod, not_found: int) -> Verdict:
    """not_found: how often this launch's namespace was missing already."""
    if isinstance(error, Transient):
        return _later(error, built)
    if isinstance(error, NotFound) and not_found < NAMESPACE_TRIES:
        return Verdict(missing_namespace=True)
    return Verdict(refusal=_refusal(error, built))


def defect(error: Exception) -> str:
    """The sentence for a launch that met a defect of the executor's own."""
    return (
        f"The executor could not post the pod because of a defect of its own ({type(error).__name__}). The scheduler's "
        "log says where; please report it."
    )


def _later(error: Transient, built: BuiltPod) -> Verdict:
    if isinstance(error, QuotaExceeded):
        text = f"Namespace {built.namespace} has no quota left: {error.message}"
    elif isinstance(error, Unreachable):
        text = f"The Kubernetes API does not answer: {error.message}"
    else:
        text = f"The Kubernetes API asks to come back later: {error}"
    return Verdict(
        waiting=text,
        reason=type(error).__name__,
        retry_after=error.retry_after,
        longest_hold=QUOTA_HOLD if isinstance(error, QuotaExceeded) else LONGEST_HOLD,
        ambiguous=isinstance(error, Unreachable) or error.status >= 500,
    )


def _refusal(error: ApiError, built: BuiltPod) -> str:
    if isinstance(error, BadRequest):
        told = explain_strict_error(error.message, built)
        ours = told != error.message or not error.status  # else an admission webhook's words, say
        return told if ours else f"Kubernetes refused the pod: {told}"
    if isinstance(error, Invalid):
        return f"Kubernetes refused the pod: {_causes(error, built)}"
    if isinstance(error, NotFound):
        return (
            f"Kubernetes refused the pod: {error.message}. Create namespace {built.namespace}, or change it where it "
            f"was set ({built.provenance.layer_of('metadata.namespace')})."
        )
    return (
        f"Kubernetes refused the pod in namespace {built.namespace}: {error}. Give the scheduler's service account a "
        "Role there, or change the namespace."
    )


def _causes(error: Invalid, built: BuiltPod) -> str:
    if not error.causes:
        return error.message
    return "; ".join(f"{_place(cause.field, built)}: {cause.message}" for cause in error.causes)


def _place(path: str, built: BuiltPod) -> str:
    """Whose value it is, and where: list elements by name, which is how people wrote them."""
    return f"{built.provenance.layer_of(path)}: {built.provenance.readable(path)}"
