"""The worker path: a worker makes the pod and follows it, by the same code as the triggerer, and returns its result.

For tasks that would lose something in the triggerer (`route`). Such a task makes two pods under this executor: its log
says so, and why.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

from airflow.sdk.bases.hook import BaseHook
from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException, AirflowSkipException

from executor.identity import Identity
from executor.operators import reattach, removal
from executor.operators.airflow_side import RETURN, without
from executor.operators.assembly import NOT_TO_BE_MADE, Followed, following, identity_of, task_of
from executor.operators.carried import of_operator
from executor.operators.hub import Hub
from executor.operators.outcome import Ending
from executor.operators.stages import Stage
from executor.operators.user_code import UserCode

log = logging.getLogger(__name__)

RUNNING: Final = "running"


class InWorker:
    """airflow_side.AirflowSide, where a worker's own Airflow does most of it: old XComs are cleared at its start."""

    def __init__(self, ti: Any) -> None:
        self._ti = ti

    async def extra(self, conn_id: str | None) -> Mapping[str, Any]:
        if not conn_id:
            return {}
        try:
            found: Mapping[str, Any] = BaseHook.get_connection(conn_id).extra_dejson
        except AirflowNotFoundException as error:
            return without(conn_id, error)
        return found

    async def state(self, identity: Identity) -> str | None:
        return RUNNING

    async def clear_results(self, identity: Identity) -> None:
        return None

    async def push(self, identity: Identity, values: Mapping[str, Any], mapped: bool) -> None:
        for key, value in values.items():
            self._ti.xcom_push(key=key, value=value)


def carry_out(operator: Any, context: Any) -> Any:
    """Run the task. Raises AirflowException with the sentence of its failure, AirflowSkipException if it skips."""
    for reason in operator.worker_reasons:
        operator.log.info("This container task has a worker beside its pod, because %s", reason)
    ending = asyncio.run(_carry_out(operator, context))
    if ending.state == "skipped":
        raise AirflowSkipException(ending.sentence)
    if ending.state == "failed":
        raise AirflowException(ending.sentence)
    return (ending.xcoms or {}).get(RETURN)


async def _carry_out(operator: Any, context: Any) -> Ending:
    airflow, user_code = InWorker(context["ti"]), None
    try:
        task = await task_of(identity_of(context["ti"]), of_operator(operator), airflow)
        user_code = UserCode(operator, context, task.choice.settings)
        async with following(task, airflow, operator.log) as followed:
            followed.stages = user_code
            operator.killer = _killer(followed)
            if reattach.wanted(task.parameters):
                await _reattach(followed)
            ending = await _followed(followed)
            await _tidy(followed, ending)
            return ending
    except NOT_TO_BE_MADE as error:
        return Ending("failed", f"The pod cannot be made: {error}")
    finally:
        if user_code is not None:
            user_code.close()
        await Hub.here().close()


async def _reattach(followed: Followed) -> None:
    task = await reattach.going_on(followed.task, followed.watch)
    if task is not followed.task:
        number = task.identity.try_number
        followed.log.info("Reusing existing pod of try %d, as reattach_on_restart says", number)
        followed.task = task


async def _followed(followed: Followed) -> Ending:
    """A task that ends here, by a user's callback or Airflow's time limit, leaves no pod at work."""
    try:
        return await followed.run()
    except BaseException:
        await followed.stop()
        raise


def _killer(followed: Followed) -> Any:
    """For `on_kill`, which a signal handler calls within this very loop's thread (Airflow `task_runner.py`)."""
    loop = asyncio.get_running_loop()

    def kill() -> None:
        loop.call_soon_threadsafe(lambda: Hub.here().later(followed.stop))

    return kill


async def _tidy(followed: Followed, ending: Ending) -> None:
    pod = followed.pod
    if pod is not None and removal.wanted_after_end(pod, succeeded=ending.state == "success"):
        await removal.delete(followed.api, removal.ref_of(pod), followed.task.grace)
        followed.stages.reached(Stage.CLEANED, pod.metadata.namespace, pod.metadata.name)
