"""What the launcher is told: one frozen value per container, sent to it as JSON (field names are the protocol)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Layer(msgspec.Struct, frozen=True):
    """One part of a container's root. kind: overlay, bind (read-only) or link; target: path in the container."""

    kind: str
    target: str
    lower: str


class Mount(msgspec.Struct, frozen=True):
    """One bind mount. source: canonical path on this machine; target: absolute path in the container."""

    source: str
    target: str
    read_only: bool = False


class ContainerSpec(msgspec.Struct, frozen=True):
    """Everything `container_main` needs. `root` and `scratch` are existing directories of the container's own.

    read_only: the root cannot be written, only mounts and /dev can.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    hostname: str
    user_namespace: bool
    root: str
    scratch: str
    layers: tuple[Layer, ...]
    overlay_options: tuple[str, ...]
    mounts: tuple[Mount, ...] = ()
    hidden: tuple[str, ...] = ()
    read_only: bool = False

    def __repr__(self) -> str:
        return f"ContainerSpec(argv[0]={self.argv[:1]!r}, hostname={self.hostname!r})"  # env may hold secrets
