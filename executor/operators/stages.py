"""Where in its life a container task is, for whoever wants to be told: the user's callbacks, in a worker."""

from __future__ import annotations

from enum import Enum
from typing import Any, Protocol


class Stage(Enum):
    """The provider's callback of a stage (cncf.kubernetes `callbacks.py`)."""

    MANIFEST = "on_pod_manifest_created"
    CREATED = "on_pod_creation"
    STARTED = "on_pod_starting"
    ENDED = "on_pod_completion"
    TEARDOWN = "on_pod_teardown"
    CLEANED = "on_pod_cleanup"


class Stages(Protocol):
    """What is told. Whatever it raises ends the task."""

    def manifest(self, pod: dict[str, Any]) -> None:
        """The pod is about to be made."""

    def reached(self, stage: Stage, namespace: str, name: str) -> None:
        """The pod of this name came this far."""

    def line(self, container: str, text: str) -> str | None:
        """A line of a container's log; returns how it is shown, None for the usual way."""


class Silent:
    """Nobody wants to know."""

    def manifest(self, pod: dict[str, Any]) -> None:
        return None

    def reached(self, stage: Stage, namespace: str, name: str) -> None:
        return None

    def line(self, container: str, text: str) -> str | None:
        return None
