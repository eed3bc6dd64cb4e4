"""The pods that tasks would get: what the API server thinks of them, and whether what they name exists. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from executor.cli.doctor.cluster_checks import ASK
from executor.cli.doctor.facts import Looked, PlannedPod, Unread
from executor.cli.doctor.finding import Finding, failed, ok, skipped, warning
from executor.cli.doctor.references import (
    CLAIM,
    CONFIG_MAP,
    PRIORITY_CLASS,
    PULL_SECRET,
    SECRET,
    SERVICE_ACCOUNT,
)
from executor.cli.validation import Finding as TemplateFinding

CHECKS: Final = {
    SECRET: "secrets",
    CONFIG_MAP: "config maps",
    PULL_SECRET: "pull secrets",
    SERVICE_ACCOUNT: "service accounts",
    CLAIM: "volume claims",
    PRIORITY_CLASS: "priority classes",
}


def template_findings(found: Sequence[TemplateFinding], templates: int) -> Iterator[Finding]:
    """What `validate` says about the templates themselves."""
    for one in found:
        text = f"{one.where}: {' '.join(one.text.split())}"
        remedy = "airflow kubernetes-executor template FILE shows what it gives."
        yield (failed if one.fault else warning)("pod template", text, remedy)
    if not any(one.fault for one in found):
        yield ok("pod template", f"{templates} pod{'' if templates == 1 else 's'} can be made")


def dry_run_finding(pod: PlannedPod) -> Finding:
    """The API server's own judgement."""
    check = f"dry run of {pod.where}"
    if isinstance(pod.refusal, Unread):
        return skipped(check, pod.refusal.why)
    if pod.refusal is None:
        return ok(check, f"accepted in namespace {pod.namespace}")
    return failed(check, pod.refusal, "airflow kubernetes-executor explain DAG TASK shows who set each field.")


def reference_findings(looked: Sequence[Looked]) -> Iterator[Finding]:
    """One finding for each missing object, one for all others of its kind."""
    for kind, check in CHECKS.items():
        mine = [one for one in looked if one.reference.kind == kind]
        yield from _of_kind(check, mine) if mine else (ok(check, "the pod templates name none"),)


def _of_kind(check: str, looked: Sequence[Looked]) -> Iterator[Finding]:
    unread = [one for one in looked if isinstance(one.exists, Unread)]
    there = [one.reference.name for one in looked if one.exists is True]
    yield from (_missing(check, one) for one in looked if one.exists is False)
    if unread:
        yield _unread(check, unread)
    if there:
        yield ok(check, f"{', '.join(there)} exist{'s' if len(there) == 1 else ''}")


def _missing(check: str, one: Looked) -> Finding:
    name, field = one.reference.name, one.reference.field
    place = f" in namespace {one.reference.namespace}" if one.reference.namespace else ""
    text = f"{name} does not exist{place}; {field} names it"
    if one.reference.optional:
        return ok(check, f"{text}, as optional")
    if one.reference.kind == PULL_SECRET:
        return warning(check, text, "Create it: without it only images that need no login can be pulled.")
    return failed(check, text, f"Create it{place}, or take it out of the pod template.")


def _unread(check: str, unread: Sequence[Looked]) -> Finding:
    names = ", ".join(one.reference.name for one in unread)
    why = unread[0].exists
    assert isinstance(why, Unread)
    return skipped(check, f"{names}: {why.why}", ASK if why.forbidden else "")
