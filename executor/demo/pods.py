"""A watch of our own on pods: what the cluster really ran, seen beside the executor and not through it.

A thread with a loop of its own lists, then watches, and keeps one `SeenPod` per uid for ever. Nothing is asked of the
executor. A pod that came and went while history was lost (410) would be missed; `gaps` counts those times.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import aiohttp
from kubernetes.aio import client, config

log = logging.getLogger(__name__)
T = TypeVar("T")

LAUNCH_LABEL = "airflow-launch"
_PAUSE = 0.5
_TLS_GOODBYE = 0.25


@dataclass(frozen=True, slots=True)
class SeenPod:
    """All that was seen of one pod. Times are this machine's, when the news came."""

    uid: str
    name: str
    namespace: str
    first: dict[str, Any] = field(repr=False)
    last: dict[str, Any] = field(repr=False)
    seen_at: datetime
    running_at: datetime | None = None
    finished_at: datetime | None = None
    deleted_at: datetime | None = None

    @property
    def labels(self) -> dict[str, str]:
        """The labels it was made with."""
        return dict(self.first["metadata"].get("labels") or {})

    @property
    def annotations(self) -> dict[str, str]:
        """The annotations it was made with."""
        return dict(self.first["metadata"].get("annotations") or {})

    @property
    def launch(self) -> str:
        """The launch it belongs to, "" for a pod that is none of the executor's."""
        return self.labels.get(LAUNCH_LABEL, "")

    @property
    def phase(self) -> str:
        """Its last phase."""
        return str(self.last.get("status", {}).get("phase", "Pending"))


