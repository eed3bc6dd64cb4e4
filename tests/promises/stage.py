"""Where the faults are played in virtual time: several schedulers, one cluster, one database, one kubelet.

    cluster, database = Cluster(), Database()
    async with Kubelet(cluster, database) as kubelet, Scheduler(cluster, database) as scheduler:
        launches = scheduler.queue_all(scheduler.tasks(10))
        await scheduler.passes(60)

A `Scheduler` is the `World` of the unit tests (machine, outbox, heartbeat; what must hold is checked at its end) on a
`Line` of its own. Whatever a test does to cluster and database it does to `cluster` and `database` themselves.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self, cast

from executor.identity import LAUNCH_LABEL, SECRET_ANNOTATION, TI_LABEL
from executor.kube.port import WatchEvent
from executor.model import LIVE_STATES, Launch
from tests.fakes.kube_play import Play
from tests.unit.control.database import JOB, Database, Ti
from tests.unit.control.pods import Cluster
from tests.unit.control.world import World

__all__ = ["JOB", "Cluster", "Database", "Kubelet", "Line", "Scheduler", "Ti"]

REQUESTS = frozenset(
    {
        "create_pod",
        "read_pod",
        "delete_pod",
        "set_deadline",
        "list_pods",
        "read_log",
        "list_pod_events",
        "create_secret",
        "own_secret",
        "delete_secret",
        "list_secrets",
    }
)
QUERIES = frozenset({"read", "keep_fresh", "rebuild", "give_back", "note_relaunch", "relaunches", "stale_callbacks"})
STEP = 0.5
IN_FLIGHT = 1.0  # seconds after which what a dead process had sent has arrived


class Line:
    """One process's connection to something that several share: `names` are its requests.

    slow: seconds of loop time that an answer takes to come back. `cut`: nothing passes any more, in no direction.
    """

    def __init__(self, target: Any, names: frozenset[str], slow: float = 0.0) -> None:
        self._target, self._names, self._slow = target, names, slow
        self._cut = asyncio.Event()
        self.drops: Callable[[WatchEvent], bool] = lambda event: False
        self.closed = False

    def cut(self) -> None:
        self._cut.set()

    async def close(self) -> None:
        self.closed = True

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        return self._through(found) if name in self._names else found

    def _through(self, request: Callable[..., Any]) -> Callable[..., Any]:
        async def pass_through(*args: Any, **kwargs: Any) -> Any:
            await self._if_not_cut()
            sent = asyncio.ensure_future(request(*args, **kwargs))
            sent.add_done_callback(_heard)
            answer = await asyncio.shield(sent)  # what was sent is carried out, even if its sender dies meanwhile
            await asyncio.sleep(self._slow)
            await self._if_not_cut()
            return answer

        return pass_through

    async def _if_not_cut(self) -> None:
        if self._cut.is_set():
            await asyncio.Event().wait()

    async def watch_pods(
        self, namespace: str | None, selector: str, resource_version: str
    ) -> AsyncGenerator[WatchEvent]:
        """The cluster's, but for the events that `drops` picks."""
        async with aclosing(self._target.watch_pods(namespace, selector, resource_version)) as events:
            async for event in events:
                await self._if_not_cut()
                if not self.drops(event):
                    yield event


def _heard(sent: asyncio.Future[Any]) -> None:
    """Nobody may be left to hear the answer."""
    if not sent.cancelled():
        sent.exception()


