"""The live log of a launch, read by the API server process for its UI.

The log is given from its first line on: Airflow asks again and again, and each time skips as many lines as it had
before (`log_pos` in `utils/log/file_task_handler.py`), so that a window that moves on would show nothing new.
Synchronous: everything happens in one short-lived event loop of the calling thread. Nothing is left behind, neither a
connection nor a thread nor a file, and no exception leaves: what went wrong is one line for a person.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from executor.errors import ApiError
from executor.kube.client import KubeApi
from executor.kube.log_spool import LogSpool
from executor.kube.settings import KubeSettings
from executor.observe.pod_view import PodView

log = logging.getLogger(__name__)

_LIMIT_BYTES = 32 * 1024 * 1024  # the kubelet begins a log anew at 10 MiB (`containerLogMaxSize`)


@dataclass(frozen=True, slots=True)
class LiveLog:
    """What a container has written so far. `lines` can be gone through once."""

    pod: str
    namespace: str
    lines: Iterable[str]


def read_live_log(
    settings: KubeSettings,
    namespaces: Sequence[str | None],
    selector: str,
    speakers: Callable[[Sequence[PodView]], Sequence[PodView]],
    container: str = "base",
    tail_lines: int | None = None,
    timeout: float = 5.0,
) -> LiveLog | str:
    """The log of the first pod that has one, or one line that says why there is none.

    namespaces: where to look, None = everywhere. speakers: of the pods that match the selector, those whose log is
    wanted, the most wanted first. tail_lines: None = everything, up to the first 32 MiB.
    timeout: seconds for everything together. Raises nothing.
    """
    try:
        return _run(_read(settings, namespaces, selector, speakers, container, tail_lines), timeout)
    except TimeoutError:
        return f"The log could not be read from Kubernetes within {timeout:g} s"
    except ApiError as error:
        return f"The log could not be read from Kubernetes: {error}"
    except Exception:
        log.exception("Reading a live log failed")
        return "The log could not be read from Kubernetes: an internal error, see the log of the API server process"


def _run(reading: Coroutine[Any, Any, LiveLog | str], timeout: float) -> LiveLog | str:
    async def limited() -> LiveLog | str:
        return await asyncio.wait_for(reading, timeout)

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(limited())
    with ThreadPoolExecutor(1) as pool:  # called from a coroutine: this thread's loop is taken
        return pool.submit(asyncio.run, limited()).result()


async def _read(
    settings: KubeSettings,
    namespaces: Sequence[str | None],
    selector: str,
    speakers: Callable[[Sequence[PodView]], Sequence[PodView]],
    container: str,
    tail_lines: int | None,
) -> LiveLog | str:
    api = await KubeApi.open(settings)
    try:
        lists = await asyncio.gather(*(_pods(api, namespace, selector) for namespace in namespaces))
        pods = speakers([pod for found, _ in lists for pod in found])
        problems = [f"The pod could not be looked up: {error}" for _, error in lists if error is not None]
        return await _first_log(api, pods, container, tail_lines, problems)
    finally:
        await api.close()


async def _first_log(
    api: KubeApi, pods: Sequence[PodView], container: str, tail_lines: int | None, problems: list[str]
) -> LiveLog | str:
    for pod in pods:
        meta = pod.metadata
        try:
            lines = await _lines(api, pod, container, tail_lines)
        except ApiError as error:
            problems.append(f"Pod {meta.name} in namespace {meta.namespace} has no log to show: {error}")
            continue
        return LiveLog(meta.name, meta.namespace, lines)
    return problems[-1] if problems else "No pod of this launch exists (any more)"


async def _lines(api: KubeApi, pod: PodView, container: str, tail_lines: int | None) -> Iterable[str]:
    """Raises ApiError."""
    spool, meta = LogSpool(_LIMIT_BYTES), pod.metadata
    async with aclosing(api.log_so_far(meta.namespace, meta.name, container, tail_lines)) as chunks:
        async for chunk in chunks:
            spool.add(chunk)
            if spool.full:
                return _with_notice(spool, f"kubectl logs -n {meta.namespace} {meta.name} -c {container}")
    return spool


def _with_notice(lines: Iterable[str], command: str) -> Iterator[str]:
    yield from lines
    yield f"The log goes on; these are its first {_LIMIT_BYTES >> 20} MiB. All of it: {command}"


async def _pods(api: KubeApi, namespace: str | None, selector: str) -> tuple[Sequence[PodView], ApiError | None]:
    try:
        return (await api.list_pods(namespace, selector)).pods, None
    except ApiError as error:
        return (), error
