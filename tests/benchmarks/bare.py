"""The yardstick: an asyncio client that creates, watches and deletes the same pods, and does nothing else.

It is an executor only to be driven like one. No rows, no Secrets, no decisions, no retries; aiohttp and msgspec.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any, NoReturn

import msgspec
from airflow.executors.base_executor import BaseExecutor

from tests.speed.client import connect

CONCURRENCY = 64
IMAGE = "apache/airflow:3.3.2"
_encode = msgspec.json.Encoder().encode


class _Meta(msgspec.Struct, rename="camel"):
    name: str = ""
    annotations: dict[str, str] = {}
    resource_version: str = ""
    deletion_timestamp: str | None = None


class _Status(msgspec.Struct):
    phase: str = ""


class _Pod(msgspec.Struct):
    metadata: _Meta = msgspec.field(default_factory=_Meta)
    status: _Status = msgspec.field(default_factory=_Status)


class _Line(msgspec.Struct):
    type: str
    object: _Pod


class BareExecutor(BaseExecutor):
    """Talks to one namespace; the loop is a thread."""

    def __init__(self, kubeconfig: str, namespace: str, tag: str) -> None:
        super().__init__(parallelism=1_000_000)
        self._kubeconfig, self._namespace, self._tag = kubeconfig, namespace, tag
        self._done: deque[str] = deque()
        self._keys: dict[str, Any] = {}
        self._ready, self._stop = threading.Event(), asyncio.Event()
        self._jobs: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._ready.wait(30)

    def _process_workloads(self, workloads: Sequence[Any]) -> None:
        for workload in workloads:
            self.queued_tasks.pop(workload.key, None)
            self.running.add(workload.key)
            self._keys[workload.ti.task_id] = workload.key
        self._loop.call_soon_threadsafe(self._take, list(workloads))

    def sync(self) -> None:
        for _ in range(len(self._done)):
            self.running.discard(self._keys.pop(self._done.popleft()))

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def terminate(self) -> NoReturn:
        raise NotImplementedError

    # -- the loop's thread --------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        self._loop, self._slots = asyncio.get_running_loop(), asyncio.Semaphore(CONCURRENCY)
        async with connect(self._kubeconfig) as (self._session, base):
            self._url = f"{base}/api/v1/namespaces/{self._namespace}/pods"
            selector = {"labelSelector": f"dag_id={self._tag}"}
            async with self._session.get(self._url, params=selector) as answer:
                version = (await answer.json())["metadata"]["resourceVersion"]
            watching = asyncio.create_task(self._watch(selector, version))
            self._ready.set()
            await self._stop.wait()
            await asyncio.gather(*self._jobs)
            watching.cancel()

    def _take(self, workloads: list[Any]) -> None:
        for workload in workloads:
            self._start(self._create(manifest(workload)))

    def _start(self, work: Any) -> None:
        job = asyncio.create_task(work)
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    async def _create(self, pod: dict[str, Any]) -> None:
        headers = {"Content-Type": "application/json"}
        async with self._slots, self._session.post(self._url, data=_encode(pod), headers=headers) as answer:
            await answer.read()
            assert answer.status == 201, answer.status

    async def _delete(self, name: str) -> None:
        async with self._slots, self._session.delete(f"{self._url}/{name}") as answer:
            await answer.read()

    async def _watch(self, selector: dict[str, str], version: str) -> None:
        lines = msgspec.json.Decoder(_Line)
        while True:
            params = {**selector, "watch": "1", "resourceVersion": version}
            async with self._session.get(self._url, params=params) as answer:
                async for line in answer.content:
                    pod = lines.decode(line).object
                    version = pod.metadata.resource_version
                    if pod.status.phase == "Succeeded" and pod.metadata.deletion_timestamp is None:
                        self._ended(pod)

    def _ended(self, pod: _Pod) -> None:
        task = pod.metadata.annotations["task_id"]
        if task in self._keys and task not in self._done:
            self._done.append(task)
            self._start(self._delete(pod.metadata.name))


def manifest(workload: Any) -> dict[str, Any]:
    """A pod as large as the executor's."""
    ti = workload.ti
    notes = {"dag_id": ti.dag_id, "task_id": ti.task_id, "run_id": ti.run_id, "try_number": "1"}
    notes |= {"task_instance_id": str(ti.id), "attempt": "1"}
    marks = {"airflow-deployment": "bare", "airflow-launch": ti.external_executor_id, "airflow-worker": "1"}
    marks |= {"kubernetes_executor": "True", "airflow_version": "3.3.2", "tier": "airflow", "component": "worker"}
    arguments = ["python", "-m", "airflow.sdk.execution_time.execute_workload", "--json-string"]
    base = {
        "name": "base",
        "image": IMAGE,
        "args": [*arguments, workload.model_dump_json(exclude={"token"})],
        "env": [{"name": "AIRFLOW__CORE__DAGS_FOLDER", "value": "/opt/airflow/dags"}],
        "resources": {"requests": {"cpu": 0.5, "memory": "1024Mi"}, "limits": {"memory": "1024Mi"}},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{ti.dag_id}-{ti.external_executor_id}",
            "labels": {**notes, **marks},
            "annotations": notes,
        },
        "spec": {"restartPolicy": "Never", "containers": [base]},
    }
