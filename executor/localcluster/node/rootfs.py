"""Which mounts make a container's root directory out of this machine's files.

As root one overlay on `/` does, plus one for each file system mounted below it. In a user namespace the kernel refuses
an overlay over a directory with mounts below it, so such directories are taken apart into their entries.
Kernel file systems (/proc, /sys, /dev) are the launcher's business and never part of the plan.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from executor.localcluster.node.images import ImageEntry
from executor.localcluster.node.spec import Layer

CAP_SYS_ADMIN = 21
KERNEL_PATHS = ("/proc", "/sys", "/dev")
# mounted below `/` but nothing that a program looks for: namespaces handles, other containers' roots, snaps
SKIPPED_TYPES = frozenset({"nsfs", "overlay", "squashfs", "autofs", "binfmt_misc", "fuse.lxcfs", "rpc_pipefs"})


@dataclass(frozen=True, slots=True)
class Machine:
    """Where this process runs. mount_points: below `/`; user: may not mount, so containers need a user namespace;
    confined: in a user namespace, made for the container or already around us, whose mounts cannot be taken apart."""

    mount_points: tuple[str, ...]
    user: bool
    confined: bool


def this_machine() -> Machine:
    whole_range = Path("/proc/self/uid_map").read_text().split() == ["0", "0", "4294967295"]
    points = tuple(mount_points(Path("/proc/self/mountinfo").read_text()))
    user = not may_mount(Path("/proc/self/status").read_text())
    return Machine(points, user, user or not whole_range)


def may_mount(status: str) -> bool:
    """CAP_SYS_ADMIN among the effective capabilities in the text of /proc/self/status (man 7 capabilities)."""
    effective = next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective, 16) >> CAP_SYS_ADMIN & 1)


def mount_points(mountinfo: str) -> list[str]:
    """Mount points of real file systems, from the text of /proc/self/mountinfo (man 5 proc), without `/`."""
    points = []
    for line in mountinfo.splitlines():
        fields, _, rest = line.partition(" - ")
        point = fields.split()[4].encode().decode("unicode_escape").encode("latin-1").decode(errors="surrogateescape")
        if point == "/" or is_below(point, KERNEL_PATHS) or rest.split()[0] in SKIPPED_TYPES:
            continue
        points.append(point)
    return sorted(dict.fromkeys(points))


def is_below(path: str, parents: Iterable[str]) -> bool:
    return any(path == parent or path.startswith(parent.rstrip("/") + "/") for parent in parents)


def machine_layers(points: Sequence[str], confined: bool) -> tuple[Layer, ...]:
    """The layers of an image that is this machine itself."""
    if confined:
        return tuple(_take_apart("/", points))
    return (Layer("overlay", "/", "/"), *(Layer("overlay", point, point) for point in points))


def _take_apart(path: str, points: Sequence[str]) -> Iterable[Layer]:
    below = [point for point in points if point != path and is_below(point, [path])]
    if path != "/" and not below:
        return [Layer("overlay", path, path)]
    entries = sorted(os.scandir(path), key=lambda entry: entry.name)
    return [layer for entry in entries if entry.path not in KERNEL_PATHS for layer in _entry_layers(entry, below)]


def _entry_layers(entry: os.DirEntry[str], points: Sequence[str]) -> Iterable[Layer]:
    if entry.is_symlink():
        return [Layer("link", entry.path, entry.path)]
    if not entry.is_dir():
        return [Layer("bind", entry.path, entry.path)]
    return _take_apart(entry.path, points) if os.access(entry.path, os.R_OK | os.X_OK) else []


def image_layers(entry: ImageEntry, machine: Machine) -> tuple[Layer, ...]:
    """The layers of an images-file entry. Raises FileNotFoundError if its root directory does not exist."""
    if entry.root is None:
        layers = machine_layers(machine.mount_points, machine.confined)
    else:
        layers = (Layer("overlay", "/", str(Path(entry.root).resolve(strict=True))),)
    return layers + tuple(Layer("overlay", target, source) for target, source in entry.mounts.items())


def overlay_options(confined: bool) -> tuple[str, ...]:
    """Extra mount options to try, best first. volatile: no fsync of a layer that is thrown away (Linux 5.10)."""
    return (",userxattr,volatile", ",userxattr", ",volatile") if confined else (",volatile",)
