"""A create whose answer is lost makes one pod, not two.

What users suffer: the API server made the pod, the connection broke before the answer came, and the next attempt makes
a second pod under another random name: the same task runs twice at the same time.
What we promise: a pod's name follows from its launch and attempt, so that the second create meets the first pod, and it
counts only if it is alive and of the same task instance, try and launch. 5 % of all answers to creates are lost, of
pods and of Secrets; 600 tasks in virtual time (5,000 with SOAK=1).
"""

from __future__ import annotations

import os
import random
from collections import Counter

from executor.errors import ApiError, Unreachable
from tests.fakes.kube import Call
from tests.unit.control.world import Cluster, World

TASKS = 5000 if os.environ.get("SOAK") else 600
LOST = 0.05


async def test_row_33_as_many_pods_as_tasks() -> None:
    dice, lost = random.Random(33), Counter[str]()

    def lose(call: Call) -> ApiError | None:
        if call.verb != "create" or dice.random() >= LOST:
            return None
        lost[call.resource] += 1
        return Unreachable("connection reset")

    kube = Cluster(lose_answer=lose, latency=0.05)
    async with World(kube=kube) as world:
        launches = world.queue_all(world.tasks(TASKS))
        await world.passes(300)
        assert lost["pods"] > TASKS * LOST / 2, "the fault was not there"
        assert Counter(kube.born) == {launch.id: 1 for launch in launches}
        assert len(kube.pods) == TASKS
        for launch in launches:
            world.runs(launch)  # finds its workload
        await world.passes(1)
        for launch in launches:
            world.succeeds(launch)
        await world.passes(60)
        assert {ti.state for ti in world.database.tis.values()} == {"success"}
        assert (kube.pods, kube.secrets, world.slots, world.drained_events()) == ({}, {}, 0, [])
