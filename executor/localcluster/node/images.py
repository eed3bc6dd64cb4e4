"""What an image name means on this machine.

An image that nobody lists is this machine itself. A listed one is missing, or a directory used as root. There is no
registry and nothing is ever pulled.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import msgspec

# distribution/reference grammar, as `docker pull` and the kubelet read it
_DOMAIN = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*(?::[0-9]+)?"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?:{_DOMAIN}/)?{_PART}(?:/{_PART})*(?::[\w][\w.-]{{0,127}})?(?:@[A-Za-z][A-Za-z0-9]*:[0-9a-fA-F]{{32,}})?",
    re.ASCII,
)


class ImageEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the images file.

    missing: every pull fails. root: directory that is the container's root (None: this machine's own files).
    mounts: container path -> path of this machine, directories that appear in `root`. entrypoint, cmd, env, workdir:
    what an image's configuration would say.
    """

    missing: bool = False
    root: str | None = None
    mounts: Mapping[str, str] = msgspec.field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: Mapping[str, str] = msgspec.field(default_factory=dict)
    workdir: str = "/"


def read_entries(table: Mapping[str, Any]) -> dict[str, ImageEntry]:
    """Entries from an images file's map. Raises ValueError that names the image and the field."""
    entries = {}
    for name, entry in table.items():
        try:
            entries[name] = entry if isinstance(entry, ImageEntry) else msgspec.convert(entry, ImageEntry)
        except msgspec.ValidationError as error:
            raise ValueError(f"image {name!r}: {error}; expected {{missing: true}} or {{root: DIR}}") from error
    return entries


class ImageError(Exception):
    """An image that cannot be used. reason: the container's waiting reason; message: what the kubelet says."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message


def canonical_name(image: str) -> str:
    """`busybox` -> `docker.io/library/busybox:latest`, as containerd names it."""
    first, slash, _ = image.partition("/")
    if not slash:
        image = f"docker.io/library/{image}"
    elif "." not in first and ":" not in first and first != "localhost":
        image = f"docker.io/{image}"
    last = image.rpartition("/")[2]
    return image if ":" in last or "@" in last else f"{image}:latest"


def image_id(image: str) -> str:
    return f"{canonical_name(image).partition('@')[0]}@sha256:{sha256(image.encode()).hexdigest()}"


def resolve(image: str, pull_policy: str, images: Mapping[str, ImageEntry]) -> ImageEntry:
    """The entry an image name stands for. Raises ImageError (InvalidImageName, ErrImageNeverPull, ErrImagePull)."""
    if not _REFERENCE.fullmatch(image):
        raise ImageError(
            "InvalidImageName",
            f'Failed to apply default image tag "{image}": couldn\'t parse image name "{image}": '
            "invalid reference format",
        )
    entry = images.get(image, ImageEntry())
    if not entry.missing:
        return entry
    if pull_policy == "Never":
        raise ImageError("ErrImageNeverPull", f'Container image "{image}" is not present with pull policy of Never')
    name = canonical_name(image)
    raise ImageError(
        "ErrImagePull",
        f'failed to pull and unpack image "{name}": failed to resolve reference "{name}": {name}: not found',
    )
