"""The trigger that is a container task: makes the pod, follows it, and ends the task, without any worker.

`run` never raises: a trigger that does is sent through a worker, only to fail there (Airflow `models/trigger.py`,
`submit_failure`). The execution timeout is this trigger's own for the same reason.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any, Final, cast

from airflow.triggers.base import BaseTrigger, TaskFailedEvent, TaskSkippedEvent, TaskSuccessEvent, TriggerEvent

from executor.operators import removal
from executor.operators.airflow_side import DEFERRED, InTriggerer, PushError
from executor.operators.assembly import NOT_TO_BE_MADE, Followed, following, identity_of, task_of
from executor.operators.carried import unpack
from executor.operators.dag_copy import let_go
from executor.operators.outcome import Ending
from executor.operators.rendering import ready
from executor.operators.task import ContainerTask
from executor.operators.upstream_values import TemplateInstance, Upstream

CLASS_PATH: Final = "executor.operators.trigger.PodTrigger"
RENDERING: Final = 60.0  # seconds: what a triggerer cannot answer is not answered at all

_EVENTS: Final = {"success": TaskSuccessEvent, "failed": TaskFailedEvent, "skipped": TaskSkippedEvent}


class PodTrigger(BaseTrigger):
    """parameters: the text of `carried.pack`; of a mapped task, what all its instances have in common."""

    def __init__(self, parameters: str = "") -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._parameters = parameters
        self._context: Any = None
        self._followed: Followed | None = None
        self._is_mapped_over = False

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and its arguments."""
        return CLASS_PATH, {"parameters": self._parameters}

    def render_template_fields(self, context: Any, jinja_env: Any = None) -> None:
        """Nothing yet: what goes wrong here would end in a worker."""
        self._context = context

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """One event: how the task ended."""
        try:
            ending = await self._pushed(await self._live())
        except Exception as error:
            self.log.exception("A defect of PodOperator")
            ending = Ending("failed", f"A defect of PodOperator: {type(error).__name__}: {error}")
        if ending.state == "failed":
            self.log.error("%s", ending.sentence)
        elif ending.state == "skipped":
            self.log.warning("%s", ending.sentence)
        yield _EVENTS[ending.state]()
        await self._tidy(ending)

    async def on_kill(self) -> None:
        """Also called when another triggerer follows this task now: then it is still deferred, and the pod is its."""
        followed = self._followed
        if followed is None:
            return
        state = await InTriggerer().state(followed.task.identity)
        if state == DEFERRED:
            self.log.info("Another triggerer, or another try, has this task now; its pod is left alone")
            return
        await followed.stop()

    async def _pushed(self, ending: Ending) -> Ending:
        """The results are stored before the task's end is told, so that no later task starts without them."""
        if self._followed is None or not ending.xcoms:
            return ending
        try:
            await InTriggerer().push(self._followed.task.identity, ending.xcoms, self._is_mapped_over)
        except PushError as error:
            return Ending("failed", f"{ending.sentence} {error}")
        return ending

    async def _live(self) -> Ending:
        try:
            task = await self._task()
            async with following(task, InTriggerer(), cast("logging.Logger", self.log)) as followed:
                self._followed = followed
                return await followed.run()
        except NOT_TO_BE_MADE as error:
            return Ending("failed", f"The pod cannot be made: {error}")
        except TimeoutError:
            return Ending("failed", _UNANSWERED)

    async def _task(self) -> ContainerTask:
        ti: Any = self.task_instance
        context, self._context = self._context, None
        identity = identity_of(ti)
        # What the templates ask for is pulled by Airflow's blocking calls, which give way to the loop (greenback).
        async with asyncio.timeout(RENDERING):  # noqa: ASYNC100
            proxy = TemplateInstance(ti)
            seen = {**context, "ti": proxy, "task_instance": proxy}
            parameters = ready(unpack(self._parameters), ti.task, Upstream(ti), seen, self)
        self._is_mapped_over = identity.map_index < 0 and any(True for _ in ti.task.iter_mapped_dependants())
        self._let_go(ti, context)
        return await task_of(identity, parameters, InTriggerer())

    def _let_go(self, ti: Any, context: Any) -> None:
        """The DAG, of which each deferred task has a copy of its own, is not needed while the pod runs."""
        context.clear()
        task, ti.__dict__["task"] = ti.task, None
        let_go(task)
        ti.__dict__["_cached_template_context"] = None
        self._parameters = ""

    async def _tidy(self, ending: Ending) -> None:
        """Delete the pod once Airflow has the event, by a task that outlives this trigger."""
        followed = self._followed
        pod = followed.pod if followed else None
        if followed is None or pod is None or not removal.wanted_after_end(pod, succeeded=ending.state == "success"):
            return
        followed.delete_later(pod)


_UNANSWERED: Final = (
    f"The templates of this task were not rendered within {RENDERING:g} s: one of them asks for something that a "
    "triggerer cannot answer (inlet events, task state, a slice of XComs). Ask for it in a task before this one"
)
