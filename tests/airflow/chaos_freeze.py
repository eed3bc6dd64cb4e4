"""The executor with points at which its whole process stops, as a frozen machine does; no code of it is replaced.

TEST_FREEZE names a folder. While that holds a file `at` whose text is the name of a point, the loop that gets there
first takes the file away and halts, and its process stops itself (SIGSTOP) in the next heartbeat: the scheduler is
between two transactions then, so that it holds no lock of the database which the others would wait for. After SIGCONT
the heartbeat comes first, and the loop goes on with a lease that looks valid: the worst order.

Points: `taken`, a launch was taken off the queue and is made into a pod; `posting`, its create is about to be sent;
`posted`, the create was carried out and its answer is not read yet.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from executor.control.machine import MachinePlan
from executor.kube.port import KubePort, PodRef
from executor.kubernetes_executor import KubernetesExecutor
from executor.model import Launch

LONGEST_FREEZE = 300.0


class Freezer:
    """Halts the loop's thread at a point; the scheduler's thread stops the process."""

    def __init__(self, folder: Path) -> None:
        self._at = folder / "at"
        self._halted, self._go_on = threading.Event(), threading.Event()

    def reach(self, point: str) -> None:
        """Called by the loop's thread."""
        if not self._is_for_me(point):
            return
        self._go_on.clear()
        self._halted.set()
        self._go_on.wait(LONGEST_FREEZE)

    def _is_for_me(self, point: str) -> bool:
        """Whoever takes the file away first."""
        with suppress(FileNotFoundError):
            if self._at.read_text() == point:
                self._at.unlink()
                return True
        return False

    def stop_if_halted(self) -> bool:
        """Called by the scheduler's thread: returns when somebody sends SIGCONT. True if it did stop."""
        halted = self._halted.is_set()
        if halted:
            os.kill(os.getpid(), signal.SIGSTOP)
        return halted

    def release(self) -> None:
        """The loop goes on."""
        self._halted.clear()
        self._go_on.set()


class FreezingKube:
    """A KubePort that halts around creates; everything else goes straight through."""

    def __init__(self, kube: KubePort, freezer: Freezer) -> None:
        self._kube, self._freezer = kube, freezer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kube, name)

    async def create_pod(self, namespace: str, manifest: Mapping[str, Any]) -> PodRef:
        self._freezer.reach("posting")
        ref = await self._kube.create_pod(namespace, manifest)
        self._freezer.reach("posted")
        return ref


class FreezingExecutor(KubernetesExecutor):
    """`AIRFLOW__CORE__EXECUTOR=tests.airflow.chaos_freeze.FreezingExecutor`; without TEST_FREEZE it is as any other."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        folder = os.environ.get("TEST_FREEZE")
        self._freezer = Freezer(Path(folder)) if folder else None

    def _plan(self, *arguments: Any) -> MachinePlan:
        plan = super()._plan(*arguments)
        return plan if self._freezer is None else freezing(plan, self._freezer)

    def heartbeat(self) -> None:
        if self._freezer is None:
            super().heartbeat()
            return
        stopped = self._freezer.stop_if_halted()
        super().heartbeat()
        if stopped:  # not a halt that this very heartbeat led to
            self._freezer.release()


def freezing(plan: MachinePlan, freezer: Freezer) -> MachinePlan:
    """The plan with these points in it."""

    async def connect() -> KubePort:
        return cast("KubePort", FreezingKube(await plan.connect(), freezer))

    def mint(launch: Launch, life: float) -> str:
        freezer.reach("taken")
        return plan.airflow.mint(launch, life)

    return replace(plan, connect=connect, airflow=replace(plan.airflow, mint=mint))
