"""Creating the pod of a container task, or finding that it is there.

Whoever follows the try asks for the same name: a second create is a 409, and counts as success if the pod found is this
try's. What may pass (a quota, a busy or silent API server) is waited for, visibly.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field

from executor import identity as names
from executor.errors import AlreadyExists, ApiError, NotFound, Refused, Transient
from executor.kube.port import KubePort
from executor.kube.reflector import BackOff
from executor.manifest.model import JsonMap
from executor.observe.pod_view import PodView
from executor.operators.hub import NamespaceWatch
from executor.operators.task import ContainerTask


class LaunchError(Exception):
    """The pod cannot be made; one sentence."""


@dataclass(slots=True)
class Launcher:
    """Makes one pod."""

    task: ContainerTask
    api: KubePort
    log: logging.Logger
    back_off: BackOff = field(default_factory=BackOff)

    async def create(self, manifest: JsonMap) -> None:
        """Return when the pod exists. Raises LaunchError."""
        namespace, name = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
        while True:
            try:
                await self.api.create_pod(namespace, manifest)
            except AlreadyExists:
                if await self._is_ours(namespace, name):
                    return
            except Refused as error:
                raise LaunchError(f"The pod {namespace}/{name} cannot be made: {error}") from None
            except Transient as error:
                await self._wait(f"The pod {namespace}/{name} cannot be made yet: {error}", error)
            else:
                self.log.info("Pod %s/%s was created", namespace, name)
                return

    async def _is_ours(self, namespace: str, name: str) -> bool:
        """Whether the pod of that name is this try's. Raises LaunchError if it is somebody else's and stays."""
        try:
            found = await self.api.read_pod(namespace, name)
        except NotFound:
            return False
        except ApiError as error:
            await self._wait(f"The pod {namespace}/{name} exists, and cannot be read: {error}", error)
            return False
        if belongs_to(found, self.task.identity):
            return True
        if found.metadata.deletion_timestamp is None:
            raise LaunchError(
                f"A pod named {namespace}/{name} exists already and is another's. With random_name_suffix=False the "
                "name must be free: choose another, or leave random_name_suffix out"
            )
        await self._wait(f"The pod {namespace}/{name} of before is still being deleted", None)
        return False

    async def _wait(self, sentence: str, error: ApiError | None) -> None:
        seconds = self.back_off.after(error)
        self.log.warning("%s. Again in %.0f s", sentence, seconds)
        await asyncio.sleep(seconds)


def belongs_to(pod: PodView, identity: names.Identity) -> bool:
    """Whether this pod is this very try's."""
    return pod.metadata.annotations.get("task_instance_id") == identity.ti_id


def older_tries(watch: NamespaceWatch, identity: names.Identity) -> list[PodView]:
    """Pods of the same task instance that another try made: a try that goes on has none beside it."""
    mine = names.annotations(identity)
    same = {key: mine.get(key) for key in ("dag_id", "task_id", "run_id", "map_index")}
    return [
        pod
        for pod in watch.pods.values()
        if all(pod.metadata.annotations.get(key) == value for key, value in same.items())
        and not belongs_to(pod, identity)
    ]
