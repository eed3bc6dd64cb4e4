"""How a running container is ended: preStop, SIGTERM, SIGKILL (Kubernetes: "Pod Lifecycle", termination of Pods;
killContainer in pkg/kubelet/kuberuntime/kuberuntime_container.go).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from signal import SIGKILL, SIGTERM
from typing import Any

from executor.localcluster.node.container_run import ContainerRun
from executor.localcluster.node.waiting import cancel_all, first_of

SHUTDOWN_WINDOW = 2.0  # seconds between SIGTERM and SIGKILL where preStop has used up the grace period

Hook = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a container is stopped. message: of the Killing event; grace: seconds, None where the pod's end decides;
    again: whether it starts again whatever its exit code."""

    message: str
    grace: float | None = None
    again: bool = False


async def terminate(run: ContainerRun, end: asyncio.Task[Any], hook: Hook | None, over: asyncio.Event) -> None:
    """End a container within the time until `over` is set; returns when `end` is done."""
    if over.is_set() or end.done():
        run.signal(SIGKILL)
        return await first_of(end)
    cut_short = hook is not None and not await _in_time(hook, end, over)
    run.signal(SIGTERM)
    if cut_short:
        await asyncio.wait([end], timeout=SHUTDOWN_WINDOW)
    else:
        await first_of(end, over)
    run.signal(SIGKILL)
    await first_of(end)


async def _in_time(hook: Hook, end: asyncio.Task[Any], over: asyncio.Event) -> bool:
    """False if the hook was still at it when the time was over."""
    running = asyncio.ensure_future(hook())
    try:
        await first_of(running, end, over)
        return not over.is_set()
    finally:
        await cancel_all(asyncio.ensure_future(running))
