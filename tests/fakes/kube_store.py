"""What `FakeKube` keeps: pods with versions, a history that watchers read, Secrets that go with their owners."""

from __future__ import annotations

import asyncio
import copy
import itertools
from bisect import bisect_right
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from executor.errors import ApiError
from executor.kube import classify
from executor.kube.port import PodChanged, PodGone, PodRef, WatchEvent
from tests.fakes.kube_play import Play, ref, stamp, view
from tests.fakes.selectors import matches

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
Key = tuple[str, str]


def status_error(code: int, reason: str, message: str, **details: Any) -> ApiError:
    """The error that this answer of an API server becomes."""
    body = {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}
    return classify.from_response(code, msgspec.json.encode({**body, "details": details}), {}, "fake")


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the history: the object after it, and before it where there was one."""

    version: int
    pod: dict[str, Any]
    before: dict[str, Any] | None
    gone: bool = False


@dataclass(slots=True)
class FakeSecret:
    """A Secret with its data still readable, for tests that look inside."""

    namespace: str
    name: str
    labels: dict[str, str]
    data: dict[str, bytes]
    created: datetime
    owners: tuple[PodRef, ...] = ()


@dataclass
class PodStore:
    """Objects by (namespace, name); every change gets a version. `stop_after`: see FakeKube."""

    stop_after: float | None = 0.0
    pods: dict[Key, dict[str, Any]] = field(default_factory=dict)
    secrets: dict[Key, FakeSecret] = field(default_factory=dict)
    version: int = 1

    def __post_init__(self) -> None:
        self._history: list[Change] = []
        self._oldest = 0
        self._changed = asyncio.Event()
        self._breaking: ApiError | None = None
        self._streams = 0
        self._uids = itertools.count(1)

    # -- what a test does

    def play(self, name: str, namespace: str = "default") -> Play:
        """The hand of the kubelet on one pod."""
        return Play(self, (namespace, name))

    def add_pod(self, manifest: Mapping[str, Any], namespace: str = "default") -> PodRef:
        """A pod comes into being, Pending."""
        pod = self._born(namespace, copy.deepcopy(dict(manifest)))
        self.store(pod)
        return ref(pod)

    def compact(self) -> None:
        """Forget the history: versions older than now answer 410, on open streams as well."""
        self.version += 1
        self._oldest = self.version
        self._history.clear()
        self._wake()

    def break_streams(self, error: ApiError | None = None) -> None:
        """End every open watch: by this error, or as a server does when its time is up."""
        self._breaking = error
        self._streams += 1
        self._wake()

    # -- for Play and the port

    def now(self) -> datetime:
        """Loop time on a calendar, so that a virtual clock moves it."""
        return EPOCH + timedelta(seconds=asyncio.get_running_loop().time())

    def store(self, pod: dict[str, Any]) -> None:
        """Keep this as the pod's newest state and tell the watchers."""
        key = (pod["metadata"]["namespace"], pod["metadata"]["name"])
        before = self.pods.get(key)
        self.version += 1
        pod["metadata"]["resourceVersion"] = str(self.version)
        self.pods[key] = pod
        self._history.append(Change(self.version, pod, before))
        self._wake()

    def remove(self, key: Key) -> None:
        """Take the pod out of the store, as the last step of a deletion."""
        pod = self.pods.pop(key)
        self.version += 1
        last = copy.deepcopy(pod)
        last["metadata"]["resourceVersion"] = str(self.version)
        self._history.append(Change(self.version, last, pod, gone=True))
        self.collect_secrets()
        self._wake()

    def start_deletion(self, pod: dict[str, Any], grace: int) -> None:
        """What DELETE does: a pod that no node has, or a grace of 0, goes at once; else its node is asked."""
        key = (pod["metadata"]["namespace"], pod["metadata"]["name"])
        finished = pod["status"].get("phase") in ("Succeeded", "Failed")
        if not pod["spec"].get("nodeName") or grace == 0 or finished:
            self.remove(key)
            return
        if pod["metadata"].get("deletionTimestamp"):
            return
        marked = copy.deepcopy(pod)
        marked["metadata"]["deletionTimestamp"] = stamp(self.now() + timedelta(seconds=grace))
        marked["metadata"]["deletionGracePeriodSeconds"] = grace
        self.store(marked)
        if self.stop_after is not None:
            stop = Play(self, key, pod["metadata"]["uid"]).stopped
            asyncio.get_running_loop().call_later(min(self.stop_after, grace), stop)

    def collect_secrets(self) -> None:
        """The garbage collector: a Secret goes with the last of its owners."""
        alive = {pod["metadata"]["uid"] for pod in self.pods.values()}
        for key, secret in list(self.secrets.items()):
            if secret.owners and not any(owner.uid in alive for owner in secret.owners):
                del self.secrets[key]

    async def changes(self, namespace: str | None, selector: str, version: int) -> AsyncGenerator[WatchEvent]:
        """Everything after this version, as a watch shows it, until `break_streams`. Raises Gone after `compact`."""
        stream = self._streams
        while True:
            self.refuse_version(version)
            changed = self._changed
            for change in self._after(version):
                version = change.version
                event = _event(change, namespace, selector)
                if event is not None:
                    yield event
            if self._streams != stream:
                break
            if changed is self._changed:
                await changed.wait()
        if self._breaking is not None:
            raise self._breaking

    def refuse_version(self, version: int) -> None:
        """Raises Gone when the history before this version is forgotten."""
        if version < self._oldest:
            raise status_error(410, "Expired", f"too old resource version: {version} ({self._oldest})")

    def _after(self, version: int) -> list[Change]:
        return self._history[bisect_right(self._history, version, key=lambda change: change.version) :]

    def _born(self, namespace: str, pod: dict[str, Any]) -> dict[str, Any]:
        meta = pod.setdefault("metadata", {})
        uid = f"00000000-0000-4000-8000-{next(self._uids):012d}"
        meta.update(namespace=namespace, uid=uid, creationTimestamp=stamp(self.now()))
        pod.setdefault("spec", {})
        pod["status"] = {"phase": "Pending"}
        return pod

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def selected(pod: dict[str, Any], namespace: str | None, selector: str) -> bool:
    meta = pod["metadata"]
    return namespace in (None, meta["namespace"]) and matches(selector, meta.get("labels") or {})


def _event(change: Change, namespace: str | None, selector: str) -> WatchEvent | None:
    """What a watcher with this selector sees: an object that stops matching is DELETED for it."""
    matched = change.before is not None and selected(change.before, namespace, selector)
    now = selected(change.pod, namespace, selector)
    if now and not change.gone:
        return PodChanged(view(change.pod))
    return PodGone(view(change.pod)) if matched else None
