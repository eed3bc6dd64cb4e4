"""The cluster's side of the world: pods as the executor builds them, and a cluster that remembers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from executor.control.ports import Attempt
from executor.errors import ApiError, Throttled, Unreachable
from executor.identity import LAUNCH_LABEL, SECRET_ANNOTATION, Identity
from executor.kube.port import Bookmark, PodRef, WatchEvent
from executor.manifest import BuiltPod, ManifestSettings, PodBuilder, PodRequest, TemplateSource
from executor.model import Kind, Launch
from tests.fakes.kube import Call, FakeKube
from tests.unit.control.database import JOB

DEPLOYMENT = "d0"


def identity_of(launch: Launch, attempt: int) -> Identity:
    return Identity(
        launch_id=launch.id,
        attempt=attempt,
        ti_id=launch.ti_id,
        dag_id=launch.dag_id,
        task_id=launch.task_id,
        run_id=launch.run_id,
        try_number=launch.try_number,
        map_index=launch.map_index,
        deployment=DEPLOYMENT,
        job_id=str(JOB),
        airflow_version="3.3.2",
        kind="callback" if launch.kind is Kind.CALLBACK else "task",
    )


@dataclass
class Cluster(FakeKube):
    """A FakeKube that remembers the launch of every pod that was ever made."""

    born: list[str] = field(default_factory=list)

    def add_pod(self, manifest: Mapping[str, Any], namespace: str = "default") -> PodRef:
        self.born.append(manifest["metadata"].get("labels", {}).get(LAUNCH_LABEL, ""))
        return super().add_pod(manifest, namespace)


def losing_the_first_answer(lost: list[Call]) -> Cluster:
    """A cluster that carries out the first create of a pod and does not answer; `lost` gets that call."""

    def lose(call: Call) -> ApiError | None:
        if call.verb == "create" and call.resource == "pods" and not lost:
            lost.append(call)
            return Unreachable("connection reset")
        return None

    return Cluster(lose_answer=lose)


def holding_creates() -> Cluster:
    """A cluster that asks the first create of a pod to come back in minutes, and does not answer the second one."""
    asked: list[Call] = []

    def fail(call: Call) -> ApiError | None:
        if call.verb == "create" and call.resource == "pods":
            asked.append(call)
        return Throttled("slow down", status=429, retry_after=200.0) if asked == [call] else None

    def lose(call: Call) -> ApiError | None:
        return Unreachable("connection reset") if len(asked) > 1 and call is asked[1] else None

    return Cluster(fail=fail, lose_answer=lose)


def keep_to_itself(kube: Cluster, hidden: set[str]) -> None:
    """The watch says nothing about pods of these names; empty the set to end that, for what comes then."""
    through = kube.watch_pods

    async def watch(*args: Any) -> AsyncGenerator[WatchEvent]:
        async with aclosing(through(*args)) as events:
            async for event in events:
                if isinstance(event, Bookmark) or event.pod.metadata.name not in hidden:
                    yield event

    kube.watch_pods = watch  # type: ignore[method-assign, assignment]


class Pods:
    """control.ports.PodSource on the real builder; a launch whose config says `break` meets a defect."""

    def __init__(self) -> None:
        self._builder = PodBuilder(ManifestSettings(), TemplateSource())

    def build(self, attempt: Attempt) -> BuiltPod:
        if attempt.launch.executor_config.get("break"):
            raise KeyError("a defect in the builder")
        return self._builder.build(self._request(attempt))

    def finalize(self, attempt: Attempt, manifest: dict[str, Any]) -> dict[str, Any]:
        return self._builder.finalize(manifest, self._request(attempt))

    def manifest(self, launch: Launch, attempt: int, secret: str = "") -> dict[str, Any]:
        """The pod of this attempt, as another scheduler would have posted it; secret: that it mounts."""
        pod = self._builder.build(PodRequest(identity_of(launch, attempt), ()))
        if secret:
            pod.manifest["metadata"]["annotations"][SECRET_ANNOTATION] = secret
        return pod.manifest

    def _request(self, attempt: Attempt) -> PodRequest:
        return PodRequest(
            identity=identity_of(attempt.launch, attempt.number),
            args=attempt.args,
            executor_config=attempt.launch.executor_config,
            workload_secret=attempt.mount,
        )
