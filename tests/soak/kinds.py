"""What the soak's tasks go through, and how each of them must end.

A kind is a list of steps: what happens to the task's first pod, to its second, and so on; the last step is that of all
further pods. What must come out is said here too, and nowhere else: the final state, the number of the last try, and
the tries in which a worker was let in by `/run`, in their order. A task whose worker was let in more often was run
twice; one that is not in its final state is lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class Step(Enum):
    """What happens to one pod. Where nothing else is said a worker is let in, works, and the pod ends with 0."""

    SUCCEED = auto()
    FAIL = auto()  # the worker reports it: for retry, or for good
    DEFER = auto()  # the trigger fires at once, and the pod lingers
    RESCHEDULE = auto()  # a sensor that comes back, and the pod lingers
    RUN_OUT_OF_MEMORY = auto()  # killed with 137, nothing is reported
    DIE_WHILE_LOCKED = auto()  # the same, while somebody holds a lock on the row
    SAY_NOTHING = auto()  # ends with 0 and never reports
    FALL_SILENT = auto()  # goes on without heartbeats, until somebody deletes it
    EVICT = auto()  # by its node, while it runs
    DELETE = auto()  # by somebody else, while it runs
    CLEAR = auto()  # while it runs
    MARK = auto()  # as successful, while it runs
    # Before a worker was let in:
    EVICT_EARLY = auto()
    DELETE_EARLY = auto()
    FAIL_TO_START = auto()
    CLEAR_EARLY = auto()
    MARK_EARLY = auto()
    GET_STUCK = auto()  # queued for too long, says the scheduler
    ASK_LATE = auto()  # the same while its worker starts, which asks to be let in when the next launch is queued


@dataclass(frozen=True, slots=True)
class Kind:
    """share: how many of a hundred launches' worth of tasks are of this kind; starts: tries in which workers ran."""

    name: str
    share: int
    steps: tuple[Step, ...]
    starts: tuple[int, ...]
    state: str = "success"
    last_try: int = 1
    retries: int = 0

    @property
    def launches(self) -> int:
        """How many launches a task of this kind takes: a pod that never started is replaced within its launch."""
        same_launch = {Step.EVICT_EARLY, Step.DELETE_EARLY, Step.FAIL_TO_START}
        return sum(step not in same_launch for step in self.steps)


KINDS = (
    Kind("succeeds", 35, (Step.SUCCEED,), (1,)),
    Kind("fails", 2, (Step.FAIL,), (1,), state="failed"),
    Kind("is_retried", 2, (Step.FAIL, Step.SUCCEED), (1, 2), last_try=2, retries=1),
    Kind("defers", 6, (Step.DEFER, Step.SUCCEED), (1, 1)),
    Kind("defers_twice", 3, (Step.DEFER, Step.DEFER, Step.SUCCEED), (1, 1, 1), retries=1),
    Kind("is_a_sensor", 3, (Step.RESCHEDULE, Step.RESCHEDULE, Step.SUCCEED), (1, 1, 1)),
    Kind("out_of_memory", 2, (Step.RUN_OUT_OF_MEMORY,), (1,), state="failed"),
    Kind("out_of_memory_once", 2, (Step.RUN_OUT_OF_MEMORY, Step.SUCCEED), (1, 2), last_try=2, retries=1),
    Kind("dies_while_locked", 3, (Step.DIE_WHILE_LOCKED,), (1,), state="failed"),
    Kind("dies_while_locked_once", 1, (Step.DIE_WHILE_LOCKED, Step.SUCCEED), (1, 2), last_try=2, retries=1),
    Kind("says_nothing", 1, (Step.SAY_NOTHING,), (1,), state="failed"),
    Kind("falls_silent", 1, (Step.FALL_SILENT, Step.SUCCEED), (1, 2), last_try=2, retries=1),
    Kind("evicted", 2, (Step.EVICT, Step.SUCCEED), (1, 2), last_try=2, retries=1),
    Kind("evicted_without_retries", 1, (Step.EVICT,), (1,), state="failed"),
    Kind("deleted", 2, (Step.DELETE, Step.SUCCEED), (1, 2), last_try=2, retries=1),
    # Two disruptions and an error of its own: the author's one retry is there for the error.
    Kind("disrupted_twice", 1, (Step.EVICT, Step.DELETE, Step.FAIL, Step.SUCCEED), (1, 2, 3, 4), last_try=4, retries=1),
    Kind("cleared", 2, (Step.CLEAR, Step.SUCCEED), (1, 2), last_try=2),
    Kind("marked", 1, (Step.MARK,), (1,)),
    Kind("evicted_early", 2, (Step.EVICT_EARLY, Step.SUCCEED), (1,)),
    Kind("deleted_early", 2, (Step.DELETE_EARLY, Step.SUCCEED), (1,)),
    Kind("fails_to_start", 2, (Step.FAIL_TO_START, Step.FAIL_TO_START, Step.SUCCEED), (1,)),
    Kind("cleared_early", 2, (Step.CLEAR_EARLY, Step.SUCCEED), (2,), last_try=2),
    Kind("marked_early", 1, (Step.MARK_EARLY,), ()),
    Kind("gets_stuck", 2, (Step.GET_STUCK, Step.SUCCEED), (1,)),
    Kind("asks_late", 2, (Step.ASK_LATE, Step.SUCCEED), (1,)),
)
BY_NAME = {kind.name: kind for kind in KINDS}


def kinds_of(launches: int) -> list[Kind]:
    """Kinds for so many launches or a few more, one for each task, well mixed and always in the same order."""
    whole = sum(kind.share * kind.launches for kind in KINDS)
    tasks: list[tuple[float, Kind]] = []
    for kind in KINDS:
        count = max(1, round(kind.share * launches / whole))
        tasks += [((number + 0.5) / count, kind) for number in range(count)]
    return [kind for _, kind in sorted(tasks, key=lambda one: (one[0], one[1].name))]
