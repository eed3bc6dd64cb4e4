"""The work queue against a model that is too simple to be wrong: dictionaries and sorting."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from executor.control.work_queue import LONGEST_HOLD, UNPLACED, WorkQueue

IDS = st.sampled_from([f"l{n}" for n in range(6)])
LANES = st.sampled_from([UNPLACED, "ns1", "ns2"])


@dataclass
class Waiting:
    lane: str
    not_before: float


@dataclass
class Lane:
    held_until: float = 0.0
    allowance: float = float("inf")
    in_flight: int = 0


class QueueMachine(RuleBasedStateMachine):
    """Every operation the launcher does, in any order; what waits, what is under way and who is held is remembered."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = WorkQueue(jitter=lambda: 1.0)
        self.now = 100.0
        self.waiting: dict[str, Waiting] = {}
        self.ranks: dict[str, tuple[int, int]] = {}
        self.ages = 0
        self.lanes = {name: Lane() for name in (UNPLACED, "ns1", "ns2")}
        self.under_way: list[tuple[str, str]] = []

    def _is_out(self, launch_id: str) -> bool:
        return any(launch_id == one for one, _ in self.under_way)

    @rule(launch_id=IDS, priority=st.integers(0, 2), lane=LANES, delay=st.sampled_from([0.0, 0.0, 5.0, 20.0]))
    def put(self, launch_id: str, priority: int, lane: str, delay: float) -> None:
        if self._is_out(launch_id):
            return
        not_before = self.now + delay if delay else 0.0
        self.queue.put(launch_id, priority, lane=lane, not_before=not_before)
        if launch_id not in self.ranks:
            self.ages += 1
            self.ranks[launch_id] = (-priority, self.ages)
        self.waiting[launch_id] = Waiting(lane, not_before)

    @rule(launch_id=IDS)
    def discard(self, launch_id: str) -> None:
        assert self.queue.discard(launch_id) == (launch_id in self.waiting)
        self.waiting.pop(launch_id, None)
        self.ranks.pop(launch_id, None)

    @rule(seconds=st.sampled_from([0.3, 1.0, 6.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(limit=st.integers(1, 4))
    def take(self, limit: int) -> None:
        expected = self._expected(limit)
        assert self.queue.take(self.now, limit) == expected
        self.under_way += expected

    def _expected(self, limit: int) -> list[tuple[str, str]]:
        taken: list[tuple[str, str]] = []
        while len(taken) < limit:
            ready = [launch_id for launch_id in self.waiting if self._may_go(launch_id)]
            if not ready:
                break
            best = min(ready, key=lambda launch_id: self.ranks[launch_id])
            lane = self.waiting.pop(best).lane
            self.lanes[lane].in_flight += 1
            taken.append((best, lane))
        return taken

    def _may_go(self, launch_id: str) -> bool:
        one = self.waiting[launch_id]
        lane = self.lanes[one.lane]
        return one.not_before <= self.now and lane.held_until <= self.now and lane.in_flight < lane.allowance

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), verdict=st.sampled_from(["succeeded", "answered", "pushed back"]), after=st.integers(0, 90))
    def answer(self, data: st.DataObject, verdict: str, after: int) -> None:
        """A create was answered; whatever was pushed back goes back into the queue, as the launcher does it."""
        launch_id, name = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        lane = self.lanes[name]
        lane.in_flight -= 1
        if verdict == "succeeded":
            self.queue.succeeded(name)
            lane.allowance *= 2
        elif verdict == "answered":
            self.queue.answered(name)
        else:
            held = self.queue.pushed_back(name, self.now, float(after) or None)
            self._hold(lane, held, after)
            if launch_id in self.ranks:
                self.put(launch_id, 0, name, 0.0)

    def _hold(self, lane: Lane, held: float, after: int) -> None:
        lane.allowance = 1
        if lane.held_until > self.now:
            assert held == lane.held_until - self.now, "one burst counts as one failure"
            return
        assert after <= held <= max(LONGEST_HOLD, after)
        lane.held_until = self.now + held

    @precondition(lambda self: any(lane == UNPLACED for _, lane in self.under_way))
    @rule(to=LANES)
    def move(self, to: str) -> None:
        """The pod was built, and turned out to belong to another namespace."""
        launch_id, name = next(one for one in self.under_way if one[1] == UNPLACED)
        moved = self.queue.move(name, to, self.now)
        if to == UNPLACED:
            assert moved
            return
        self.under_way.remove((launch_id, name))
        self.lanes[UNPLACED].in_flight -= 1
        target = self.lanes[to]
        assert moved == (target.held_until <= self.now and target.in_flight < target.allowance)
        if moved:
            target.in_flight += 1
            self.under_way.append((launch_id, to))
        elif launch_id in self.ranks:
            self.put(launch_id, 0, to, 0.0)

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        assert len(self.queue) == len(self.waiting)
        assert all(launch_id in self.queue for launch_id in self.waiting)

    @invariant()
    def it_knows_when_to_look_again(self) -> None:
        """0 exactly when something may go; never later than the moment something may."""
        delay = self.queue.next_change(self.now)
        if any(map(self._may_go, self.waiting)):
            assert delay == 0
        elif delay is not None:
            assert delay > 0
        for one in self.waiting.values():
            lane = self.lanes[one.lane]
            if lane.in_flight < lane.allowance:
                assert delay is not None
                assert self.now + delay <= max(one.not_before, lane.held_until, self.now) + 1e-9

    @invariant()
    def a_lane_that_was_pushed_back_lets_few_through(self) -> None:
        for name, lane in self.lanes.items():
            assert self.queue.lane(name).in_flight == lane.in_flight >= 0


QueueMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestQueue = QueueMachine.TestCase


def test_a_held_namespace_does_not_hold_up_another():
    queue = WorkQueue(jitter=lambda: 1.0)
    queue.put("a", 9, lane="full")
    assert queue.take(0.0, 1) == [("a", "full")]
    queue.pushed_back("full", 0.0, None)
    queue.put("a", 9, lane="full")
    queue.put("b", 1, lane="free")
    assert queue.take(0.1, 5) == [("b", "free")]


def test_after_a_hold_one_goes_first_then_two_then_four():
    queue = WorkQueue(jitter=lambda: 1.0)
    for n in range(20):
        queue.put(f"l{n}", 1, lane="ns")
    first, *rest = queue.take(0.0, 20)
    assert len(rest) == 19
    for launch_id, lane in (first, *rest):
        queue.pushed_back(lane, 0.0, None)
        queue.put(launch_id, 1, lane=lane)
    sizes = []
    for _ in range(4):
        taken = queue.take(1.0, 20)
        sizes.append(len(taken))
        queue.succeeded("ns")
        for _ in taken[1:]:
            queue.answered("ns")
    assert sizes == [1, 2, 4, 8]


def test_attempts_while_a_lane_stays_full_are_few():
    """An hour of `exceeded quota` with 1,000 launches waiting."""
    queue, now, attempts = WorkQueue(jitter=lambda: 1.0), 0.0, 0
    for n in range(1000):
        queue.put(f"l{n}", 1, lane="ns")
    while now < 3600:
        for launch_id, lane in queue.take(now, 200):
            attempts += 1
            queue.pushed_back(lane, now, None)
            queue.put(launch_id, 1, lane=lane)
        now += queue.next_change(now) or 0.0
    assert attempts <= 200 + 3600 / LONGEST_HOLD + 10
