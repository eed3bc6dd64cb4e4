"""What the executor knows: every launch that is not settled, and every pod of this deployment.

The one writer is the loop. Tracked by launch id, because two launches of one key can be alive (a leg that is still
terminating, and the next one already queued).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from executor.identity import ATTEMPT_ANNOTATION, KIND_LABEL, LAUNCH_LABEL, TI_LABEL
from executor.kube.port import PodEvent, PodRef
from executor.model import Adopted, Event, Kind, Launch
from executor.observe.decide import Facts, Progress
from executor.observe.diagnosis import PodClass, base_started, is_alive
from executor.observe.pod_view import PodView, shared

PodKey = tuple[str, str]  # namespace, name
Place = tuple[str, ...]  # dag, task, run, map index; of a callback its id
K = TypeVar("K")


def pod_key(pod: PodView) -> PodKey:
    return pod.metadata.namespace, pod.metadata.name


def ref_of(pod: PodView) -> PodRef:
    return PodRef(pod.metadata.namespace, pod.metadata.name, pod.metadata.uid)


def attempt_of(pod: PodView) -> int:
    """Which of its launch's pods this is, from 1."""
    text = pod.metadata.annotations.get(ATTEMPT_ANNOTATION, "")
    return int(text) if text.isdecimal() else 1


def is_running(pod: PodView) -> bool:
    """Its worker is at work."""
    return is_alive(pod) and base_started(pod)


def awaits_secret(pod: PodView) -> bool:
    """Its worker has not started and may still do so: it needs its workload."""
    return is_alive(pod) and not base_started(pod) and pod.metadata.deletion_timestamp is None


@dataclass(slots=True)
class Tracked:
    """One launch in flight. Times are monotonic seconds of the loop."""

    launch: Launch
    progress: Progress = Progress.WAITING
    attempt: int = 1
    relaunches: int = 0
    refusal: str = ""
    adopted: Adopted | None = None  # taken over, its workload is not known
    checked: str = ""  # uid of the pod whose Secret was asked for
    unanswered: int = 0  # the attempt whose create may have been carried out, nobody knows
    found: PodView | None = None  # what the watch showed of the present attempt before its create was answered
    pod: PodRef | None = None
    seen: PodView | None = None
    present: bool = False
    cls: PodClass | None = None
    class_since: float = 0.0
    queued_at: float = 0.0
    posted_at: float = 0.0
    namespace: str | None = None
    not_found: int = 0  # how often its namespace was missing
    pushed_back: int = 0  # how often its create was to come back later
    reread: bool = False
    settling_up: bool = False  # the ledger is at it
    given_back: str = ""  # a disruption's try was dealt with; how
    warning: str = ""  # the last warning among its pod's events
    events: tuple[PodEvent, ...] | None = None  # its pod's, asked for when the launch fails
    asking: bool = False  # for them
    waiting: bool = True  # its row is kept fresh
    searched: str = ""  # the name of a pod that was asked for last
    workload_lost: bool = False  # its pod mounts a Secret that is not there
    started_reported: bool = False
    ceded: bool = False  # settled because another scheduler has it: its pods are that one's
    handed: Event | None = None
    handed_at_drain: int = -1
    read_at_drain: int = -1  # the scheduler's drains before its row was read last
    said: tuple[str, ...] = ()

    def facts(self, others: tuple[PodView, ...]) -> Facts:
        """others: further pods of its task instance that are known."""
        return Facts(
            launch=self.launch,
            progress=self.progress,
            refusal=self.refusal,
            relaunches=self.relaunches,
            warning=self.warning,
            given_back=self.given_back,
            others=others,
            searched=self.searched,
            class_since=self.class_since,
            posted_at=self.posted_at,
            reread=self.reread,
            workload_lost=self.workload_lost,
            started_reported=self.started_reported,
        )


