"""Workloads on their way to their pods: one immutable Secret per batch and namespace, owned by the pods that mount it.

The Secret is posted together with its pods (a pod that starts first waits for its volume), and afterwards one patch
makes the pods its owners, so that Kubernetes deletes it with the last of them, whoever dies in between. A Secret that
nobody owns is swept after ten minutes. Its body holds tokens and is never logged.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Container, Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum, auto
from uuid import uuid4

from executor.errors import AlreadyExists, ApiError, NotFound, Refused, Transient
from executor.identity import DEPLOYMENT_LABEL, SECRET_ANNOTATION, deployment_selector
from executor.kube.port import KubePort, PodRef, SecretRef
from executor.manifest import WorkloadMount
from executor.observe.pod_view import PodView

log = logging.getLogger(__name__)

MOUNT_PATH = "/var/run/airflow/workload"
BATCH_LIMIT = 200
BATCH_BYTES = 512 * 1024
RETRY_DELAYS = (0.5, 1.0, 2.0, 4.0, 8.0)


class Closed(Enum):
    """What became of a batch's Secret once its creates were answered."""

    DONE = auto()  # it has owners, or nobody needs it
    WAITS = auto()  # it is there and nobody owns it: a pod of it may still be found
    UNOWNED = auto()  # it could not be handed over, and is swept once nobody can need it
    GONE = auto()  # it is not there, whoever took it away: its pods would wait for ever


