"""The part of a pod that decisions need, decoded straight from JSON and nothing else kept.

A field that is not named here is skipped by the decoder, which is why a watch event costs microseconds and a tracked
pod a few kilobytes. Field names are Kubernetes' own (camelCase on the wire).
"""

from __future__ import annotations

from datetime import datetime
from sys import intern

import msgspec
from msgspec.structs import force_setattr

UUID_LENGTH = 36


class View(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """Base of all views: frozen, camelCase on the wire, unknown fields skipped."""


class Terminated(View, frozen=True):
    exit_code: int = 0
    signal: int = 0
    reason: str = ""
    message: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None


class Waiting(View, frozen=True):
    reason: str = ""
    message: str = ""


class Running(View, frozen=True):
    started_at: datetime | None = None


class ContainerState(View, frozen=True):
    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Terminated | None = None


class ContainerStatus(View, frozen=True):
    name: str
    image: str = ""
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()
    restart_count: int = 0
    started: bool | None = None


class Condition(View, frozen=True):
    type: str
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: datetime | None = None


class Status(View, frozen=True):
    phase: str = "Pending"
    reason: str = ""
    message: str = ""
    start_time: datetime | None = None
    conditions: tuple[Condition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()


class Limits(View, frozen=True):
    limits: dict[str, str | int | float] = {}


class ContainerSpec(View, frozen=True):
    name: str
    image: str = ""
    restart_policy: str = ""
    resources: Limits = Limits()


class Gate(View, frozen=True):
    name: str


class Spec(View, frozen=True):
    node_name: str = ""
    host_network: bool = False
    active_deadline_seconds: int = 0
    containers: tuple[ContainerSpec, ...] = ()
    init_containers: tuple[ContainerSpec, ...] = ()
    scheduling_gates: tuple[Gate, ...] = ()


class Metadata(View, frozen=True):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    deletion_grace_period_seconds: int | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class PodView(View, frozen=True):
    """A pod as the executor sees it."""

    metadata: Metadata = Metadata()
    spec: Spec = Spec()
    status: Status = Status()


class ListMeta(View, frozen=True):
    resource_version: str = ""
    continue_: str = msgspec.field(name="continue", default="")


class PodList(View, frozen=True):
    metadata: ListMeta = ListMeta()
    items: tuple[PodView, ...] = ()


def shared(pod: PodView) -> PodView:
    """The same pod; a text that many pods have is one text for all of them, which halves what a pod weighs."""
    for names in ("labels", "annotations"):
        texts = {intern(name): _shared_text(text) for name, text in getattr(pod.metadata, names).items()}
        force_setattr(pod.metadata, names, texts)
    for condition in pod.status.conditions:
        _share(condition, "type", "status")
    for container in (*pod.spec.containers, *pod.status.container_statuses):
        _share(container, "name", "image")
    _share(pod.metadata, "namespace")
    return pod


def _shared_text(text: str) -> str:
    """A UUID is one pod's own, and Python's table of shared texts is no place for it."""
    return text if len(text) == UUID_LENGTH else intern(text)


def _share(view: View, *names: str) -> None:
    for name in names:
        force_setattr(view, name, intern(getattr(view, name)))