class Tracker:
    """Launches by id, newest launch by key, pods by name and by task instance."""

    def __init__(self) -> None:
        self._launches: dict[str, Tracked] = {}
        self._newest: dict[Hashable, str] = {}
        self.pods: dict[PodKey, PodView] = {}
        # Tuples: nearly all have one pod, and a set of one weighs as much as the rest of its launch.
        self._pods_of_ti: dict[str, tuple[PodKey, ...]] = {}
        self._pods_at: dict[Place, tuple[PodKey, ...]] = {}
        self._followed: dict[str, str] = {}  # launches that an earlier one's pod came to run, by its uid

    def __len__(self) -> int:
        return len(self._launches)

    def __iter__(self) -> Iterator[Tracked]:
        return iter(list(self._launches.values()))

    def get(self, launch_id: str) -> Tracked | None:
        return self._launches.get(launch_id)

    def newest(self, key: Hashable) -> Tracked | None:
        return self._launches.get(self._newest.get(key, ""))

    def add(self, tracked: Tracked) -> None:
        self._launches[tracked.launch.id] = tracked
        self._newest[tracked.launch.key] = tracked.launch.id

    def drop(self, tracked: Tracked) -> None:
        """Settled: forget the launch, not its pod, which stays until the watch says it is gone."""
        self._launches.pop(tracked.launch.id, None)
        self._followed = {uid: launch for uid, launch in self._followed.items() if launch != tracked.launch.id}
        if self._newest.get(tracked.launch.key) == tracked.launch.id:
            del self._newest[tracked.launch.key]

    def see(self, pod: PodView) -> Tracked | None:
        """Here is the pod now. Returns the launch it is the current attempt of."""
        key = pod_key(pod)
        self.pods[key] = shared(pod)
        _add(self._pods_of_ti, pod.metadata.labels.get(TI_LABEL, ""), key)
        _add(self._pods_at, _place_of(pod), key)
        return self._attach(pod, present=True)

    def lose(self, pod: PodView) -> Tracked | None:
        """The pod is gone; this is its last object."""
        key = pod_key(pod)
        known = self.pods.get(key)
        if known is not None and known.metadata.uid != pod.metadata.uid:
            return self._attach(pod, present=False)  # its name is another pod's by now
        self.pods.pop(key, None)
        _remove(self._pods_of_ti, pod.metadata.labels.get(TI_LABEL, ""), key)
        _remove(self._pods_at, _place_of(pod), key)
        return self._attach(pod, present=False)

    def whose(self, pod: PodView) -> Tracked | None:
        """The launch that follows this pod, or that it was made for."""
        launch = self._followed.get(pod.metadata.uid) or pod.metadata.labels.get(LAUNCH_LABEL, "")
        return self._launches.get(launch)

    def follows(self, pod: PodView) -> bool:
        """A launch that is not settled follows this very pod."""
        tracked = self.whose(pod)
        return tracked is not None and tracked.pod is not None and tracked.pod.uid == pod.metadata.uid

    def _attach(self, pod: PodView, present: bool) -> Tracked | None:
        tracked = self.whose(pod)
        if tracked is None or not _is_current(tracked, pod):
            if tracked is not None and tracked.pod is None and attempt_of(pod) == tracked.attempt:
                tracked.found = pod
            return None
        if tracked.pod is None or tracked.pod.uid != pod.metadata.uid:
            tracked.pod, tracked.attempt = ref_of(pod), attempt_of(pod)
        tracked.seen, tracked.present = pod, present
        if tracked.progress is not Progress.REFUSED:
            tracked.progress = Progress.SEEN
        return tracked

    def posted(self, tracked: Tracked) -> None:
        """Its pod was created; the watch may have shown it, and even its end, before the answer came."""
        assert tracked.pod is not None
        tracked.progress = Progress.UNSEEN
        pod = self.pods.get((tracked.pod.namespace, tracked.pod.name))
        if pod is not None:
            self._attach(pod, present=True)
        elif tracked.found is not None and tracked.found.metadata.uid == tracked.pod.uid:
            self._attach(tracked.found, present=False)
        tracked.found = None

    def unasked(self, tracked: Tracked) -> PodView | None:
        """The pod whose create was not answered, as it is now, if the watch has shown it."""
        pod = self.pods.get(pod_key(tracked.found)) if tracked.found is not None else None
        return pod if pod is not None and pod.metadata.labels.get(LAUNCH_LABEL) == tracked.launch.id else None

    def pods_of(self, ti_id: str) -> list[PodView]:
        return [self.pods[key] for key in self._pods_of_ti.get(ti_id, ())]

    def others(self, tracked: Tracked) -> tuple[PodView, ...]:
        """Pods of the same task instance besides the launch's own: of earlier launches, of other attempts."""
        mine = tracked.pod.uid if tracked.pod else ""
        return tuple(pod for pod in self.pods_of(tracked.launch.ti_id) if pod.metadata.uid != mine)

    def switch(self, tracked: Tracked, pod: PodView) -> None:
        """From now on this is the launch's pod."""
        if pod.metadata.labels.get(LAUNCH_LABEL) != tracked.launch.id:
            self._followed[pod.metadata.uid] = tracked.launch.id
        tracked.pod, tracked.seen, tracked.present = ref_of(pod), pod, True
        tracked.progress, tracked.reread = Progress.SEEN, False

    def living_at(self, launch: Launch) -> list[PodView]:
        """Pods of any launch and any try of this task (a further try has another task instance id)."""
        pods = (self.pods[key] for key in self._pods_at.get(_place_of_launch(launch), ()))
        return [pod for pod in pods if is_alive(pod)]


def _place_of(pod: PodView) -> Place:
    notes = pod.metadata.annotations
    if KIND_LABEL in pod.metadata.labels:
        return (notes.get("task_instance_id", ""),)
    return *(notes.get(name, "") for name in ("dag_id", "task_id", "run_id")), notes.get("map_index", "-1")


def _place_of_launch(launch: Launch) -> Place:
    if launch.kind is Kind.CALLBACK:
        return (launch.ti_id,)
    return launch.dag_id, launch.task_id, launch.run_id, str(launch.map_index)


def _add(index: dict[K, tuple[PodKey, ...]], at: K, key: PodKey) -> None:
    there = index.get(at, ())
    if at and key not in there:
        index[at] = (*there, key)


def _remove(index: dict[K, tuple[PodKey, ...]], at: K, key: PodKey) -> None:
    left = tuple(one for one in index.pop(at, ()) if one != key)
    if left:
        index[at] = left


def _is_current(tracked: Tracked, pod: PodView) -> bool:
    """The pod is the launch's present attempt: the one posted, or the latest there is if another scheduler did it."""
    if tracked.pod is None:
        return tracked.progress is Progress.UNSEEN
    if tracked.pod.uid == pod.metadata.uid:
        return True
    return tracked.adopted is not None and attempt_of(pod) > tracked.attempt
