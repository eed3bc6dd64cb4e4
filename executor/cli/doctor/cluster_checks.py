"""The API server, its namespaces and what we may do there. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from executor.cli.doctor.facts import Namespace, Permissions, Server, Unread
from executor.cli.doctor.finding import Finding, failed, ok, skipped, warning
from executor.kube.check import Missing

OLDEST: Final = (1, 25)  # field validation by the server (release notes of Kubernetes 1.25)
SKEW_SECONDS: Final = 5.0  # a Date header has whole seconds
SKEW_TOO_MUCH: Final = 60.0
ASK: Final = "Ask whoever administers the cluster, or run doctor with a kubeconfig that may read it."


def no_credentials(why: str) -> list[Finding]:
    """Nothing to connect with."""
    remedy = "Set [kubernetes_executor] in_cluster = True in a pod with a service account, else config_file."
    return [failed("credentials", why, remedy), skipped("API server", "there are no credentials to ask it with")]


def not_answered(host: str, status: int, why: str) -> list[Finding]:
    """It did not answer, or did not take the credentials."""
    if status == 401:
        remedy = "Renew the token or the kubeconfig; in a pod: is its service account's token mounted?"
        return [ok("API server", f"{host} answers"), failed("credentials", f"not accepted: {why}", remedy)]
    remedy = "Check the address, network policies and proxies between this machine and the API server."
    return [failed("API server", why, remedy), skipped("credentials", "the API server does not answer")]


def server_findings(server: Server) -> Iterator[Finding]:
    """Version, credentials, clock."""
    found = re.match(r"v?(\d+)\.(\d+)", server.version)
    text = f"{server.host} answers, Kubernetes {server.version or 'of unknown version'}"
    if found and (int(found[1]), int(found[2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        yield warning("API server", text, f"Misspelled fields are only found from Kubernetes {oldest} on: upgrade.")
    else:
        yield ok("API server", text)
    yield ok("credentials", "accepted" if isinstance(server.user, Unread) else f"accepted, as {server.user}")
    yield clock_finding(server.skew)


def clock_finding(skew: float | None) -> Finding:
    """skew: seconds that the API server's clock is ahead."""
    if skew is None:
        return skipped("clock", "the API server does not tell the time (no Date header)")
    if abs(skew) <= SKEW_SECONDS:
        return ok("clock", "within a few seconds of the API server's")
    text = f"this machine is {abs(skew):.0f} s {'behind' if skew > 0 else 'ahead of'} the API server"
    remedy = "Synchronize both by NTP: ages of pods are wrong, and tokens may be refused as expired or not yet valid."
    return (failed if abs(skew) > SKEW_TOO_MUCH else warning)("clock", text, remedy)


def permission_finding(permissions: Permissions) -> Finding:
    """Every verb in one namespace, or in all of them."""
    place = "all namespaces" if permissions.namespace is None else f"namespace {permissions.namespace}"
    check, missing = f"permissions in {place}", permissions.missing
    if isinstance(missing, Unread):
        return skipped(check, missing.why)
    if not missing:
        return ok(check, "all verbs granted")
    text = f"missing: {', '.join(f'{one.verb} {one.resource}' for one in missing)}"
    kind = "ClusterRole" if permissions.namespace is None else "Role"
    remedy = f"Add to the scheduler's {kind}: {'; '.join(_rules(missing))}."
    resources = {one.resource for one in missing}
    if resources == {"events"}:
        return warning(check, f"{text}; reasons are told without the pods' events", remedy)
    without = " Or set [kubernetes_pod_executor] workload_delivery = args." if resources == {"secrets"} else ""
    return failed(check, text, remedy + without)


def _rules(missing: Sequence[Missing]) -> Iterator[str]:
    for resource in dict.fromkeys(one.resource for one in missing):
        verbs = ", ".join(one.verb for one in missing if one.resource == resource)
        yield f'{{apiGroups: [""], resources: [{resource}], verbs: [{verbs}]}}'


def namespace_finding(namespace: Namespace, *, accepted: bool = False) -> Finding:
    """It exists, and stays. accepted: a pod would be, in it."""
    check, phase = f"namespace {namespace.name}", namespace.phase
    if accepted and isinstance(phase, Unread):
        return ok(check, "exists, as a pod would be accepted in it")
    if isinstance(phase, Unread):
        return skipped(check, phase.why, ASK if phase.forbidden else "")
    if phase is None:
        return failed(check, "does not exist", f"kubectl create namespace {namespace.name}")
    if phase != "Active":
        return failed(check, f"is {phase}: nothing can be created in it", "Use another, or wait and create it anew.")
    return ok(check, "exists")
