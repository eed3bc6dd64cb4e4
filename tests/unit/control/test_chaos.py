"""Everything goes wrong at random for some minutes; then the world heals, and nothing may be left, lost or doubled.

The kubelet, the workers and the troublemaker act in steps of half a second of virtual time, by one random seed each.
"""

from __future__ import annotations

import random
from collections import Counter

import pytest

from executor.errors import ApiError, Throttled, Unreachable
from executor.identity import LAUNCH_LABEL
from tests.fakes.kube import Call, status_error
from tests.unit.control.database import Ti
from tests.unit.control.world import Cluster, World

STEP = 0.5
TASKS = 40


class Cast:
    """Kubelet and workers; `trouble` is how likely things go wrong in one step."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.random = world, random.Random(seed)
        self.runs: Counter[str] = Counter()  # launch id -> how often user code began
        self.trouble = 0.05

    async def play(self, seconds: float) -> None:
        for _ in range(int(seconds / STEP)):
            for key in list(self.world.kube.pods):
                if key in self.world.kube.pods:
                    self._step(key)
            await self.world.passes(STEP)

    def _step(self, key: tuple[str, str]) -> None:
        pod = self.world.kube.pods[key]
        play = self.world.kube.play(key[1], key[0])
        if self.random.random() < self.trouble:
            self.random.choice([play.deleted, play.evicted, play.vanish, play.disrupt])()
        elif pod["metadata"].get("deletionTimestamp") or pod["status"]["phase"] in ("Succeeded", "Failed"):
            return
        elif pod["status"]["phase"] == "Pending":
            self._start(key, pod["metadata"]["labels"][LAUNCH_LABEL])
        elif self.random.random() < 0.3:
            self._end(key, pod["metadata"]["labels"][LAUNCH_LABEL])

    def _ti(self, launch_id: str) -> Ti | None:
        found = (t for t in self.world.database.tis.values() if t.external_executor_id == launch_id)
        return next(found, None)

    def _start(self, key: tuple[str, str], launch_id: str) -> None:
        play, ti = self.world.kube.play(key[1], key[0]), self._ti(launch_id)
        try:
            if ti is not None:
                self.world.workload_of(play, ti.launch())
        except KeyError:
            return  # its volume is not there (yet)
        play.running()
        if ti is None or ti.state != "queued":
            play.finish(1, "Error")  # turned away by `/run`
            return
        ti.state, ti.hostname = "running", key[1]
        self.runs[launch_id] += 1

    def _end(self, key: tuple[str, str], launch_id: str) -> None:
        play, ti = self.world.kube.play(key[1], key[0]), self._ti(launch_id)
        how = self.random.choice(["success", "success", "success", "crash", "oom", "deferred", "silent"])
        if ti is None or ti.state != "running" or ti.hostname != key[1]:
            play.finish(1, "Error")
        elif how in ("success", "deferred"):
            ti.state = how
            play.finish(0)
        else:
            {"crash": lambda: play.finish(3, "Error"), "oom": play.oom, "silent": play.finish}[how]()


class Trouble:
    """What the API server answers."""

    def __init__(self, seed: int) -> None:
        self.random, self.rate = random.Random(seed), 0.1

    def fail(self, call: Call) -> ApiError | None:
        if self.random.random() >= self.rate:
            return None
        errors = [
            Unreachable("connection refused"),
            Throttled("slow down", status=429, retry_after=2.0),
            status_error(500, "InternalError", "etcd"),
        ]
        return self.random.choice(errors)

    def lose(self, call: Call) -> ApiError | None:
        return Unreachable("connection reset") if self.random.random() < self.rate else None


@pytest.mark.parametrize("seed", range(12))
async def test_nothing_is_left_lost_or_doubled(seed: int):
    random.seed(seed)  # the jitter of back-offs
    trouble, dice = Trouble(seed), random.Random(seed)
    kube = Cluster(fail=trouble.fail, lose_answer=trouble.lose, latency=0.05, stop_after=dice.choice([0.0, 3.0, 8.0]))
    pace = {"create_qps": dice.choice([0.0, 5.0]), "reconcile": dice.choice([5.0, 30.0])}
    async with World(kube=kube, launch_retries=-1, **pace) as world:
        world.database.latency = dice.choice([0.0, 0.0, 0.4])
        cast = Cast(world, seed)
        launches = world.queue_all(world.tasks(TASKS, retries=1))
        for _ in range(30):
            await cast.play(4)
            _disturb(world, dice)
            launches += _next_launches(world)
        trouble.rate = cast.trouble = 0.0
        world.database.down, world.beating = False, True
        for ti in world.database.tis.values():
            ti.locked = False
        for _ in range(20):
            await cast.play(30)
            launches += _next_launches(world)
        await world.passes(1900)
        assert world.machine._secrets._held == set()
        assert world.slots == 0
        assert kube.pods == {}
        assert kube.secrets == {}
        assert {ti.state for ti in world.database.tis.values()} <= {"success", "failed"}
        assert [one for one in launches if world.settled(one) != 1] == []
        assert max(cast.runs.values()) == 1, "user code ran twice for one launch"


def _disturb(world: World, dice: random.Random) -> None:
    """Watch, database and scheduler have their bad moments too."""
    what = dice.randrange(6)
    world.database.down = what == 0
    world.beating = what != 1
    if what == 2:
        world.kube.break_streams(Unreachable("connection reset"))
    if what == 3:
        world.kube.compact()
    for ti in world.database.tis.values():
        ti.locked = dice.random() < 0.1


def _next_launches(world: World) -> list:
    """The scheduler: deferred tasks come back with the same try, failed ones with the next and another id."""
    queued = []
    if not world.beating:
        return queued
    for ti in list(world.database.tis.values()):
        if ti.state == "deferred":
            queued.append(world.queue(ti))
        elif ti.state == "up_for_retry":
            again = world.task(ti.task_id)
            again.try_number, again.max_tries = ti.try_number + 1, ti.max_tries
            del world.database.tis[ti.ti_id]
            queued.append(world.queue(again))
    return queued


async def test_nothing_is_remembered_of_what_is_over():
    async with World() as world:
        for _ in range(3):
            launches = world.queue_all(world.tasks(50))
            await world.passes(2)
            for launch in launches:
                world.runs(launch)
                world.succeeds(launch)
            world.database.tis.clear()
            await world.passes(5)
        machine = world.machine
        kept = [
            machine.tracker._launches,
            machine.tracker._newest,
            machine.tracker.pods,
            machine.tracker._pods_of_ti,
            machine.tracker._pods_at,
            machine._queue._where,
            machine._queue._ranks,
            machine._janitor._busy,
            machine._janitor._deleting,
            machine._janitor._patient,
            machine._secrets._held,
            machine._secrets._uncreated,
            machine._secrets._lost,
        ]
        assert [len(one) for one in kept] == [0] * len(kept)
