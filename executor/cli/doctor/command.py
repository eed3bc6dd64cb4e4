"""`doctor` as a command: facts are read, checks look at them, findings are printed."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from executor.airflow_config import read_facts, read_settings
from executor.cli.doctor import airflow_checks, cluster_checks, pod_checks, room_checks
from executor.cli.doctor.airflow_reading import airflow_side, strangers, triggerers
from executor.cli.doctor.facts import AirflowSide, PlannedPod
from executor.cli.doctor.finding import Finding, Verdict, failed, skipped
from executor.cli.doctor.reading import Reader
from executor.cli.doctor.references import references
from executor.cli.doctor.worker import Worker
from executor.cli.output import print_note
from executor.cli.pods import Planned, Planner
from executor.cli.tasks import example_launch
from executor.cli.validation import Finding as TemplateFinding
from executor.cli.validation import template_findings
from executor.errors import ApiError
from executor.kube.client import KubeApi
from executor.kube.transport import Transport
from executor.manifest import ManifestError
from executor.options import SettingsError
from executor.task_rows import TaskRows

if TYPE_CHECKING:
    from argparse import Namespace

    from executor.settings import Settings

_STYLES: Final = {
    Verdict.OK: "green",
    Verdict.WARNING: "yellow",
    Verdict.FAILED: "red",
    Verdict.SKIPPED: "dim",
}


def run(args: Namespace) -> bool:
    """Check everything and print it; False if a check failed."""
    found = asyncio.run(examine(args.team))
    if args.output == "json":
        sys.stdout.write(json.dumps([_plain(one) for one in found], indent=2) + "\n")
    else:
        _print(found)
    counts = Counter(one.verdict for one in found)
    print_note(", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict))
    return not counts[Verdict.FAILED]


async def examine(team: str | None = None) -> list[Finding]:
    """Return what all checks say. Raises nothing that a check can say."""
    try:
        settings = read_settings(team)
    except SettingsError as error:
        return [failed("configuration", str(error), "Correct the option; the scheduler does not start with it.")]
    side = airflow_side(read_facts(team))
    found = [*airflow_checks.configuration_findings(settings.notices), *airflow_checks.executor_findings(side)]
    plans = await _plans(settings, team)
    found += pod_checks.template_findings(plans.faults, len(plans.pods))
    found += await _with_cluster(settings, side, plans)
    found += _worker_findings(side, plans)
    return found


@dataclass(frozen=True, slots=True)
class _Plans:
    """The pods of tasks without a configuration of their own, by what chose their template; and what is wrong."""

    pods: tuple[tuple[str, Planned], ...]
    faults: tuple[TemplateFinding, ...]


async def _plans(settings: Settings, team: str | None) -> _Plans:
    faults = template_findings(settings)
    planner = Planner(team)
    pods: list[tuple[str, Planned]] = []
    try:
        for queue in (None, *settings.queue_pod_templates):
            where = "a task's pod" if queue is None else f"a pod of queue {queue}"
            try:
                pods.append((where, await planner.plan(example_launch(queue))))
            except ManifestError as error:
                if str(error) not in {one.text for one in faults}:
                    faults.append(TemplateFinding(where, str(error)))
    finally:
        planner.close()
    return _Plans(tuple(pods), tuple(faults))


def _worker_findings(side: AirflowSide, plans: _Plans) -> Iterator[Finding]:
    """What the worker in the first pod finds; other templates differ in little that matters here."""
    worker = Worker(plans.pods[0][1].manifest) if plans.pods else None
    kept = airflow_checks.kept_container_log_finding(side, worker)
    yield kept or airflow_checks.triggerer_log_finding(side, triggerers())
    if worker is None:
        yield skipped("worker", "no pod can be made, so nothing is known of what a worker finds in it")
        return
    yield airflow_checks.execution_api_finding(side, worker)
    yield from airflow_checks.bundle_findings(side, worker)
    yield airflow_checks.log_finding(side, worker)


async def _with_cluster(settings: Settings, side: AirflowSide, plans: _Plans) -> list[Finding]:
    """What only the API server knows."""
    try:
        transport = await Transport.open(settings.kube)
    except ApiError as error:
        return cluster_checks.no_credentials(str(error))
    try:
        return await _asked(settings, side, plans, transport)
    finally:
        await transport.close()


async def _asked(settings: Settings, side: AirflowSide, plans: _Plans, transport: Transport) -> list[Finding]:
    reader = Reader(transport)
    try:
        server = await reader.server()
    except ApiError as error:
        return cluster_checks.not_answered(transport.host, error.status, str(error))
    pods = [await reader.judged(where, planned) for where, planned in plans.pods]
    wanted = dict.fromkeys(named for one in pods for named in references(one.manifest))
    return [
        *cluster_checks.server_findings(server),
        *await _permission_findings(settings, reader),
        *await _namespace_findings(settings, side, pods, reader),
        *map(pod_checks.dry_run_finding, pods),
        *pod_checks.reference_findings(await reader.looked_up(wanted)),
        await _deployment_finding(settings, transport),
    ]


async def _permission_findings(settings: Settings, reader: Reader) -> list[Finding]:
    secrets = settings.workload_delivery == "secret"
    places = settings.namespaces or (None,)
    return [cluster_checks.permission_finding(await reader.permissions(one, secrets=secrets)) for one in places]


async def _namespace_findings(
    settings: Settings, side: AirflowSide, pods: Sequence[PlannedPod], reader: Reader
) -> list[Finding]:
    """Of each namespace that the settings or a template name; a pod of another one stands for those without."""
    found: list[Finding] = []
    for name in dict.fromkeys([*(settings.namespaces or ()), *(pod.namespace for pod in pods)]):
        namespace = await reader.namespace(name)
        mine = [pod for pod in pods if pod.namespace == name]
        accepted = any(pod.refusal is None for pod in mine)
        found.append(cluster_checks.namespace_finding(namespace, accepted=accepted))
        if namespace.phase is not None and pods:
            found += room_checks.room_findings(namespace, (mine or pods)[0], side.parallelism)
    return found


async def _deployment_finding(settings: Settings, transport: Transport) -> Finding:
    rows = TaskRows(None)
    try:
        namespaces = settings.namespaces or (None,)
        found = await strangers(KubeApi(transport), rows, settings.deployment_id, namespaces)
    finally:
        rows.close()
    return airflow_checks.deployment_finding(settings.deployment_id, found)


def _plain(one: Finding) -> dict[str, str]:
    return {"check": one.check, "verdict": one.verdict.value, "text": one.text, "remedy": one.remedy}


def _print(found: Sequence[Finding]) -> None:
    """A table on a terminal, lines in a pipe."""
    if not sys.stdout.isatty():
        for one in found:
            remedy = f"\n{'':8}  {one.remedy}" if one.remedy else ""
            sys.stdout.write(f"{one.verdict.value:8}  {one.check}: {one.text}{remedy}\n")
        return
    table = Table(box=None, pad_edge=False)
    for title in ("", "check", "what was found, and what to do"):
        table.add_column(title, overflow="fold")
    for one in found:
        text = Text(one.text)
        if one.remedy:
            text.append(f"\n{one.remedy}", style="bold")
        table.add_row(Text(one.verdict.value, style=_STYLES[one.verdict]), Text(one.check), text)
    Console().print(table)