class Scheduler(World):
    """One scheduler with its executor; `job` is the id of its SchedulerJob. Takes World's options."""

    def __init__(self, cluster: Cluster, database: Database, *, job: int = JOB, slow: float = 0.0, **options: Any):
        self.job, self._api, self._sql = job, Line(cluster, REQUESTS, slow), Line(database, QUERIES)
        super().__init__(kube=cast("Cluster", self._api), database=cast("Database", self._sql), **options, job_id=job)

    @property
    def line(self) -> Line:
        """Its connection to the cluster."""
        return self._api

    def queue(self, ti: Ti) -> Launch:
        launch = self.database.queue(ti, self.job)
        self.machine.submit([launch])
        return launch

    def queue_all(self, tis: Any) -> list[Launch]:
        launches = [self.database.queue(ti, self.job) for ti in tis]
        self.machine.submit(launches)
        return launches

    async def kill(self) -> None:
        """`kill -9`: from this moment nothing of it reaches anybody."""
        self._api.cut()
        self._sql.cut()
        await self.close()
        await self.passes(IN_FLIGHT)

    def take_over(self, dead: int) -> list[Ti]:
        """What a scheduler does with the rows of one that died: they become its own, and its executor is told."""
        rows = [t for t in self.database.tis.values() if t.queued_by_job_id == dead and t.state in LIVE_STATES]
        for ti in rows:
            ti.queued_by_job_id = self.job
        self.machine.adopt([ti.adopted() for ti in rows])
        return rows


class Kubelet:
    """Runs every pod in steps of half a second: Pending, `starts` seconds later running, `runs` seconds later ended.

    The worker in it passes `/run` if its row is queued, else exits 1. How it ends is `ends(ti)`: `success` (reported,
    exit 0), `crash` (exit 3, nothing reported), or a function that plays the end on the pod.
    """

    def __init__(
        self,
        cluster: Cluster,
        database: Database,
        *,
        starts: float = 1.0,
        runs: float = 2.0,
        ends: Callable[[Ti], Any] = lambda ti: "success",
    ) -> None:
        self._cluster, self._database = cluster, database
        self.starts, self.runs, self.ends = starts, runs, ends
        self.holds: Callable[[dict[str, Any]], bool] = lambda pod: False  # pods that do not start
        self.ran: Counter[tuple[str, int]] = Counter()  # how often a try of a task began to run
        self._due: dict[str, float] = {}  # by uid, when the next thing happens to it

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._task.cancel()
        (broken,) = await asyncio.gather(self._task, return_exceptions=True)
        if kind is None and not isinstance(broken, asyncio.CancelledError):
            raise broken

    async def _run(self) -> None:
        while True:
            for key, pod in list(self._cluster.pods.items()):
                if self._cluster.pods.get(key) is pod:
                    self._step(key, pod)
            await asyncio.sleep(STEP)

    def _step(self, key: tuple[str, str], pod: dict[str, Any]) -> None:
        phase, uid = pod["status"]["phase"], pod["metadata"]["uid"]
        if pod["metadata"].get("deletionTimestamp") or phase in ("Succeeded", "Failed") or self.holds(pod):
            return
        now = asyncio.get_running_loop().time()
        if now < self._due.setdefault(uid, now + self.starts):
            return
        self._due[uid] = now + self.runs
        play = self._cluster.play(key[1], key[0])
        if phase == "Pending":
            self._start(play, pod)
        else:
            del self._due[uid]
            self._end(play, self._ti(pod))

    def _ti(self, pod: dict[str, Any]) -> Ti | None:
        return self._database.tis.get(pod["metadata"]["labels"].get(TI_LABEL, ""))

    def _start(self, play: Play, pod: dict[str, Any]) -> None:
        meta = pod["metadata"]
        secret = self._cluster.secrets.get((meta["namespace"], meta["annotations"].get(SECRET_ANNOTATION, "")))
        if secret is None or meta["labels"][LAUNCH_LABEL] not in secret.data:
            return  # its volume is not there (yet)
        play.running()
        ti = self._ti(pod)
        if ti is None or ti.state != "queued":
            play.finish(1, "Error")  # turned away by `/run`
            return
        ti.state, ti.hostname = "running", meta["name"]
        self.ran[ti.ti_id, ti.try_number] += 1

    def _end(self, play: Play, ti: Ti | None) -> None:
        if ti is None or ti.state != "running" or ti.hostname != play.key[1]:
            play.finish(1, "Error")  # the execution API told it to stop
            return
        how = self.ends(ti)
        if how == "success":
            ti.state = "success"
            play.finish(0)
        elif how == "crash":
            play.finish(3, "Error")
        else:
            how(play)
