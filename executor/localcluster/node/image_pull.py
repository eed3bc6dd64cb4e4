"""Gets a container's image, as the kubelet does: events, back-off, pull secrets (pkg/kubelet/images/image_manager.go).

What a pull gives is said by the images file (`images`); what this node has pulled before is kept in `ImageStore`.
"""

from __future__ import annotations

import time
from typing import Protocol

from executor.localcluster.node import images
from executor.localcluster.node.api import UNREACHABLE, ApiError, Json
from executor.localcluster.node.images import ImageEntry, ImageError
from executor.localcluster.node.node_context import NodeContext
from executor.localcluster.node.state import Waiting

DOCKER_CONFIG = "kubernetes.io/dockerconfigjson"


class Reporter(Protocol):
    """Where an image's fate is told."""

    def waiting(self, state: Waiting) -> None: ...

    def event(self, reason: str, message: str, kind: str = "Normal") -> None: ...

    async def pause(self, seconds: float) -> bool:
        """Wait; True at once when the container is to stop."""
        ...


class ImagePuller:
    """The image of one container."""

    def __init__(self, node: NodeContext, pod: Json, container: Json, reporter: Reporter) -> None:
        self._node, self._pod, self._reporter = node, pod, reporter
        self._name = str(container["image"])
        self._policy = container.get("imagePullPolicy") or "IfNotPresent"

    async def obtain(self) -> ImageEntry | None:
        """The image, once it can be had; None if the container was stopped before."""
        timings = self._node.timings
        pause = timings.first_backoff
        while True:
            try:
                return await self._attempt()
            except ImageError as error:
                if await self._failed(error, pause):
                    return None
            pause = min(pause * 2, timings.longest_backoff)

    async def _attempt(self) -> ImageEntry | None:
        """Raises ImageError."""
        entry = images.find(self._name, self._node.images)
        present = self._node.pulled.has(self._name, entry)
        if self._policy == "Never" and not present:
            raise images.never_pulled(self._name)
        if present and self._policy != "Always":
            self._reporter.event("Pulled", f'Container image "{self._name}" already present on machine')
            return entry
        return await self._pull(entry)

    async def _pull(self, entry: ImageEntry) -> ImageEntry | None:
        secrets = await self._credentials()
        self._reporter.event("Pulling", f'Pulling image "{self._name}"')
        begun = time.monotonic()
        if entry.delay and not self._node.pulled.has(self._name, entry) and await self._reporter.pause(entry.delay):
            return None
        self._node.pulled.pull(self._name, entry, secrets)
        took = images.go_duration(time.monotonic() - begun)
        self._reporter.event(
            "Pulled",
            f'Successfully pulled image "{self._name}" in {took} ({took} including waiting). Image size: 0 bytes.',
        )
        return entry

    async def _credentials(self) -> frozenset[str]:
        """Names of the pod's pull secrets that can be used; the others are told."""
        wanted = [one.get("name") or "" for one in self._pod["spec"].get("imagePullSecrets") or ()]
        found, missing = set(), []
        for name in wanted:
            kind = await self._secret_type(name)
            if kind is None:
                missing.append(name)
            elif kind == DOCKER_CONFIG:
                found.add(name)
        if missing:
            text = f"Unable to retrieve some image pull secrets ({', '.join(missing)}); "
            self._reporter.event(
                "FailedToRetrieveImagePullSecret", f"{text}attempting to pull the image may not succeed.", "Warning"
            )
        return frozenset(found)

    async def _secret_type(self, name: str) -> str | None:
        """None: there is no such Secret, or nobody could tell."""
        namespace = self._pod["metadata"]["namespace"]
        try:
            secret = await self._node.api.get(f"/api/v1/namespaces/{namespace}/secrets/{name}")
        except (ApiError, *UNREACHABLE):
            return None
        return str(secret.get("type") or "")

    async def _failed(self, error: ImageError, pause: float) -> bool:
        """Say why, wait; True if the container was stopped meanwhile."""
        name, reporter = self._name, self._reporter
        reporter.waiting(Waiting(error.reason, error.message))
        if error.reason != "ErrImagePull":
            reporter.event(*error.event, "Warning")
            reporter.event("Failed", f"Error: {error.reason}", "Warning")
            return await reporter.pause(pause)
        reporter.event("Failed", f'Failed to pull image "{name}": {error.message}', "Warning")
        reporter.event("Failed", "Error: ErrImagePull", "Warning")
        if await reporter.pause(self._node.timings.pull_failure):
            return True
        reporter.waiting(Waiting("ImagePullBackOff", f'Back-off pulling image "{name}": ErrImagePull: {error.message}'))
        reporter.event("BackOff", f'Back-off pulling image "{name}"')
        reporter.event("Failed", "Error: ImagePullBackOff", "Warning")
        return await reporter.pause(pause)
