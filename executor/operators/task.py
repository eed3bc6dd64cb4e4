"""One try of a container task as a value: who it is, what it wants, and how long it may take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from executor.identity import Identity
from executor.manifest.model import BASE, JsonMap
from executor.operators.cluster import ClusterChoice


@dataclass(frozen=True, slots=True)
class ContainerTask:
    """parameters: of PodOperator, rendered, plain JSON. selector: of the watch that sees its pod."""

    identity: Identity
    parameters: Mapping[str, Any] = field(repr=False)
    choice: ClusterChoice = field(repr=False)
    namespace: str
    selector: str
    template: JsonMap | None = field(default=None, repr=False)

    @property
    def base(self) -> str:
        """The name of the task's container."""
        return str(self.parameters.get("base_container_name") or BASE)

    @property
    def schedule_timeout(self) -> float:
        """Seconds a pod may wait for a node."""
        return float(self.parameters.get("schedule_timeout_seconds") or self.startup_timeout)

    @property
    def startup_timeout(self) -> float:
        """Seconds a pod on a node may take to start the task's container."""
        return float(self.parameters["startup_timeout_seconds"])

    @property
    def execution_timeout(self) -> float | None:
        """Seconds from the making of the pod to its end; None: no limit."""
        value = self.parameters.get("execution_timeout")
        return None if value is None else float(value)

    @property
    def gives_result(self) -> bool:
        """Whether /airflow/xcom/return.json is wanted."""
        return bool(self.parameters.get("do_xcom_push"))

    @property
    def grace(self) -> int | None:
        """Seconds between SIGTERM and SIGKILL when the pod is deleted; None: as the pod says."""
        value = self.parameters.get("termination_grace_period")
        return None if value is None else int(value)
