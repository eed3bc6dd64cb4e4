"""What the agent knows about one container: frozen values, replaced and never changed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Waiting:
    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Running:
    """started_at: RFC 3339."""

    started_at: str


@dataclass(frozen=True, slots=True)
class Terminated:
    """exit_code: 128 + n when killed by signal n; times: RFC 3339."""

    exit_code: int
    reason: str
    started_at: str
    finished_at: str
    message: str = ""
    container_id: str = ""


State = Waiting | Running | Terminated


@dataclass(frozen=True, slots=True)
class ContainerRecord:
    """One container of a pod, over all its restarts. role: main, init or sidecar.

    started, ready: what probes and hooks say of a running container; false of any other.
    """

    name: str
    image: str
    role: str
    state: State
    last_state: Terminated | None = None
    restart_count: int = 0
    container_id: str = ""
    image_id: str = ""
    started: bool = False
    ready: bool = False

    @property
    def exit_code(self) -> int | None:
        return self.state.exit_code if isinstance(self.state, Terminated) else None
