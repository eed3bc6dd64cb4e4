"""What the executor asks of Kubernetes: the one port between control and the API server.

`client.KubeApi` implements it on the official asyncio client; tests implement it in memory. Every method raises only
the tree in `executor.errors`. No method retries by itself except once after a 401, with credentials read anew.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from executor.observe.pod_view import PodView


@dataclass(frozen=True, slots=True)
class PodRef:
    """Which pod: enough to delete exactly this one."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class SecretRef:
    """A workload Secret as a list shows it."""

    namespace: str
    name: str
    created: datetime | None


@dataclass(frozen=True, slots=True)
class PodEvent:
    """One Kubernetes event about a pod."""

    reason: str
    message: str
    type: str
    count: int
    last_seen: datetime | None


@dataclass(frozen=True, slots=True)
class PodChanged:
    """Here is the pod now: ADDED, MODIFIED, or found by a list."""

    pod: PodView


@dataclass(frozen=True, slots=True)
class PodGone:
    """The pod was deleted; `pod` is its last object."""

    pod: PodView


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Nothing happened up to this version."""

    resource_version: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A complete list: pods not in it are gone."""

    namespace: str | None
    pods: tuple[PodView, ...]
    resource_version: str


WatchEvent = PodChanged | PodGone | Bookmark


class KubePort(Protocol):
    """Kubernetes as control sees it. A namespace of None means all namespaces."""

    async def create_pod(self, namespace: str, manifest: Mapping[str, Any]) -> PodRef:
        """Create with fieldValidation=Strict. Raises AlreadyExists, Refused kinds, Transient kinds."""

    async def read_pod(self, namespace: str, name: str) -> PodView:
        """Raises NotFound when it does not exist."""

    async def delete_pod(self, pod: PodRef, *, grace_seconds: int | None = None, version: str = "") -> bool:
        """Delete with a uid precondition; False when it (or this uid) was gone already.

        version: the resourceVersion that it must still have, "" for any; raises WriteConflict where it has another.
        Options come from `delete_option_kwargs`.
        """

    async def set_deadline(self, pod: PodRef, seconds: int) -> None:
        """Patch activeDeadlineSeconds, which stops leftover containers of a pod that is to be kept."""

    async def list_pods(self, namespace: str | None, selector: str) -> Listed:
        """All pages, label selector."""

    def watch_pods(self, namespace: str | None, selector: str, resource_version: str) -> AsyncGenerator[WatchEvent]:
        """One watch stream with bookmarks. Ends when the server closes it.

        Raises Gone on 410, Unreachable on a broken or silent stream.
        """

    async def read_log(self, namespace: str, name: str, *, container: str, tail_lines: int, limit_bytes: int) -> str:
        """The last `tail_lines` lines, cut to the last `limit_bytes` bytes."""

    def follow_log(self, namespace: str, name: str, *, container: str, tail_lines: int) -> AsyncGenerator[bytes]:
        """The last `tail_lines` lines, then what comes, without timestamps, in chunks, until the container ends.

        No time limit. Raises Unreachable on a broken stream, NotFound, BadRequest where there is no log (any more).
        """

    async def list_pod_events(self, pod: PodRef) -> Sequence[PodEvent]:
        """Events about this pod, oldest first."""

    async def create_secret(
        self, namespace: str, name: str, *, labels: Mapping[str, str], data: Mapping[str, bytes]
    ) -> None:
        """An immutable Secret with these keys. Bodies never reach a log."""

    async def own_secret(self, namespace: str, name: str, owners: Sequence[PodRef]) -> None:
        """Set ownerReferences to these pods, so that Kubernetes deletes it with the last of them; () changes nothing
        but the answer to a Secret that is not there. Raises NotFound."""

    async def delete_secret(self, namespace: str, name: str) -> None:
        """Gone already is success."""

    async def list_secrets(self, namespace: str | None, selector: str) -> Sequence[SecretRef]:
        """Metadata only."""

    async def close(self) -> None:
        """Close every connection."""
