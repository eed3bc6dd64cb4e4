"""Which mounts make a container's root directory out of this machine's files.

As root one overlay on `/` does, plus one for each file system mounted below it. In a user namespace the kernel refuses
an overlay over a directory with mounts below it, so such directories are taken apart into their entries.
Kernel file systems (/proc, /sys, /dev) are the launcher's business and never part of the plan.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from executor.localcluster.node.images import ImageEntry
from executor.localcluster.node.spec import Layer

KERNEL_PATHS = ("/proc", "/sys", "/dev")
# mounted below `/` but nothing that a program looks for: namespaces handles, other containers' roots, snaps
SKIPPED_TYPES = frozenset({"nsfs", "overlay", "squashfs", "autofs", "binfmt_misc", "fuse.lxcfs", "rpc_pipefs"})


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


def machine_layers(points: Sequence[str], user_namespace: bool) -> tuple[Layer, ...]:
    """The layers of an image that is this machine itself."""
    if user_namespace:
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


def image_layers(entry: ImageEntry, points: Sequence[str], user_namespace: bool) -> tuple[Layer, ...]:
    """The layers of an images-file entry. Raises FileNotFoundError if its root directory does not exist."""
    if entry.root is None:
        layers = machine_layers(points, user_namespace)
    else:
        layers = (Layer("overlay", "/", str(Path(entry.root).resolve(strict=True))),)
    return layers + tuple(Layer("bind", target, source) for target, source in entry.mounts.items())


def overlay_options(user_namespace: bool) -> tuple[str, ...]:
    """Extra mount options to try, best first. volatile: no fsync of a layer that is thrown away (Linux 5.10)."""
    return (",userxattr,volatile", ",userxattr", ",volatile") if user_namespace else (",volatile",)