class WorkloadSecrets:
    """Creates, hands over and sweeps workload Secrets."""

    def __init__(self, kube: KubePort, deployment: str, now: Callable[[], datetime], sweep_age: timedelta) -> None:
        """sweep_age: younger Secrets are not swept, whoever owns them."""
        self._kube, self._deployment, self._now, self._sweep_age = kube, deployment, now, sweep_age
        # Owners so far, by (namespace, name), of Secrets that may get further ones: the patch replaces them all.
        self._owners: dict[tuple[str, str], list[PodRef]] = {}
        self._open: set[tuple[str, str]] = set()
        self._adopting = asyncio.Lock()

    def new_name(self) -> str:
        return f"airflow-workloads-{uuid4().hex[:20]}"

    def mount(self, secret: str, launch_id: str) -> WorkloadMount:
        return WorkloadMount(secret, launch_id, MOUNT_PATH)

    async def create(self, namespace: str, name: str, data: Mapping[str, bytes], wanted: Callable[[], bool]) -> None:
        """Create, trying again on transient errors while `wanted()`. Raises Refused, and Transient once given up."""
        labels = {DEPLOYMENT_LABEL: self._deployment}
        for attempt in range(1_000_000):
            try:
                await self._kube.create_secret(namespace, name, labels=labels, data=data)
            except AlreadyExists:
                return
            except Transient as error:
                if wanted():
                    await asyncio.sleep(error.retry_after or RETRY_DELAYS[min(attempt, len(RETRY_DELAYS) - 1)])
                if not wanted():
                    raise
            else:
                return

    def open_batch(self, namespace: str, name: str) -> None:
        """Its pods are about to be posted; nobody owns it before all of them are."""
        self._open.add((namespace, name))
        self._owners[namespace, name] = []

    def owns(self, namespace: str, name: str, pod: PodRef) -> bool:
        """This pod was met again, and mounts this Secret."""
        return pod in self._owners.get((namespace, name), ())

    async def close_batch(self, namespace: str, name: str, owners: Sequence[PodRef], *, unclear: bool) -> Closed:
        """Its creates were answered: hand it over. unclear: one was not, and its pod may still be found."""
        key = namespace, name
        self._open.discard(key)
        known = self._owners[key] if unclear else self._owners.pop(key)
        known.extend(owners)
        if known:
            return await self.hand_over(namespace, name, known)
        if unclear:
            return Closed.WAITS
        await self.discard(namespace, name)
        return Closed.DONE

    async def give_up(self, namespace: str, name: str) -> None:
        """Nobody waits for it any more: it goes, unless a pod was met that mounts it."""
        if not self._owners.get((namespace, name)):
            self._owners.pop((namespace, name), None)
            await self.discard(namespace, name)

    def drop_batch(self, namespace: str, name: str) -> None:
        """It was not created: there is nothing to own."""
        self._open.discard((namespace, name))
        self._owners.pop((namespace, name), None)

    async def hand_over(self, namespace: str, name: str, owners: Sequence[PodRef]) -> Closed:
        """Make these pods the owners. DONE, UNOWNED or GONE."""
        for delay in (*RETRY_DELAYS, None):
            try:
                await self._kube.own_secret(namespace, name, owners)
                return Closed.DONE
            except NotFound:
                return Closed.GONE
            except ApiError as error:
                if delay is None or not isinstance(error, Transient):
                    log.warning("Secret %s/%s has no owners and will be swept: %s", namespace, name, error)
                    return Closed.UNOWNED
                await asyncio.sleep(delay)
        raise AssertionError("unreachable")

    async def adopt(self, pod: PodView) -> bool:
        """A pod whose create was answered late mounts an earlier batch's Secret: it becomes an owner of it.

        False if there is no such Secret, so that the pod would wait for its volume for ever. It is not made anew:
        Secrets are immutable, and the next pod of that batch would not find its own workload in it. One that cannot
        be handed over may be there, and its pod may start at any moment: it is asked for again, and then left alone.
        """
        namespace, name = pod.metadata.namespace, pod.metadata.annotations.get(SECRET_ANNOTATION)
        if not name:
            return True
        owners = self._owners.setdefault((namespace, name), [])
        owners.append(PodRef(namespace, pod.metadata.name, pod.metadata.uid))
        if (namespace, name) in self._open:
            return True  # the batch itself creates it and hands it over
        for delay in (*RETRY_DELAYS, 0.0):
            async with self._adopting:
                closed = await self.hand_over(namespace, name, owners)
            if closed is not Closed.UNOWNED:
                break
            await asyncio.sleep(delay)
        return closed is not Closed.GONE

    async def discard(self, namespace: str, name: str) -> None:
        """No pod of the batch was created."""
        try:
            await self._kube.delete_secret(namespace, name)
        except ApiError as error:
            log.info("Secret %s/%s is left to the sweep: %s", namespace, name, error)

    async def missing(self, pods: Sequence[PodView]) -> set[str]:
        """The uids of those of these pods that mount a Secret which is not there. Raises Transient.

        A Secret and its pods are posted together: of what a killed scheduler sent, any part may have arrived.
        """
        there: set[tuple[str, str]] = set()
        for namespace in {pod.metadata.namespace for pod in pods}:
            try:
                listed = await self._kube.list_secrets(namespace, deployment_selector(self._deployment))
            except Refused as error:
                log.info("Workload Secrets in %s are not known: %s", namespace, error)
                return set()
            there |= {(secret.namespace, secret.name) for secret in listed}
        mounted = [(pod.metadata, pod.metadata.annotations.get(SECRET_ANNOTATION)) for pod in pods]
        return {meta.uid for meta, name in mounted if name and (meta.namespace, name) not in there}

    async def sweep(self, namespaces: Sequence[str | None], needed: Container[tuple[str, str]]) -> int:
        """Delete this deployment's Secrets that nobody owns, nobody needs and that are older than the sweep age.

        needed: (namespace, name) of those that living pods mount. Returns how many went.
        """
        oldest = self._now() - self._sweep_age
        swept = 0
        for namespace in namespaces:
            try:
                secrets = await self._kube.list_secrets(namespace, deployment_selector(self._deployment))
            except ApiError as error:
                log.info("Workload Secrets in %s were not swept: %s", namespace or "all namespaces", error)
                continue
            self._forget_all_but(secrets, namespace)
            for secret in secrets:
                old = secret.created is not None and secret.created < oldest
                if old and not secret.owned and (secret.namespace, secret.name) not in needed:
                    await self.discard(secret.namespace, secret.name)
                    swept += 1
        return swept

    def _forget_all_but(self, secrets: Sequence[SecretRef], namespace: str | None) -> None:
        """Owners of Secrets that have gone with their pods need not be remembered."""
        kept = self._open | {(secret.namespace, secret.name) for secret in secrets}
        for key in [one for one in self._owners if one not in kept and namespace in (None, one[0])]:
            del self._owners[key]
