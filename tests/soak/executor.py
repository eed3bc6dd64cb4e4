"""The executor under test, with one protection at a time switched off, so that the soak is seen to fail without it.

SOAK_WITHOUT names one of `SWITCHES`. Nothing of the executor is replaced but what the switch is about, through the
ports and plans that it has.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, cast

from executor.control.machine import MachinePlan
from executor.errors import AlreadyExists, Invalid, Throttled, Unreachable
from executor.kube.port import KubePort, PodRef
from executor.kubernetes_executor import KubernetesExecutor
from executor.model import Event, Message

TWINS = "409-is-success"
RECONCILIATION = "reconciliation"
PREDICATE = "row-predicate"
CONFIRMATION = "repeat-until-confirmed"
SWITCHES = (TWINS, RECONCILIATION, PREDICATE, CONFIRMATION)

NEVER = 1e9
SWEEP_SECONDS = 15.0


class NoTwins:
    """A KubePort for which a create that is not answered was not carried out, and a pod that exists is a refusal."""

    def __init__(self, kube: KubePort) -> None:
        self._kube = kube

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kube, name)

    async def create_pod(self, namespace: str, manifest: Mapping[str, Any]) -> PodRef:
        try:
            return await self._kube.create_pod(namespace, manifest)
        except AlreadyExists as error:
            raise Invalid(error.message, status=409) from None
        except Unreachable as error:
            raise Throttled(error.message, status=429) from None


class SoakExecutor(KubernetesExecutor):
    """`AIRFLOW__CORE__EXECUTOR=tests.soak.executor.SoakExecutor`."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._without = os.environ.get("SOAK_WITHOUT", "")
        self._handed: set[str] = set()

    def _plan(self, *arguments: Any) -> MachinePlan:
        plan = super()._plan(*arguments)
        plan = replace(plan, rhythm=replace(plan.rhythm, sweep=SWEEP_SECONDS))
        if self._without == RECONCILIATION:
            plan = replace(plan, rhythm=replace(plan.rhythm, reconcile=NEVER))
        if self._without == PREDICATE:
            plan = replace(plan, policy=replace(plan.policy, check_ownership=False))
        if self._without == TWINS:
            plan = replace(plan, connect=_without_twins(plan))
        return plan

    def _take(self, message: Message) -> None:
        if self._without == CONFIRMATION and isinstance(message, Event):
            if message.launch_id in self._handed:
                return
            self._handed.add(message.launch_id)
        super()._take(message)


def _without_twins(plan: MachinePlan) -> Callable[[], Awaitable[KubePort]]:
    async def connect() -> KubePort:
        refusing: Any = NoTwins(await plan.connect())
        return cast("KubePort", refusing)

    return connect
