"""What a pod's follower asks of Airflow, in a triggerer and in a worker."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final, Protocol

from airflow.sdk.bases.hook import BaseHook
from airflow.sdk.bases.xcom import BaseXCom
from airflow.sdk.exceptions import AirflowNotFoundException, AirflowRuntimeError
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import DeleteXCom, GetTaskStates, GetXCom, SetXCom

from executor.identity import Identity
from executor.manifest.model import JsonMap
from executor.operators.cluster import ClusterChoiceError

DEFAULT_CONNECTION: Final = "kubernetes_default"
DEFERRED: Final = "deferred"
RETURN: Final = "return_value"
POD_KEYS: Final = ("pod_name", "pod_namespace")


class AirflowSide(Protocol):
    """Questions about one task instance and its connection."""

    async def extra(self, conn_id: str | None) -> Mapping[str, Any]:
        """The extra fields of a connection; nothing for `kubernetes_default` where it does not exist."""

    async def state(self, identity: Identity) -> str | None:
        """The task instance's state now; None also where there is no such instance any more."""

    async def clear_results(self, identity: Identity) -> None:
        """Delete what earlier tries of this task instance gave."""

    async def push(self, identity: Identity, values: Mapping[str, Any], mapped: bool) -> None:
        """Store XComs; mapped: a later task maps over the returned value. Raises PushError."""


class PushError(ValueError):
    """A result that cannot become an XCom; one sentence."""


async def push_where(airflow: AirflowSide, identity: Identity, pod: JsonMap, log: logging.Logger) -> None:
    """Store where the pod is, as soon as it is there, so that it is known whatever comes (cncf.kubernetes
    `execute_sync`)."""
    where = dict(zip(POD_KEYS, (pod["metadata"]["name"], pod["metadata"]["namespace"]), strict=True))
    try:
        await airflow.push(identity, where, mapped=False)
    except PushError as error:
        log.warning("%s", error)


class InTriggerer:
    """By the messages that Airflow 3.3's triggerer answers (`jobs/triggerer_job_runner.py`)."""

    async def extra(self, conn_id: str | None) -> Mapping[str, Any]:
        if not conn_id:
            return {}
        try:
            found: Mapping[str, Any] = (await BaseHook.aget_connection(conn_id)).extra_dejson
        except (AirflowNotFoundException, AirflowRuntimeError) as error:
            return without(conn_id, error)
        return found

    async def state(self, identity: Identity) -> str | None:
        answer: Any = await task_runner.SUPERVISOR_COMMS.asend(
            GetTaskStates(
                dag_id=identity.dag_id,
                task_ids=[identity.task_id],
                run_ids=[identity.run_id],
                map_index=identity.map_index,
            )
        )
        states = answer.task_states.get(identity.run_id) or {}
        name = identity.task_id if identity.map_index < 0 else f"{identity.task_id}_{identity.map_index}"
        state = states.get(name)
        return None if state is None else str(getattr(state, "value", state))

    async def clear_results(self, identity: Identity) -> None:
        if identity.try_number < 2:
            return  # nothing was there before; a cleared task goes on counting its tries
        where = _where(identity)
        try:
            old: Any = await task_runner.SUPERVISOR_COMMS.asend(GetXCom(key=RETURN, **where))
        except AirflowRuntimeError:
            old = None
        fields = old.value if old is not None and isinstance(old.value, dict) else {}
        for key in (RETURN, *POD_KEYS, *(name for name in fields if isinstance(name, str))):
            await _delete(key, where)

    async def push(self, identity: Identity, values: Mapping[str, Any], mapped: bool) -> None:
        # Not by the trigger's event: what that stores, workers read back as JSON text (`models/xcom.py`, `set`).
        for key, value in values.items():
            length = _mapped_length(value) if mapped and key == RETURN else None
            try:
                stored = BaseXCom.serialize_value(value)
                message = SetXCom(key=key, value=stored, mapped_length=length, **_where(identity))
                await task_runner.SUPERVISOR_COMMS.asend(message)
            except (AirflowRuntimeError, TypeError, ValueError) as error:
                raise PushError(f"The result cannot be stored as XCom {key!r}: {error}") from None


def without(conn_id: str, error: Exception) -> Mapping[str, Any]:
    """What a connection that cannot be had says: nothing, if it is the default. Raises ClusterChoiceError otherwise."""
    if conn_id == DEFAULT_CONNECTION:
        return {}
    raise ClusterChoiceError(f"the connection {conn_id!r} (kubernetes_conn_id) cannot be read: {error}") from None


def _mapped_length(value: Any) -> int:
    if not isinstance(value, list | dict):
        raise PushError(
            f"A later task maps over the result, which is a {type(value).__name__}: "
            "write a list or a dict to return.json"
        )
    return len(value)


def _where(identity: Identity) -> dict[str, Any]:
    return {
        "dag_id": identity.dag_id,
        "run_id": identity.run_id,
        "task_id": identity.task_id,
        "map_index": identity.map_index,
    }


async def _delete(key: str, where: Mapping[str, Any]) -> None:
    try:
        await task_runner.SUPERVISOR_COMMS.asend(DeleteXCom(key=key, **where))
    except AirflowRuntimeError:
        return  # there was none
