"""A container task has one pod, whoever follows it and whenever that one dies.

What users suffer: the worker that follows a pod is lost; the next one finds none, or two ("More than one pod running
with labels"), makes a second one, or kills the first one though it should follow it.
What we promise: the pod's name follows from the try, so that everybody who follows it asks for the same pod. A
triggerer may be killed at any request, before it is carried out or before its answer is heard, again and again, and
another may follow at the same time: the task has one pod, ends once, with its result, and leaves no pod behind. In
virtual time; kill -9 of real triggerers: `tests/operators/test_pod_soak.py`.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from executor.errors import ApiError
from executor.identity import Identity
from executor.kube.port import PodRef
from executor.operators import removal
from executor.operators.life import Life
from executor.operators.orphans import collect_for_ever
from executor.operators.outcome import Ending
from tests.fakes.kube import status_error
from tests.operators.world import NAMESPACE, FakeAirflow, Kube, World, identity, play
from tests.promises.test_row_16_results_arrive import told

SEEDS = 1000 if os.environ.get("SOAK") else 200
RESTART = 2.0  # seconds from a triggerer's death to the next one
STARTS, ENDS = 1.0, 4.0  # seconds, from the pod's making
TAKES = 1.0  # seconds until Airflow has an end that it is told
SOME_END = 8.0
ALL_LOOKED_AT = 400.0  # seconds in which whoever looks for pods that nobody follows has looked


class Fate:
    """Kills the triggerer that acts at the n-th step; each request, before and after it is carried out, is one."""

    def __init__(self, step: int) -> None:
        self.step, self.now, self.struck = step, 0, False
        self.victim: asyncio.Task[None] | None = None

    def strikes(self) -> bool:
        self.now += 1
        if self.now != self.step or self.victim is None:
            return False
        self.struck = True
        self.victim.cancel()
        return True


@dataclass
class Cluster(Kube):
    """Remembers the pods that were ever made."""

    fate: Fate = field(default_factory=lambda: Fate(0))
    born: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.fail = self.lose_answer = lambda call: self._unheard()

    def _unheard(self) -> ApiError | None:
        return status_error(503, "ServiceUnavailable", "nobody hears this") if self.fate.strikes() else None

    def add_pod(self, manifest: Mapping[str, Any], namespace: str = "default") -> PodRef:
        made = super().add_pod(manifest, namespace)
        self.born.append(made.name)
        return made


@dataclass
class Told(FakeAirflow):
    """A task is deferred until its end is told; what is told later is not heard."""

    fate: Fate = field(default_factory=lambda: Fate(0))
    ends: list[Ending] = field(default_factory=list)

    async def step(self) -> None:
        """Between a question and its answer."""
        if self.fate.strikes():
            await asyncio.sleep(0)

    async def state(self, identity: Identity) -> str | None:
        await self.step()
        return await super().state(identity)

    async def clear_results(self, identity: Identity) -> None:
        await self.step()
        await super().clear_results(identity)

    async def tell(self, who: Identity, ending: Ending) -> None:
        await self.step()
        await asyncio.sleep(TAKES)
        if self.states.get(who.ti_id, "deferred") == "deferred":
            self.states[who.ti_id] = ending.state
            self.ends.append(ending)
        await self.step()


@dataclass
class Story:
    """One task, its pod's node, and triggerers one after another."""

    fate: Fate
    kube: Cluster = field(init=False)
    airflow: Told = field(init=False)
    who: Identity = field(default_factory=identity)
    old: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.kube, self.airflow = Cluster(fate=self.fate), Told(fate=self.fate)

    def triggerer(self) -> asyncio.Task[None]:
        """One more, which is the one that fate strikes."""
        self.fate.victim = asyncio.create_task(self._follow())
        self.old.append(self.fate.victim)
        return self.fate.victim

    async def _follow(self) -> None:
        """What PodTrigger does."""
        world = World(self.kube, self.airflow)
        life = world.life(self.who, do_xcom_push=True, startup_timeout_seconds=600)
        telling: asyncio.Task[None] | None = None
        try:
            ending = await life.run()
            telling = asyncio.create_task(self.airflow.tell(self.who, ending))
            await self._tidy(world, life)
        finally:
            if telling is not None:
                telling.cancel()  # what Airflow does not have yet goes with the process
            await world.watch.close()

    async def _tidy(self, world: World, life: Life) -> None:
        async def taken() -> bool:
            return await self.airflow.state(self.who) != "deferred"

        assert life.pod is not None
        ref = removal.ref_of(life.pod)
        await removal.delete_when_taken(self.kube, ref, life.task.grace, taken)

    async def node(self) -> None:
        """Runs whatever pod there is."""
        for name in await self._names():
            await asyncio.sleep(STARTS)
            self.kube.play(name).running()
            await asyncio.sleep(ENDS - STARTS)
            self.kube.writes((NAMESPACE, name), told(name, {"rows": 3}))
            self.kube.play(name).finish(0)

    async def _names(self) -> list[str]:
        while not self.kube.born:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        return self.kube.born

    async def over(self) -> None:
        """The task has one pod and one end; then somebody looks for what is left."""
        for one in self.old:
            one.cancel()
        await asyncio.gather(*self.old, return_exceptions=True)
        self.fate.step = 0
        world = World(self.kube, self.airflow)
        looking = asyncio.create_task(collect_for_ever(world.watch, self.airflow, self.kube.now))
        await asyncio.sleep(ALL_LOOKED_AT)
        looking.cancel()
        assert len(self.kube.born) == 1
        assert [(one.state, (one.xcoms or {})["return_value"]) for one in self.airflow.ends] == [
            ("success", {"rows": 3})
        ]
        assert self.kube.pods == {}


async def killed_at(step: int) -> bool:
    """Whether there is such a step."""
    story = Story(Fate(step))
    node = asyncio.create_task(story.node())
    first = story.triggerer()
    await asyncio.wait([first])
    if "success" not in story.airflow.states.values():
        await asyncio.sleep(RESTART)
        await story.triggerer()
    await node
    await story.over()
    assert first.cancelled() == story.fate.struck
    return story.fate.struck


def test_row_17_a_triggerer_killed_at_each_step() -> None:
    steps = 0
    while play(partial(killed_at, steps + 1)):
        steps += 1
    assert steps > 12, "list, watch, create, follow and delete, before and after each; and the questions to Airflow"


@pytest.mark.parametrize("seeds", [range(start, start + 50) for start in range(0, SEEDS, 50)], ids=str)
def test_row_17_triggerers_killed_again_and_again(seeds: range) -> None:
    for seed in seeds:
        play(partial(killed_at_random, random.Random(seed)))


async def killed_at_random(chance: random.Random) -> None:
    """Some die at a step, some after a time, some are only thought to be dead and go on beside the next one."""
    story = Story(Fate(0))
    story.kube.latency = chance.choice([0.0, 0.3, 1.0])
    node = asyncio.create_task(story.node())
    for _ in range(chance.randint(1, 5)):
        if "success" in story.airflow.states.values():
            break
        one = story.triggerer()
        story.fate.step = story.fate.now + chance.choice([0, chance.randint(1, 16)])
        await asyncio.wait([one], timeout=chance.uniform(0, SOME_END))
        if chance.random() < 0.5:
            one.cancel()
        await asyncio.sleep(chance.uniform(0, RESTART))
    story.fate.step = 0
    if "success" not in story.airflow.states.values():
        await story.triggerer()
    await node
    await story.over()
