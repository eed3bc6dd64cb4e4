"""A Kubernetes API in memory, behind the port: versions, history, watchers, quota, graceful deletion, failures.

Errors are made from Status objects as a real server words them, through the real classifier. Nothing here sleeps
unless `latency` is set; then it sleeps in loop time, so a virtual clock can drive it.

What it does not do: validate manifests, schedule, run anything. `play` moves a pod as a kubelet would.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from executor.errors import ApiError, Forbidden, NotFound
from executor.kube.port import Listed, PodEvent, PodRef, SecretRef, WatchEvent
from executor.observe.pod_view import PodView
from tests.fakes.kube_play import view
from tests.fakes.kube_store import EPOCH, FakeSecret, Key, PodStore, selected, status_error
from tests.fakes.selectors import matches

__all__ = ["EPOCH", "Call", "FakeKube", "FakeSecret", "status_error"]


@dataclass(frozen=True, slots=True)
class Call:
    """One request, as a failure function or a test sees it."""

    verb: str
    resource: str
    namespace: str | None
    name: str = ""


@dataclass
class FakeKube(PodStore):
    """Implements `port.KubePort`; its fields may be changed at any time.

    fail: called before each request is carried out; what it returns is raised.
    lose_answer: called after a request was carried out; what it returns is raised instead of the answer.
    latency: seconds of loop time before each request. quota: namespace -> pods that may exist and not be finished.
    namespaces: those that exist, None = any. stop_after: seconds between the delete of a started pod and its end
    (None = when the test calls `play(...).stopped()`).
    """

    fail: Callable[[Call], ApiError | None] = lambda call: None
    lose_answer: Callable[[Call], ApiError | None] = lambda call: None
    latency: float = 0.0
    quota: dict[str, int] = field(default_factory=dict)
    namespaces: set[str] | None = None
    forbidden: set[str] = field(default_factory=set)
    calls: list[Call] = field(default_factory=list)
    events: dict[str, list[PodEvent]] = field(default_factory=dict)  # by pod uid
    logs: dict[Key, str] = field(default_factory=dict)
    closed: bool = False

    # -- the port

    async def create_pod(self, namespace: str, manifest: Mapping[str, Any]) -> PodRef:
        name = str(manifest["metadata"]["name"])
        async with _Answer(self, Call("create", "pods", namespace, name)):
            self._refuse_create(namespace, name)
            made = self.add_pod(manifest, namespace)
        return made

    async def read_pod(self, namespace: str, name: str) -> PodView:
        async with _Answer(self, Call("get", "pods", namespace, name)):
            return view(self._found(namespace, name))

    async def delete_pod(self, pod: PodRef, *, grace_seconds: int | None = None, version: str = "") -> bool:
        async with _Answer(self, Call("delete", "pods", pod.namespace, pod.name)):
            stored = self.pods.get((pod.namespace, pod.name))
            if stored is None or stored["metadata"]["uid"] != pod.uid:
                return False
            has = stored["metadata"]["resourceVersion"]
            if version not in ("", has):
                message = f"Precondition failed: ResourceVersion in precondition: {version}, in object meta: {has}"
                raise status_error(409, "Conflict", message, kind="pods", name=pod.name)
            self.start_deletion(stored, 30 if grace_seconds is None else grace_seconds)
        return True

    async def set_deadline(self, pod: PodRef, seconds: int) -> None:
        async with _Answer(self, Call("patch", "pods", pod.namespace, pod.name)):
            stored = self._found(pod.namespace, pod.name, pod.uid)
            stored = copy.deepcopy(stored)
            stored["spec"]["activeDeadlineSeconds"] = seconds
            self.store(stored)

    async def list_pods(self, namespace: str | None, selector: str) -> Listed:
        async with _Answer(self, Call("list", "pods", namespace)):
            found = tuple(view(pod) for pod in self.pods.values() if selected(pod, namespace, selector))
            return Listed(namespace, found, str(self.version))

    async def watch_pods(
        self, namespace: str | None, selector: str, resource_version: str
    ) -> AsyncGenerator[WatchEvent]:
        async with _Answer(self, Call("watch", "pods", namespace)):
            self.refuse_version(int(resource_version))
        async with aclosing(self.changes(namespace, selector, int(resource_version))) as events:
            async for event in events:
                yield event

    async def read_log(self, namespace: str, name: str, *, container: str, tail_lines: int, limit_bytes: int) -> str:
        async with _Answer(self, Call("get", "pods/log", namespace, name)):
            self._found(namespace, name)
            lines = self.logs.get((namespace, name), "").splitlines(keepends=True)
            return "".join(lines[-tail_lines:]).encode()[-limit_bytes:].decode(errors="replace")

    async def follow_log(self, namespace: str, name: str, *, container: str, tail_lines: int) -> AsyncGenerator[bytes]:
        async with _Answer(self, Call("follow", "pods/log", namespace, name)):
            self._found(namespace, name)
        key = namespace, name
        sent = len("".join(self.logs.get(key, "").splitlines(keepends=True)[:-tail_lines]))
        while True:
            changed, going = self._changed, self.runs(key)
            text = self.logs.get(key, "")
            if text[sent:]:
                yield text[sent:].encode()
                sent = len(text)
            if not going:
                return
            await changed.wait()

    async def list_pod_events(self, pod: PodRef) -> Sequence[PodEvent]:
        try:
            async with _Answer(self, Call("list", "events", pod.namespace)):
                return tuple(self.events.get(pod.uid, ()))
        except Forbidden:
            return ()

    async def create_secret(
        self, namespace: str, name: str, *, labels: Mapping[str, str], data: Mapping[str, bytes]
    ) -> None:
        async with _Answer(self, Call("create", "secrets", namespace, name)):
            if (namespace, name) in self.secrets:
                raise status_error(409, "AlreadyExists", f'secrets "{name}" already exists', kind="secrets")
            self.secrets[namespace, name] = FakeSecret(namespace, name, dict(labels), dict(data), self.now())

    async def own_secret(self, namespace: str, name: str, owners: Sequence[PodRef]) -> None:
        async with _Answer(self, Call("patch", "secrets", namespace, name)):
            if (namespace, name) not in self.secrets:
                raise status_error(404, "NotFound", f'secrets "{name}" not found', kind="secrets")
            self.secrets[namespace, name].owners = tuple(owners)
            self.collect_secrets()

    async def delete_secret(self, namespace: str, name: str) -> None:
        try:
            async with _Answer(self, Call("delete", "secrets", namespace, name)):
                self.secrets.pop((namespace, name), None)
        except NotFound:
            return

    async def list_secrets(self, namespace: str | None, selector: str) -> Sequence[SecretRef]:
        async with _Answer(self, Call("list", "secrets", namespace)):
            found = [s for s in self.secrets.values() if namespace in (None, s.namespace)]
            return [SecretRef(s.namespace, s.name, s.created) for s in found if matches(selector, s.labels)]

    async def close(self) -> None:
        self.closed = True
        self.break_streams()

    # -- what a test does to the cluster

    def pod(self, name: str, namespace: str = "default") -> PodView:
        """The pod as it is stored. Raises KeyError when it does not exist."""
        return view(self.pods[namespace, name])

    def writes(self, key: Key, text: str) -> None:
        """`base` of this pod writes to its log."""
        self.logs[key] = self.logs.get(key, "") + text
        self._wake()

    def runs(self, key: Key) -> bool:
        """`base` of this pod runs."""
        status = self.pods.get(key, {}).get("status", {})
        return any("running" in one["state"] for one in status.get("containerStatuses", []) if one["name"] == "base")

    def count(self, verb: str, resource: str = "pods") -> int:
        """How often this was asked."""
        return sum(call.verb == verb and call.resource == resource for call in self.calls)

    # -- inside

    def _found(self, namespace: str, name: str, uid: str | None = None) -> dict[str, Any]:
        pod = self.pods.get((namespace, name))
        if pod is None or uid not in (None, pod["metadata"]["uid"]):
            raise status_error(404, "NotFound", f'pods "{name}" not found', kind="pods", name=name)
        return pod

    def _refuse_create(self, namespace: str, name: str) -> None:
        if (namespace, name) in self.pods:
            raise status_error(409, "AlreadyExists", f'pods "{name}" already exists', kind="pods", name=name)
        used = sum(
            pod["status"].get("phase") not in ("Succeeded", "Failed")
            for (where, _), pod in self.pods.items()
            if where == namespace
        )
        if namespace in self.quota and used >= self.quota[namespace]:
            limit = self.quota[namespace]
            message = f'pods "{name}" is forbidden: exceeded quota: pods, requested: pods=1, used: pods={used}, limited'
            raise status_error(403, "Forbidden", f"{message}: pods={limit}", kind="pods", name=name)


class _Answer:
    """Around one request: latency, injected failures, missing and forbidden namespaces; then a lost answer."""

    def __init__(self, kube: FakeKube, call: Call) -> None:
        self._kube, self._call = kube, call

    async def __aenter__(self) -> None:
        kube, call = self._kube, self._call
        kube.calls.append(call)
        await asyncio.sleep(kube.latency)
        error = kube.fail(call) or self._no_access()
        if error is not None:
            raise error

    async def __aexit__(self, kind: object, error: object, trace: object) -> None:
        lost = self._kube.lose_answer(self._call) if error is None else None
        if lost is not None:
            raise lost

    def _no_access(self) -> ApiError | None:
        kube, call = self._kube, self._call
        if call.namespace in kube.forbidden:
            user = 'User "system:serviceaccount:airflow:scheduler"'
            message = f'{call.resource} is forbidden: {user} cannot {call.verb} resource "{call.resource}"'
            return status_error(403, "Forbidden", f'{message} in the namespace "{call.namespace}"', kind=call.resource)
        missing = kube.namespaces is not None and call.namespace is not None and call.namespace not in kube.namespaces
        if missing and call.verb == "create":
            return status_error(404, "NotFound", f'namespaces "{call.namespace}" not found', kind="namespaces")
        return None
