"""The executor with two switches for tests, through the ports it has: no code of the executor is replaced.

TEST_HOLD: a folder; while it holds a file named `hold`, the watch stops in front of the first pod end it would show.
TEST_NO_OWNERSHIP=1: nothing is checked against the row it is about, which is what the executor would be without the
predicate of `executor.observe.ownership`; and it is not told when the scheduler takes a launch back.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

from executor.control.machine import MachinePlan
from executor.kube.port import KubePort, PodGone, WatchEvent
from executor.kubernetes_executor import KubernetesExecutor
from executor.observe.diagnosis import base_end

POLL = 0.05


class HeldKube:
    """A KubePort whose watch can be held; everything else goes straight through."""

    def __init__(self, kube: KubePort, hold: Path) -> None:
        self._kube = kube
        self._hold = hold

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kube, name)

    async def watch_pods(
        self, namespace: str | None, selector: str, resource_version: str
    ) -> AsyncGenerator[WatchEvent, None]:
        async for event in self._kube.watch_pods(namespace, selector, resource_version):
            while _is_end(event) and self._hold.exists():  # noqa: ASYNC110 - another process removes it
                await asyncio.sleep(POLL)
            yield event


def _is_end(event: WatchEvent) -> bool:
    pod = getattr(event, "pod", None)
    return isinstance(event, PodGone) or (pod is not None and base_end(pod) is not None)


class HeldExecutor(KubernetesExecutor):
    """`AIRFLOW__CORE__EXECUTOR=tests.airflow.held_executor.HeldExecutor`."""

    def _plan(self, *arguments: Any) -> MachinePlan:
        plan = super()._plan(*arguments)
        checked = not unchecked()
        hold = Path(os.environ["TEST_HOLD"]) / "hold"

        async def connect() -> KubePort:
            held: Any = HeldKube(await plan.connect(), hold)
            return held

        return replace(plan, connect=connect, policy=replace(plan.policy, check_ownership=checked))

    def _abandon(self, launch_id: str | None, why: str) -> None:
        if not unchecked():
            super()._abandon(launch_id, why)


def unchecked() -> bool:
    return os.environ.get("TEST_NO_OWNERSHIP") == "1"
