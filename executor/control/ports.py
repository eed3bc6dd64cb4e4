"""What the loop needs from the world besides Kubernetes. Airflow implements these; tests do it in memory."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from executor.manifest import BuiltPod, WorkloadMount
from executor.model import Adopted, GivenBack, Launch, Row


class RowsDown(Exception):
    """The database did not answer. Nothing is handed over and nothing is deleted until it does."""


class IntakeError(Exception):
    """A workload cannot become a launch; the message says why. key: whose it is, None where that is not known."""

    def __init__(self, message: str, *, key: Hashable = None, launch_id: str = "") -> None:
        super().__init__(message)
        self.key = key
        self.launch_id = launch_id


class RowsPort(Protocol):
    """The rows thread. Every method raises RowsDown when the database fails."""

    async def read(self, launches: Sequence[Launch]) -> Mapping[str, Row]:
        """Rows by launch id; a launch whose row is gone is missing from the result."""

    async def keep_fresh(self, launches: Sequence[Launch]) -> int:
        """Set queued_dttm to now on rows that are still QUEUED for these launches; how many were."""

    async def rebuild(self, adopted: Sequence[Adopted]) -> Mapping[str, object]:
        """Workloads of adopted QUEUED rows by launch id, made anew; rows that moved on are missing."""

    async def give_back(self, launch: Launch, sentence: str, *, reported: bool) -> GivenBack:
        """Raise max_tries by one, once for this launch, together with the event log row that counts it.

        reported: the worker has ended the try itself (the row is UP_FOR_RETRY), else the row is RUNNING.
        """

    async def note_relaunch(self, launch: Launch, sentence: str) -> None:
        """An event log row `pod relaunched`, which is what the budget is counted by after a failover."""

    async def relaunches(self, launches: Sequence[Launch]) -> Mapping[str, int]:
        """How often each of these was relaunched, by launch id."""

    async def stale_callbacks(self, older_than: float) -> Sequence[str]:
        """Ids of callbacks queued or running for longer than so many seconds."""


class ClosableRows(RowsPort, Protocol):
    """Rows that somebody opened and has to close."""

    def close(self) -> None:
        """Ends its thread; what is under way is not waited for."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One pod to be: args are those of container base; mount: where it finds its workload, None if the args hold it."""

    launch: Launch
    number: int
    args: tuple[str, ...] = field(repr=False)
    mount: WorkloadMount | None


class PodSource(Protocol):
    """Builds manifests. Both methods raise manifest.ManifestError."""

    def build(self, attempt: Attempt) -> BuiltPod:
        """Template, configuration, secrets, override, identity."""

    def finalize(self, attempt: Attempt, manifest: dict[str, Any]) -> dict[str, Any]:
        """Identity again, after a pod_mutation_hook."""


@dataclass(frozen=True, slots=True)
class Airflow:
    """Airflow as the loop sees it.

    intake: a workload object -> Launch, raises IntakeError; mint: a launch -> token for its worker, valid for the
    given seconds; callback_launch: gives a callback's launch, read off its pod, the scheduler's key; log_path: where
    the log of a task lies that somebody else launched, relative to the base log folder, None if that cannot be told;
    mutate: the user's pod_mutation_hook, None when there is none, blocking, runs on a thread of its own.
    """

    rows: RowsPort
    intake: Callable[[object], Launch]
    mint: Callable[[Launch, float], str]
    pods: PodSource
    callback_launch: Callable[[Launch], Launch]
    log_path: Callable[[Adopted | Launch], str | None] = lambda task: None
    mutate: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None