class PodWatch:
    """Watches all pods of some namespaces (all namespaces if none is named). Use as a context manager."""

    def __init__(self, kubeconfig: Path, *namespaces: str, list_timeout: float = 30) -> None:
        self._kubeconfig = kubeconfig
        self._list_timeout = list_timeout
        self._namespaces = namespaces or ("",)
        self._seen: dict[str, SeenPod] = {}
        self._changed = threading.Condition()
        self._listed: set[str] = set()
        self._versions: dict[str, str] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="pod-watch", daemon=True)
        self.gaps = 0

    def __enter__(self) -> PodWatch:
        self._thread.start()
        try:
            self._await(
                "the first list of pods", lambda: self._listed == set(self._namespaces) or None, self._list_timeout
            )
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the thread; what was seen stays."""
        with suppress(RuntimeError):  # the loop is closed: the thread has ended by itself
            self._loop.call_soon_threadsafe(lambda: [task.cancel() for task in asyncio.all_tasks(self._loop)])
        self._thread.join(10)

    def pods(self, launch: str | None = None) -> list[SeenPod]:
        """Return every pod ever seen, oldest first; of one launch if it is named."""
        with self._changed:
            return [pod for pod in self._seen.values() if launch in (None, pod.launch)]

    def live(self) -> list[SeenPod]:
        """Return the pods that are still there."""
        return [pod for pod in self.pods() if pod.deleted_at is None]

    def wait_for(self, what: str, fits: Callable[[SeenPod], bool], timeout: float = 30) -> SeenPod:
        """Return the first pod that fits, now or later.

        Raises:
            TimeoutError: none did; the message names the pods there were.
        """
        return self._await(what, lambda: next(filter(fits, self._seen.values()), None), timeout)

    def wait_gone(self, launch: str | None = None, timeout: float = 30) -> None:
        """Wait until no pod (of that launch) is left."""

        def gone() -> bool | None:
            return all(p.deleted_at for p in self._seen.values() if launch in (None, p.launch)) or None

        self._await(f"no pod of {launch or 'any launch'} left", gone, timeout)

    def _await(self, what: str, probe: Callable[[], T | None], timeout: float) -> T:
        with self._changed:
            self._changed.wait_for(lambda: probe() is not None, timeout)
            if (value := probe()) is None:
                seen = ", ".join(f"{p.namespace}/{p.name} {p.phase}" for p in self._seen.values()) or "none"
                raise TimeoutError(f"{what}: not within {timeout:g} s; pods seen: {seen}")
            return value

    # -- the thread --------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._main())
        except asyncio.CancelledError:
            log.debug("pod watch stopped")
        finally:
            self._loop.close()

    async def _main(self) -> None:
        api_client = await config.new_client_from_config(config_file=str(self._kubeconfig))
        try:
            async with api_client:
                await asyncio.gather(*(self._follow(client.CoreV1Api(api_client), name) for name in self._namespaces))
        finally:
            # TLS connections need a moment of the loop to close (aiohttp, "Graceful Shutdown").
            await asyncio.sleep(_TLS_GOODBYE)

    async def _follow(self, core: Any, namespace: str) -> None:
        """List, then watch, for ever; a cut connection is taken up where it was, a refusal (410) ends in a new list."""
        while True:
            try:
                if namespace not in self._versions:
                    await self._list(core, namespace)
                await self._stream(core, namespace)
            except client.ApiException as error:
                log.info("pod watch: %s %s; listing again", error.status, error.reason)
                self.gaps += self._versions.pop(namespace, None) is not None
                await asyncio.sleep(_PAUSE)
            except (aiohttp.ClientError, TimeoutError) as error:
                log.info("pod watch: %s; going on from the last version", error)
                await asyncio.sleep(_PAUSE)

    async def _list(self, core: Any, namespace: str) -> None:
        async with await _pods(core, namespace, _request_timeout=30) as answer:
            _require_success(answer.status, namespace)
            document = json.loads(await answer.read())
        self._versions[namespace] = document["metadata"]["resourceVersion"]
        self._take_list(namespace, document["items"])

    async def _stream(self, core: Any, namespace: str) -> None:
        """Follow one watch to its end, which servers put after some minutes."""
        options = {"watch": True, "allow_watch_bookmarks": True, "_request_timeout": 600}
        answer = await _pods(core, namespace, resource_version=self._versions[namespace], **options)
        async with answer:
            _require_success(answer.status, namespace)
            async for line in answer.content:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise client.ApiException(status=event["object"].get("code"), reason=event["object"].get("message"))
                self._versions[namespace] = event["object"]["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK":
                    self._take(event["object"], deleted=event["type"] == "DELETED")

    def _take_list(self, namespace: str, items: Iterable[dict[str, Any]]) -> None:
        present = {item["metadata"]["uid"]: item for item in items}
        with self._changed:
            for item in present.values():
                self._take(item)
            for pod in list(self._seen.values()):
                if namespace in ("", pod.namespace) and pod.uid not in present and not pod.deleted_at:
                    self._take(pod.last, deleted=True)
            self._listed.add(namespace)
            self._changed.notify_all()

    def _take(self, pod: dict[str, Any], deleted: bool = False) -> None:
        now, phase = datetime.now(UTC), pod.get("status", {}).get("phase", "Pending")
        meta = pod["metadata"]
        with self._changed:
            old = self._seen.get(meta["uid"])
            old = old or SeenPod(meta["uid"], meta["name"], meta["namespace"], first=pod, last=pod, seen_at=now)
            self._seen[meta["uid"]] = replace(
                old,
                last=pod,
                running_at=old.running_at or (now if phase == "Running" else None),
                finished_at=old.finished_at or (now if phase in ("Succeeded", "Failed") else None),
                deleted_at=old.deleted_at or (now if deleted else None),
            )
            self._changed.notify_all()


def _require_success(status: int, namespace: str) -> None:
    """Raise ApiException for any refusal."""
    if status >= 400:
        raise client.ApiException(status=status, reason=f"pods of namespace {namespace or '(all)'}")


async def _pods(core: Any, namespace: str, **options: Any) -> Any:
    if namespace:
        return await core.list_namespaced_pod(namespace, _preload_content=False, **options)
    return await core.list_pod_for_all_namespaces(_preload_content=False, **options)
