"""Startup, liveness and readiness probes of one running container (Kubernetes: "Liveness, Readiness, and Startup
Probes"; pkg/kubelet/prober/worker.go).

A result that could not be found out is thrown away: it neither fails nor succeeds. Liveness and readiness are asked
once the container has started, which is at once without a startup probe.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from executor.localcluster.node.api import Json
from executor.localcluster.node.handlers import Outcome, Target
from executor.localcluster.node.waiting import cancel_all

Health = Callable[[bool, bool], None]
"""Told (started, ready) whenever one of them changes."""


@dataclass(frozen=True, slots=True)
class Probe:
    """kind: startup, liveness or readiness; times in seconds; grace: to end in after a failure, None for the pod's."""

    kind: str
    handler: Json
    initial_delay: float
    period: float
    timeout: float
    successes: int
    failures: int
    grace: float | None


def probe_of(container: Json, kind: str) -> Probe | None:
    spec = container.get(f"{kind}Probe")
    if not spec:
        return None
    return Probe(
        kind=kind,
        handler=spec,
        initial_delay=spec.get("initialDelaySeconds") or 0,
        period=spec.get("periodSeconds") or 10,
        timeout=spec.get("timeoutSeconds") or 1,
        successes=spec.get("successThreshold") or 1,
        failures=spec.get("failureThreshold") or 3,
        grace=spec.get("terminationGracePeriodSeconds"),
    )


@dataclass(slots=True)
class Tally:
    """Counts equal results in a row."""

    probe: Probe
    _last: bool | None = None
    _run: int = 0

    def add(self, ok: bool) -> bool:
        """True if the result now counts: there were as many in a row as its threshold asks for."""
        self._run = self._run + 1 if ok is self._last else 1
        self._last = ok
        return self._run >= (self.probe.successes if ok else self.probe.failures)


async def _for_ever() -> NoReturn:
    await asyncio.Event().wait()
    raise AssertionError("nobody sets this event")


class Prober:
    """All probes of one run of a container."""

    def __init__(self, target: Target, event: Callable[[str, str, str], None], health: Health) -> None:
        self._target, self._event, self._health = target, event, health
        self._since = time.monotonic()

    async def run(self) -> Probe:
        """Until the container is to be killed: the liveness or startup probe that failed. Else for ever."""
        container = self._target.container
        startup, readiness = probe_of(container, "startup"), probe_of(container, "readiness")
        if startup and not await self._verdict(startup):
            return startup
        self._health(True, readiness is None)
        asking = asyncio.create_task(self._keep_ready(readiness)) if readiness else None
        try:
            return await self._until_dead(probe_of(container, "liveness"))
        finally:
            if asking:
                await cancel_all(asking)

    async def _verdict(self, probe: Probe) -> bool:
        """The first result that counts."""
        verdicts: list[bool] = []

        def take(ok: bool) -> bool:
            verdicts.append(ok)
            return True

        await self._ask(probe, take)
        return verdicts[0]

    async def _keep_ready(self, probe: Probe) -> None:
        def take(ok: bool) -> bool:
            self._health(True, ok)
            return False

        await self._ask(probe, take)

    async def _until_dead(self, probe: Probe | None) -> Probe:
        if probe is None:
            await _for_ever()
        await self._ask(probe, lambda ok: not ok)
        return probe

    async def _ask(self, probe: Probe, take: Callable[[bool], bool]) -> None:
        """Ask every period; `take` is given each result that counts, and ends it by True."""
        tally = Tally(probe)
        await asyncio.sleep(max(0.0, self._since + probe.initial_delay - time.monotonic()))
        while True:
            asked = time.monotonic()
            outcome = await self._target.act(probe.handler, probe.timeout)
            self._tell(probe, outcome)
            if outcome.ok is not None and tally.add(outcome.ok) and take(outcome.ok):
                return
            await asyncio.sleep(max(0.0, asked + probe.period - time.monotonic()))

    def _tell(self, probe: Probe, outcome: Outcome) -> None:
        kind = probe.kind.capitalize()
        if outcome.ok is None:
            text = f"{kind} probe errored and resulted in unknown state: {outcome.text}"
            self._event("Unhealthy", text, "Warning")
        elif not outcome.ok:
            self._event("Unhealthy", f"{kind} probe failed: {outcome.text}", "Warning")
