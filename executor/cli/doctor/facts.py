"""What was seen of the cluster and of Airflow: plain frozen values, for the checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from executor.kube.check import Missing


@dataclass(frozen=True, slots=True)
class Unread:
    """It could not be looked at; why. forbidden: these credentials may not."""

    why: str
    forbidden: bool = False


@dataclass(frozen=True, slots=True)
class Server:
    """The API server. version: as it calls itself; user: whom it takes us for; skew: seconds that its clock is ahead of
    ours, None where it does not tell."""

    host: str
    version: str
    user: str | Unread
    skew: float | None


@dataclass(frozen=True, slots=True)
class Quota:
    """A ResourceQuota: what may be used, and what is. scoped: it is for some pods only."""

    name: str
    hard: Mapping[str, str]
    used: Mapping[str, str] = field(default_factory=dict)
    scoped: bool = False


@dataclass(frozen=True, slots=True)
class LimitRange:
    """What a LimitRange says of containers, by resource: default limits, and the most a container may have."""

    name: str
    default: Mapping[str, str] = field(default_factory=dict)
    most: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Namespace:
    """phase: Active or Terminating, None if there is no such namespace."""

    name: str
    phase: str | Unread | None
    quotas: tuple[Quota, ...] | Unread = ()
    limit_ranges: tuple[LimitRange, ...] | Unread = ()


@dataclass(frozen=True, slots=True)
class Permissions:
    """What is denied. namespace: None for all of them."""

    namespace: str | None
    missing: tuple[Missing, ...] | Unread


@dataclass(frozen=True, slots=True)
class PlannedPod:
    """A pod as it would be posted. where: made from what; refusal: why the API server would not take it, None if it
    would."""

    where: str
    manifest: Mapping[str, Any] = field(repr=False)
    refusal: str | Unread | None = None

    @property
    def namespace(self) -> str:
        """Where it would be posted."""
        return str(self.manifest["metadata"]["namespace"])


@dataclass(frozen=True, slots=True)
class Reference:
    """An object that a pod names. namespace: None for what is in none; field: where the pod names it."""

    kind: str
    namespace: str | None
    name: str
    field: str
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Looked:
    """A reference, and whether its object exists."""

    reference: Reference
    exists: bool | Unread


@dataclass(frozen=True, slots=True)
class AirflowSide:
    """Airflow's own configuration, as the scheduler has it.

    executors: `[core] executor`; listed: this executor is among them; execution_api: the URL; bundles: as in
    `[dag_processor] dag_bundle_config_list`; store: class of the remote log store, None if there is none;
    shows_reasons: its reader shows the files that this executor brings there.
    """

    executors: str
    listed: bool
    execution_api: str
    bundles: tuple[Mapping[str, Any], ...] = ()
    dags_folder: str = ""
    base_log_folder: str = ""
    remote_logging: bool = False
    store: str | None = None
    shows_reasons: bool = False
    parallelism: int = 32
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Triggerers:
    """Where the living triggerers run, and this process."""

    hosts: tuple[str, ...]
    here: str


@dataclass(frozen=True, slots=True)
class Stranger:
    """A living pod with our deployment's id whose task is not in our database. known: its DAG and its scheduler's job
    are."""

    pod: str
    task: str
    known: bool
