"""What `decide` is told about a launch, and what it can answer: plain frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from executor.model import Launch, Outcome, Row
from executor.observe.diagnosis import Diagnosis
from executor.observe.pod_view import PodView


class Progress(Enum):
    """How far the launch got before its pod tells the story."""

    WAITING = auto()  # in the work queue, no pod was asked for
    UNSEEN = auto()  # posted, or adopted: the watch has not shown a pod yet
    REFUSED = auto()  # it cannot be posted; `Facts.refusal` says why
    SEEN = auto()  # the pod was seen, or is known not to exist


class NotRead(Enum):
    """The row has not been read since the last thing happened."""

    NOT_READ = auto()


NOT_READ = NotRead.NOT_READ
RowSeen = Row | None | NotRead


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator of the deployment decided. Times in seconds; a timeout of 0 means never.

    launch_retries: further pods for a launch that never started, -1 = without end; excluded_reasons: reasons of a
    container's end that are not worth another pod.
    """

    job_id: int | None = None
    launch_retries: int = 3
    excluded_reasons: frozenset[str] = frozenset({"Error"})
    fatal_reasons: frozenset[str] = frozenset()
    timeout_unschedulable: float = 0.0
    timeout_pulling: float = 0.0
    timeout_config: float = 60.0
    confirm_interval: float = 2.0
    terminating_grace: float = 30.0
    token_life: float = 86_400.0
    check_ownership: bool = True


@dataclass(frozen=True, slots=True)
class Facts:
    """What the tracker knows about a launch besides its pod and its row."""

    launch: Launch
    progress: Progress = Progress.SEEN
    refusal: str = ""
    relaunches: int = 0
    deleted_by_us: bool = False
    others: tuple[PodView, ...] = ()  # further pods of the same task instance: of earlier launches, of other attempts
    searched: str = ""  # the name of a pod that was asked for last
    class_since: float = 0.0  # when the present PodClass was first seen
    posted_at: float = 0.0
    given_back: str = ""  # a disruption's try was dealt with; how
    warning: str = ""  # the last warning among the pod's events, asked for when it is slow to start
    reread: bool = False  # the row was read a second time, confirm_interval after the first
    workload_lost: bool = False  # its pod mounts a Secret that is not there
    started_reported: bool = False  # callbacks: RUNNING was handed over


@dataclass(frozen=True, slots=True)
class Keep:
    """Nothing to do. waiting: why, for the public; patience: for how long, as a sentence; again_in: look again after
    so many seconds."""

    waiting: Diagnosis | None = None
    patience: str = ""
    again_in: float | None = None
    fresh: bool = False  # keep the row's queued_dttm fresh

    @property
    def text(self) -> str:
        """What the public reads; '' where there is nothing to tell."""
        return f"{self.waiting.sentence} {self.patience}" if self.waiting is not None else ""


@dataclass(frozen=True, slots=True)
class ReadRow:
    """Read the row, then decide again; `after` seconds from now."""

    after: float = 0.0
    again: bool = False


@dataclass(frozen=True, slots=True)
class Settle:
    """No event. delete: the pod is ours to delete; clean: nothing in its log is worth keeping; doomed: it goes though
    its worker runs the task for this launch."""

    why: str
    delete: bool = True
    clean: bool = True
    patient: bool = False  # its worker is about to end by itself
    doomed: bool = False


@dataclass(frozen=True, slots=True)
class Relaunch:
    """Another pod for the same launch. free: no budget is spent."""

    why: str
    free: bool = False


@dataclass(frozen=True, slots=True)
class Search:
    """Ask whether there is a pod of this name: the row's worker calls itself so, and the watch has shown none."""

    name: str


@dataclass(frozen=True, slots=True)
class Switch:
    """Another pod is the one that runs the task: follow that one. uid: its."""

    uid: str


@dataclass(frozen=True, slots=True)
class Report:
    """Tell the scheduler."""

    outcome: Outcome
    sentence: str
    clean: bool = False


@dataclass(frozen=True, slots=True)
class GiveBack:
    """A disruption ended the try: it is not to cost a retry. reported: the worker has ended it itself already."""

    sentence: str
    reported: bool


Decision = Keep | ReadRow | Settle | Relaunch | Search | Switch | GiveBack | Report
