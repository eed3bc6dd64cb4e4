"""Workloads on their way to their pods: one immutable Secret per batch and namespace, kept until its pods have started.

The Secret is posted together with its pods (a pod that starts first waits for its volume) and deleted as soon as none
of them waits any more: a volume that is mounted stays as it is. Only a scheduler that ends makes the waiting pods its
owners. For Kubernetes' garbage collector asks for every owner of an object whenever one of them goes
(kube-controller-manager, `garbagecollector.go`), at 40 requests a second for the whole cluster: a Secret of 100 pods
that end at 2/s takes all of that. What a killed scheduler left is swept by the next. Its body holds tokens and is
never logged.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Container, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import uuid4

from executor.errors import AlreadyExists, ApiError, NotFound, Refused, Transient
from executor.identity import DEPLOYMENT_LABEL, SECRET_ANNOTATION, deployment_selector
from executor.kube.port import KubePort, PodRef
from executor.observe.pod_view import PodView

log = logging.getLogger(__name__)

MOUNT_PATH = "/var/run/airflow/workload"
BATCH_LIMIT = 200
BATCH_BYTES = 512 * 1024
RETRY_DELAYS = (0.5, 1.0, 2.0, 4.0, 8.0)

SecretKey = tuple[str, str]  # namespace, name


class WorkloadSecrets:
    """Creates, releases, hands over and sweeps workload Secrets."""

    def __init__(self, kube: KubePort, deployment: str, now: Callable[[], datetime], sweep_age: timedelta) -> None:
        """sweep_age: younger Secrets are not swept."""
        self._kube, self._deployment, self._now, self._sweep_age = kube, deployment, now, sweep_age
        self._held: set[SecretKey] = set()
        self._uncreated: set[SecretKey] = set()
        self._lost: set[SecretKey] = set()

    def new_name(self) -> str:
        return f"airflow-workloads-{uuid4().hex[:20]}"

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

    def hold(self, namespace: str, name: str) -> None:
        """Its pods are about to be posted, and it with them."""
        self._held.add((namespace, name))
        self._uncreated.add((namespace, name))

    def created(self, namespace: str, name: str) -> None:
        """It is there."""
        self._uncreated.discard((namespace, name))

    def let_go(self, namespace: str, name: str) -> None:
        """It is no business of ours any more: it was not created, or it is left to the sweep."""
        for keys in (self._held, self._uncreated, self._lost):
            keys.discard((namespace, name))

    def is_lost(self, namespace: str, name: str) -> bool:
        """Somebody took it away: its pods would wait for ever."""
        return (namespace, name) in self._lost

    async def release(self, namespace: str, name: str) -> None:
        """Nobody waits for it any more."""
        await self.discard(namespace, name)
        self.let_go(namespace, name)

    async def hand_over(self, namespace: str, name: str, owners: Sequence[PodRef]) -> None:
        """Kubernetes deletes it with the last of these pods."""
        try:
            await self._kube.own_secret(namespace, name, owners)
        except ApiError as error:
            log.info("Secret %s/%s is left to the sweep of the next scheduler: %s", namespace, name, error)

    async def exists(self, pod: PodView) -> bool:
        """Whether the Secret that a pod mounts is there, or may be; the pod's create was answered late.

        It is not made anew where it is missing: Secrets are immutable, and the next pod of that batch would not find
        its own workload in it. Where nobody says that it is missing, its pod may start at any moment, and a second one
        would be turned away by `/run`: so it is asked for again, and then left alone.
        """
        namespace, name = pod.metadata.namespace, pod.metadata.annotations.get(SECRET_ANNOTATION)
        if not name or (namespace, name) in self._uncreated:
            return True  # the batch itself creates it
        for delay in (*RETRY_DELAYS, 0.0):
            try:
                await self._kube.own_secret(namespace, name, ())  # changes nothing
                return True
            except NotFound:
                return False
            except ApiError as error:
                log.info("Whether Secret %s/%s is there is not known: %s", namespace, name, error)
            await asyncio.sleep(delay)
        return True

    async def discard(self, namespace: str, name: str) -> None:
        """Delete it; what cannot be deleted now is swept."""
        for delay in (*RETRY_DELAYS, None):
            try:
                await self._kube.delete_secret(namespace, name)
                return
            except ApiError as error:
                if delay is None or not isinstance(error, Transient):
                    log.info("Secret %s/%s is left to the sweep: %s", namespace, name, error)
                    return
                await asyncio.sleep(error.retry_after or delay)

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

    async def sweep(self, namespaces: Sequence[str | None], needed: Container[SecretKey]) -> int:
        """Delete this deployment's Secrets that no pod waits for and that are older than the sweep age.

        needed: those that waiting pods mount. Returns how many went. Notes which of those held here are missing.
        """
        oldest = self._now() - self._sweep_age
        swept = 0
        for namespace in namespaces:
            held = {key for key in self._held - self._uncreated if namespace in (None, key[0])}
            try:
                secrets = await self._kube.list_secrets(namespace, deployment_selector(self._deployment))
            except ApiError as error:
                log.info("Workload Secrets in %s were not swept: %s", namespace or "all namespaces", error)
                continue
            there = {(secret.namespace, secret.name): secret.created for secret in secrets}
            self._lost |= (held & self._held) - there.keys()
            for key, created in there.items():
                if created is not None and created < oldest and key not in needed and key not in self._held:
                    await self.discard(*key)
                    swept += 1
        return swept
