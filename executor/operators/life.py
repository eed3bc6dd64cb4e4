"""One container task from its pod's making to its end: the same in the triggerer and in a worker.

Level-triggered: each step looks at the pod as it is now, so that another triggerer goes on where this one was. Nothing
is asked at intervals. What would end a task by the clock is read from the API server once more before.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import yaml

from executor.errors import ApiError, NotFound
from executor.kube.client import KubeApi
from executor.manifest import ManifestError
from executor.manifest.model import JsonMap
from executor.observe.diagnosis import NOT_LOOKED_AT, Diagnosis, PodClass
from executor.observe.pod_view import PodView
from executor.operators import manifest, outcome, removal
from executor.operators.airflow_side import AirflowSide, push_where
from executor.operators.function_container import without_payload
from executor.operators.hub import Follower, NamespaceWatch
from executor.operators.launch import Launcher, LaunchError, belongs_to, older_tries
from executor.operators.limits import limit_of
from executor.operators.outcome import Ending
from executor.operators.results import Results
from executor.operators.slots import Slots
from executor.operators.stages import Silent, Stage, Stages
from executor.operators.task import ContainerTask
from executor.operators.turns import Turns

GONE_FOR_SURE: Final = 10.0  # seconds before a pod that vanished ends its task: somebody else may have ended it
OLDER_GONE: Final = 30.0
FIRST_LIST: Final = 300.0
UNSEEN: Final = 30.0  # seconds after which a pod that the watch has not shown is asked for


def utcnow() -> datetime:
    """The wall clock: times of a pod are the API server's."""
    return datetime.now(UTC)


Mutate = Callable[[JsonMap], Awaitable[JsonMap]]


