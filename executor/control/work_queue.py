"""What waits to be posted: by priority, then age, with a lane per namespace.

Invariants: a launch is in the queue at most once; higher priority first, then first come first served, and a launch
that comes back keeps its age; a lane that the API server pushed back on (quota, 429, 5xx, no answer) is held with
exponential back-off and then lets one launch through, two, four ... while creates succeed; other lanes go on.
Pure: the caller brings the time (monotonic seconds) and the randomness. No I/O, no waiting.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

FIRST_HOLD = 0.5
LONGEST_HOLD = 30.0
UNPLACED = ""  # lane of launches whose namespace is not known yet


def backoff(failures: int, first: float, longest: float) -> float:
    """Seconds to wait, doubled by each failure; failures may be any number: a full quota can last for days."""
    return min(first * 2.0 ** min(failures, 30), longest)


@dataclass(frozen=True, slots=True, order=True)
class _Entry:
    rank: tuple[int, int]  # -priority, age
    launch_id: str = field(compare=False)
    ticket: int = field(compare=False)  # of the `put` that made this entry; an older one's entry is stale


@dataclass(slots=True)
class Lane:
    """One namespace's queue and how the API server takes to it."""

    heap: list[_Entry] = field(default_factory=list)
    held_until: float = 0.0
    failures: int = 0
    allowance: float = float("inf")  # creates that may be under way at once
    in_flight: int = 0

    def open_at(self, now: float) -> bool:
        return self.held_until <= now and self.in_flight < self.allowance


class WorkQueue:
    """Launch ids in the order in which they are to be posted."""

    def __init__(self, jitter: Callable[[], float]) -> None:
        """jitter: a factor about 1 by which a hold is stretched."""
        self._lanes: dict[str, Lane] = {UNPLACED: Lane()}
        self._where: dict[str, tuple[str, int]] = {}  # lane and ticket
        self._ranks: dict[str, tuple[int, int]] = {}
        self._not_before: list[tuple[float, int, str, str]] = []  # time, ticket, launch id, lane
        self._ages, self._tickets = itertools.count(), itertools.count()
        self._jitter = jitter

    def __len__(self) -> int:
        return len(self._where)

    def __contains__(self, launch_id: str) -> bool:
        return launch_id in self._where

    def put(self, launch_id: str, priority: int, *, lane: str = UNPLACED, not_before: float = 0.0) -> None:
        """Add, or move to another lane; a launch that was here before keeps its age."""
        self.discard(launch_id, forget=False)
        rank = self._ranks.setdefault(launch_id, (-priority, next(self._ages)))
        ticket = next(self._tickets)
        self._where[launch_id] = lane, ticket
        if not_before > 0:
            heapq.heappush(self._not_before, (not_before, ticket, launch_id, lane))
        else:
            heapq.heappush(self.lane(lane).heap, _Entry(rank, launch_id, ticket))

    def discard(self, launch_id: str, *, forget: bool = True) -> bool:
        """Take out, wherever it is; False if it was not there. Its heap entry is skipped later."""
        if forget:
            self._ranks.pop(launch_id, None)
        return self._where.pop(launch_id, None) is not None

    def lane(self, name: str) -> Lane:
        return self._lanes.setdefault(name, Lane())

    def take(self, now: float, limit: int) -> list[tuple[str, str]]:
        """Up to `limit` (launch id, lane) that may be posted now, best first. Counts them as under way."""
        self._ripen(now)
        taken: list[tuple[str, str]] = []
        while len(taken) < limit:
            best = min(self._heads(now), default=None)
            if best is None:
                break
            _, name = best
            lane = self._lanes[name]
            entry = heapq.heappop(lane.heap)
            lane.in_flight += 1
            del self._where[entry.launch_id]
            taken.append((entry.launch_id, name))
        return taken

    def move(self, from_lane: str, to_lane: str, now: float) -> bool:
        """A taken launch turned out to belong to another lane; False (and nothing taken) if that one is closed."""
        if from_lane == to_lane:
            return True
        self._lanes[from_lane].in_flight -= 1
        target = self.lane(to_lane)
        if not target.open_at(now):
            return False
        target.in_flight += 1
        return True

    def succeeded(self, name: str) -> None:
        """A create went through: the lane opens up."""
        lane = self.lane(name)
        lane.in_flight -= 1
        lane.failures = 0
        lane.allowance *= 2

    def answered(self, name: str) -> None:
        """A create was refused for good: says nothing about the lane."""
        self.lane(name).in_flight -= 1

    def pushed_back(self, name: str, now: float, retry_after: float | None, longest: float = LONGEST_HOLD) -> float:
        """The lane is held; returns the seconds. Several answers of one burst count as one failure.

        longest: the hold, without jitter, grows no further than this, in seconds.
        """
        lane = self.lane(name)
        lane.in_flight -= 1
        lane.allowance = 1
        if lane.held_until > now:
            return lane.held_until - now
        lane.failures += 1
        delay = backoff(lane.failures - 1, FIRST_HOLD, longest) * self._jitter()
        delay = max(delay, retry_after or 0.0)
        lane.held_until = now + delay
        return delay

    def next_change(self, now: float) -> float | None:
        """Seconds until a hold ends or a launch ripens; 0 if something can be taken now; None if nothing waits."""
        self._ripen(now)
        if next(self._heads(now), None) is not None:
            return 0.0
        holds = [lane.held_until for lane in self._lanes.values() if lane.heap and lane.held_until > now]
        times = [*holds, self._not_before[0][0]] if self._not_before else holds
        return max(0.0, min(times) - now) if times else None

    def _heads(self, now: float) -> Iterator[tuple[_Entry, str]]:
        for name, lane in self._lanes.items():
            self._skip_stale(name, lane)
            if lane.heap and lane.open_at(now):
                yield lane.heap[0], name

    def _skip_stale(self, name: str, lane: Lane) -> None:
        while lane.heap and not self._is_live(lane.heap[0], name):
            heapq.heappop(lane.heap)

    def _is_live(self, entry: _Entry, name: str) -> bool:
        return self._where.get(entry.launch_id) == (name, entry.ticket)

    def _ripen(self, now: float) -> None:
        while self._not_before and self._not_before[0][0] <= now:
            _, ticket, launch_id, name = heapq.heappop(self._not_before)
            if self._where.get(launch_id) == (name, ticket):
                heapq.heappush(self.lane(name).heap, _Entry(self._ranks[launch_id], launch_id, ticket))
