"""What an image name means on this machine: the images file, and what a registry would say.

An image that nobody lists is this machine itself, and present. A listed one is missing, fails, takes its time, wants a
pull secret, or is a directory used as root. There is no registry; `ImageStore` remembers what was "pulled". Pure but
for that.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
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


class ImageEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """One line of the images file (names there in camelCase).

    missing: every pull fails with "not found". error: every pull fails with this text; with failures: N only the first
    N pulls of a node do. delay: seconds that the first pull takes. pull_secret: name of a Secret of type
    kubernetes.io/dockerconfigjson that the pod must name in imagePullSecrets.
    root: directory that is the container's root (None: this machine's own files). mounts: container path -> path of
    this machine, directories that appear in `root`. entrypoint, cmd, env, workdir: the image's configuration.
    """

    missing: bool = False
    error: str = ""
    failures: int = 0
    delay: float = 0
    pull_secret: str = ""
    root: str | None = None
    mounts: Mapping[str, str] = msgspec.field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: Mapping[str, str] = msgspec.field(default_factory=dict)
    workdir: str = "/"

    @property
    def present(self) -> bool:
        """On every node from the start: nothing in the entry says how a pull of it goes."""
        return not (self.missing or self.error or self.delay or self.pull_secret)


def read_entries(table: Mapping[str, Any]) -> dict[str, ImageEntry]:
    """Entries from an images file's map. Raises ValueError that names the image and the field."""
    entries = {}
    for name, entry in table.items():
        try:
            entries[name] = entry if isinstance(entry, ImageEntry) else msgspec.convert(entry, ImageEntry)
        except msgspec.ValidationError as error:
            expected = "such as {missing: true}, {root: DIR} or {error: TEXT, failures: 2}"
            raise ValueError(f"image {name!r}: {error}; expected {expected}") from error
    return entries


class ImageError(Exception):
    """An image that cannot be used. reason: the container's waiting reason; message: what the kubelet says;
    event: reason and message of the event that goes before."""

    def __init__(self, reason: str, message: str, event_reason: str = "Failed") -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
        self.event = (event_reason, message)


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


def find(image: str, images: Mapping[str, ImageEntry]) -> ImageEntry:
    """The entry that an image name stands for. Raises ImageError (InvalidImageName)."""
    if not _REFERENCE.fullmatch(image):
        raise ImageError(
            "InvalidImageName",
            f'Failed to apply default image tag "{image}": couldn\'t parse image name "{image}": '
            "invalid reference format",
            "InspectFailed",
        )
    return images.get(image, ImageEntry())


def never_pulled(image: str) -> ImageError:
    message = f'Container image "{image}" is not present with pull policy of Never'
    return ImageError("ErrImageNeverPull", message, "ErrImageNeverPull")


def _pull_error(image: str, why: str) -> ImageError:
    """containerd's sentence around the registry's answer."""
    name = canonical_name(image)
    text = f'failed to pull and unpack image "{name}": failed to resolve reference "{name}": {why}'
    return ImageError("ErrImagePull", text)


def _denied(image: str, any_credentials: bool) -> str:
    """What containerd says of a registry that lets nobody in (401), or not with these credentials (403)."""
    name = canonical_name(image)
    host, _, rest = name.partition("/")
    repository, _, digest = rest.partition("@")
    repository, _, tag = repository.partition(":")
    tag = digest or tag
    if any_credentials:
        return f"unexpected status from HEAD request to https://{host}/v2/{repository}/manifests/{tag}: 403 Forbidden"
    scope = f"repository%3A{repository.replace('/', '%2F')}%3Apull"
    url = f"https://{host}/token?scope={scope}&service={host}"
    return (
        "failed to authorize: failed to fetch anonymous token: "
        f"unexpected status from GET request to {url}: 401 Unauthorized"
    )


class ImageStore:
    """What one node has pulled so far."""

    def __init__(self) -> None:
        self._pulled: set[str] = set()
        self._failed: Counter[str] = Counter()

    def has(self, image: str, entry: ImageEntry) -> bool:
        """Whether the image needs no pull. One with a pull secret always does: each pod must show its own."""
        return entry.present or (image in self._pulled and not entry.pull_secret)

    def forget(self, image: str) -> None:
        """As if it had never been pulled, nor tried."""
        self._pulled.discard(image)
        del self._failed[image]

    def pull(self, image: str, entry: ImageEntry, secrets: Collection[str]) -> None:
        """One pull, with the pod's usable pull secrets. Raises ImageError (ErrImagePull)."""
        if entry.missing:
            raise _pull_error(image, f"{canonical_name(image)}: not found")
        if entry.error and not (entry.failures and self._failed[image] >= entry.failures):
            self._failed[image] += 1
            raise _pull_error(image, entry.error)
        if entry.pull_secret and entry.pull_secret not in secrets:
            raise _pull_error(image, _denied(image, bool(secrets)))
        self._pulled.add(image)


def go_duration(seconds: float) -> str:
    """Seconds as Go prints a duration rounded to milliseconds: 350ms, 1.5s, 1m2.5s."""
    milliseconds = round(seconds * 1000)
    if milliseconds < 1000:
        return f"{milliseconds}ms" if milliseconds else "0s"
    minutes, rest = divmod(milliseconds, 60_000)
    return (f"{minutes}m" if minutes else "") + f"{rest / 1000:g}s"