@dataclass(slots=True)
class Life:
    """Follows one task. `pod` is its pod as last seen."""

    task: ContainerTask
    api: KubeApi
    watch: NamespaceWatch
    airflow: AirflowSide
    slots: Slots
    log: logging.Logger
    wrapped: bool = True
    now: Callable[[], datetime] = utcnow
    mutate: Mutate | None = None
    stages: Stages = field(default_factory=Silent)
    turns: Turns = field(default_factory=Turns)
    pod: PodView | None = None
    name: str = ""
    told: str = ""
    _results: Results | None = field(default=None)

    async def run(self) -> Ending:
        """Return how the task ended. Raises only what is a defect of ours, and cancellation."""
        try:
            async with asyncio.timeout(FIRST_LIST):  # wait_for of Python 3.11 can swallow a cancellation
                await self.watch.listed()
            return await self._attempt(await self._mutated(self._built()))
        except (ManifestError, LaunchError) as error:
            return Ending("failed", str(error))
        except TimeoutError:
            down = self.watch.down.error if self.watch.down else "no answer"
            return Ending("failed", f"The pods of namespace {self.task.namespace} cannot be listed: {down}")

    async def stop(self) -> None:
        """The task was taken from its pod: delete the pod if it still works for it."""
        pod = self.pod or await self._unseen()
        if pod is None or not removal.wanted_at_kill(pod) or outcome.end_of(pod, self.task.base) is not None:
            return
        self.log.info("Deleting pod %s", pod.metadata.name)
        await removal.delete(self.api, removal.ref_of(pod), self.task.grace)

    def reached(self, *stages: Stage) -> None:
        """Tell whoever wants to know."""
        for stage in stages:
            self.stages.reached(stage, self.task.namespace, self.name)

    async def _unseen(self) -> PodView | None:
        """The pod if it was made just now."""
        if not self.name:
            return None
        try:
            found = await self.api.read_pod(self.task.namespace, self.name)
        except ApiError as error:
            self.log.info("Pod %s was not found: %s", self.name, error)
            return None
        return found if belongs_to(found, self.task.identity) else None

    def _built(self) -> JsonMap:
        task = self.task
        wanted = manifest.Wanted(task.identity, task.parameters, task.template, task.namespace, self.wrapped)
        return manifest.build(wanted)

    async def _mutated(self, built: JsonMap) -> JsonMap:
        """After the user's pod_mutation_hook; who the pod is stays. Raises ManifestError."""
        if self.mutate is None:
            return built
        return manifest.finalized(await self.mutate(built), built)

    async def _attempt(self, built: JsonMap) -> Ending:
        self.name = built["metadata"]["name"]
        async with self.watch.follow(self.name) as follower:
            ours = follower.pod is not None and belongs_to(follower.pod, self.task.identity)
            async with self.slots.one(exists=ours, waits=self.log.info):
                if not ours:
                    await self._make(built)
                else:
                    self.log.info("Pod %s was found, and is followed on", self.name)
                await push_where(self.airflow, self.task.identity, built, self.log)  # its maker may have died before
                self._results = Results(self.task, self.api, self.log, built, self.stages, self.turns)
                del built  # a waiting task need not keep it
                try:
                    return await self._follow(follower)
                finally:
                    await self._results.close()

    async def _make(self, built: JsonMap) -> None:
        """Raises LaunchError."""
        await self._end_older_tries()
        await self.airflow.clear_results(self.task.identity)
        self.stages.manifest(built)
        await Launcher(self.task, self.api, self.log).create(built)
        self.reached(Stage.CREATED)

    async def _end_older_tries(self) -> None:
        older = [pod for pod in older_tries(self.watch, self.task.identity) if self._is_over(pod)]
        for pod in older:
            self.log.info("Deleting pod %s of an earlier try", pod.metadata.name)
            await removal.delete(self.api, removal.ref_of(pod), self.task.grace)
        limit = asyncio.get_running_loop().time() + OLDER_GONE
        while any(pod.metadata.name in self.watch.pods for pod in older):
            if asyncio.get_running_loop().time() > limit:
                return
            await asyncio.sleep(0.2)

    def _is_over(self, pod: PodView) -> bool:
        end = outcome.end_of(pod, self.task.base)
        if end is None:
            return True
        return removal.wanted_after_end(pod, succeeded=end.exit_code == 0)

    async def _follow(self, follower: Follower) -> Ending:
        """Look at the pod at each change, and when its time is over."""
        while True:
            follower.changed.clear()
            if follower.pod is not None:
                self.pod = follower.pod
            ending = await self._look(follower)
            if ending is not None:
                return ending
            wait = self._seconds_left()
            try:
                async with asyncio.timeout(wait):
                    await follower.changed.wait()
            except TimeoutError:
                late = await self._without_news(follower)
                if late is not None:
                    return late

    async def _look(self, follower: Follower) -> Ending | None:
        """The ending if the pod has come to one."""
        pod, base = follower.pod, self.task.base
        if pod is None:
            return None  # created, and not seen yet
        end = outcome.end_of(pod, base)
        if end is not None:
            return await self._ended(follower, pod)
        if not follower.present:
            return await self._vanished(follower)
        if pod.status.phase in ("Failed", "Succeeded"):
            return await self._failed(pod, outcome.failure(pod, base))
        return await self._alive(pod)

    async def _alive(self, pod: PodView) -> Ending | None:
        assert self._results is not None
        self._results.listen(pod)
        found = outcome.diagnosis_of(pod, self.task.base, present=True)
        if outcome.is_waiting(found) and outcome.fatal_wait(found):
            return await self._failed(pod, found.sentence, delete=True)
        await self._tell(pod, found)
        return None

    async def _tell(self, pod: PodView, found: Diagnosis) -> None:
        """Each new reason once."""
        running = found.cls is PodClass.RUNNING
        reason = "running" if running else found.told_as
        if reason in (self.told, "", NOT_LOOKED_AT):
            return
        self.told = reason
        if running:
            self.reached(Stage.STARTED)
        self.log.info("%s", found.sentence)
        if not running and self.task.parameters.get("log_events_on_startup"):
            await self._log_events(pod)

    async def _log_events(self, pod: PodView) -> None:
        try:
            events = await self.api.list_pod_events(removal.ref_of(pod))
        except ApiError as error:
            self.log.warning("The pod's events cannot be read: %s", error)
            return
        for event in events:
            level = logging.WARNING if event.type == "Warning" else logging.INFO
            self.log.log(level, "Pod Event: %s - %s", event.reason, event.message)

    async def _ended(self, follower: Follower, pod: PodView) -> Ending:
        end = outcome.end_of(pod, self.task.base)
        assert end is not None
        assert self._results is not None
        await self._results.finish(follower)
        self.reached(Stage.ENDED, Stage.TEARDOWN)
        ending = outcome.ended(pod, self.task.base, end, self.task.parameters.get("skip_on_exit_code") or ())
        if ending.state == "success" and self.task.gives_result:
            ending = await self._results.take(pod, end, ending)
        if ending.state == "failed":
            return await self._failed(pod, ending.sentence)
        if ending.state == "success":
            self.log.info("%s", ending.sentence)
        return ending

    async def _vanished(self, follower: Follower) -> Ending | None:
        """A pod that is gone ends its task, unless somebody else has seen its end and told Airflow."""
        while not follower.present:
            await asyncio.sleep(GONE_FOR_SURE)
            if not follower.present and await self._is_gone():
                assert follower.pod is not None
                sentence = outcome.failure(follower.pod, self.task.base, present=False)
                return await self._failed(follower.pod, sentence)
        return None

    async def _is_gone(self) -> bool:
        """By the API server; what it does not answer is not gone."""
        try:
            await self.api.read_pod(self.task.namespace, self.name)
        except NotFound:
            return True
        except ApiError as error:
            self.log.warning("The pod cannot be read: %s", error)
        return False

    async def _failed(self, pod: PodView, sentence: str, *, delete: bool = False) -> Ending:
        if self.task.parameters.get("log_events_on_failure"):
            await self._log_events(pod)
        if self.task.parameters.get("log_pod_spec_on_failure"):
            made = yaml.safe_dump(without_payload(self._built()), sort_keys=False)
            self.log.info("The pod was made of:\n%s", made)
        if delete:
            await self.stop()
        return Ending("failed", sentence)

    def _seconds_left(self) -> float | None:
        """Until the next moment at which something is due without any news."""
        if self.pod is None:
            return UNSEEN
        limit = limit_of(self.task, self.pod)
        return None if limit is None else max(0.0, (limit.at - self.now()).total_seconds())

    async def _without_news(self, follower: Follower) -> Ending | None:
        """Time is over; by the pod as the API server has it now, since what was seen may be old (a frozen process)."""
        try:
            self.pod = await self.api.read_pod(self.task.namespace, self.name)
        except NotFound:
            return await self._never_seen(follower)
        except ApiError as error:
            self.log.warning("The pod cannot be read: %s", error)
            await asyncio.sleep(1.0)
            return None
        follower.take(self.pod, present=True)
        limit = limit_of(self.task, self.pod)
        if limit is None or limit.at > self.now():
            return None
        sentence = limit.sentence(self.pod, self.task.base)
        await self.stop()
        return Ending("failed", sentence)

    async def _never_seen(self, follower: Follower) -> Ending | None:
        if follower.pod is not None:
            follower.take(follower.pod, present=False)
            return None
        return Ending(
            "failed", f"Pod {self.task.namespace}/{self.name} was deleted by somebody as soon as it was made."
        )
