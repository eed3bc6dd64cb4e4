"""The executors that are compared, each driven through Airflow's own interface and with the database left out.

Left out, because a database's speed is not theirs: ours reads rows that say what a worker would have written, two
milliseconds after it asked; upstream's three queries per task are answered at once.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

from executor.model import Adopted, GivenBack, Launch, Row
from tests.benchmarks.spec import Place, Run

QUERY = 0.002  # seconds
UPSTREAM = {
    "upstream": {},
    "upstream batch": {"WORKER_PODS_CREATION_BATCH_SIZE": "1000"},
    "upstream async": {"WORKER_PODS_CREATION_BATCH_SIZE": "1000", "ASYNC_POD_CREATION": "True"},
}


def configure(run: Run, place: Place) -> None:
    """Before Airflow is imported."""
    section = "AIRFLOW__KUBERNETES_EXECUTOR__"
    os.environ |= {
        "AIRFLOW__CORE__PARALLELISM": "1000000",
        f"{section}NAMESPACE": place.namespace,
        f"{section}IN_CLUSTER": "False",
        f"{section}CONFIG_FILE": place.kubeconfig,
        f"{section}POD_TEMPLATE_FILE": str(Path(__file__).parents[1] / "speed" / "template.yaml"),
        "AIRFLOW__KUBERNETES_POD_EXECUTOR__DEPLOYMENT_ID": place.tag,
        "AIRFLOW__KUBERNETES_POD_EXECUTOR__SWITCH_INTERVAL": str(run.switch_interval),
    }
    os.environ |= {section + name: value for name, value in UPSTREAM.get(run.subject, {}).items()}


def make(run: Run, place: Place) -> Any:
    """The executor, not started."""
    if run.subject == "bare":
        from tests.benchmarks.bare import BareExecutor

        return BareExecutor(place.kubeconfig, place.namespace, place.tag)
    if run.subject in UPSTREAM:
        return _upstream()
    if run.subject == "process":
        from tests.benchmarks.process import in_a_process

        return in_a_process(run, place)
    return ours("running" if run.large else "success")


def ours(state: str = "success") -> Any:
    """The executor as it is, with these rows; `stopwatch` says how fast it passes on a pod's end."""
    from executor.kubernetes_executor import KubernetesExecutor

    class Loaded(KubernetesExecutor):
        stopwatch = Stopwatch()

        def _open_rows(self, settings: Any) -> Any:
            return WorkersSucceed(state)

        def _plan(self, *arguments: Any) -> Any:
            plan = super()._plan(*arguments)

            async def connect() -> Any:
                return self.stopwatch.listen(await plan.connect())

            return replace(plan, connect=connect)

        def start(self) -> None:
            super().start()
            self.stopwatch.attach(self)

    executor = Loaded()
    executor.job_id = 1
    return executor


def _upstream() -> Any:
    from airflow.providers.cncf.kubernetes.executors.kubernetes_executor import KubernetesExecutor
    from airflow.utils.state import TaskInstanceState

    class Loaded(KubernetesExecutor):
        def _should_create_pod_for_job(self, task: Any) -> bool:
            return True

        def _get_task_instance_state(self, key: Any, *, session: Any) -> Any:
            return TaskInstanceState.SUCCESS

    executor: Any = Loaded()  # type: ignore[no-untyped-call]
    executor.job_id = 1
    return executor


class WorkersSucceed:
    """Rows: a pod's worker has reported success by the time its container ended; a running one's row says so."""

    def __init__(self, state: str = "success") -> None:
        self._state = state

    async def read(self, launches: Sequence[Launch]) -> Mapping[str, Row]:
        await asyncio.sleep(QUERY)
        return {one.id: Row(one.ti_id, self._state, one.try_number, one.id, 1, "") for one in launches}

    async def keep_fresh(self, launches: Sequence[Launch]) -> int:
        return len(launches)

    async def rebuild(self, adopted: Sequence[Adopted]) -> Mapping[str, object]:
        return {}

    async def give_back(self, launch: Launch, sentence: str, *, reported: bool) -> GivenBack:
        return GivenBack.MOVED

    async def note_relaunch(self, launch: Launch, sentence: str) -> None:
        pass

    async def relaunches(self, launches: Sequence[Launch]) -> Mapping[str, int]:
        return {}

    async def stale_callbacks(self, older_than: float) -> Sequence[str]:
        return []

    def close(self) -> None:
        pass


class Stopwatch:
    """Of our executor: when the watch delivered a pod's end, and when the scheduler's next drain could take it.

    Both ends are outermost: the stream of the port, and the outbox.
    """

    def __init__(self) -> None:
        self.delivered: dict[str, float] = {}
        self.ready: dict[str, float] = {}

    def attach(self, executor: Any) -> None:
        """To an executor that is started. Launch ids are the keys of both."""
        outbox = executor._supervisor._outbox
        put = outbox.put

        def timed(message: Any) -> None:
            if hasattr(message, "launch_id"):
                self.ready.setdefault(message.launch_id, time.monotonic())
            put(message)

        outbox.put = timed

    def listen(self, kube: Any) -> Any:
        """The same port; its watch is heard."""
        watch = kube.watch_pods

        async def watch_pods(*arguments: Any) -> Any:
            async with aclosing(watch(*arguments)) as events:
                async for event in events:
                    pod = getattr(event, "pod", None)
                    if pod is not None and pod.status.phase == "Succeeded":
                        self.delivered.setdefault(pod.metadata.labels["airflow-launch"], time.monotonic())
                    yield event

        kube.watch_pods = watch_pods
        return kube

    def seconds(self) -> list[float]:
        return [self.ready[one] - at for one, at in self.delivered.items() if one in self.ready]
