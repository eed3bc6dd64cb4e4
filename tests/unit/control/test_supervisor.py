"""The loop's thread: it starts, takes what was sent before it was there, and ends when it is told to."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from executor.control.supervisor import Supervisor
from executor.errors import Unreachable
from executor.kube.port import PodRef
from executor.model import Launch
from tests.unit.control.world import Cluster, World

PATIENCE = 60.0  # seconds, reached only when something is wrong


class Announcing(Cluster):
    """Says when a pod was made."""

    made: threading.Event

    def add_pod(self, manifest: Mapping[str, Any], namespace: str = "default") -> PodRef:
        ref = super().add_pod(manifest, namespace)
        self.made.set()
        return ref


def supervised() -> tuple[Supervisor, World, Launch]:
    world = World(kube=Announcing())
    world.kube.made = threading.Event()  # type: ignore[attr-defined]
    launch = world.database.queue(world.task("a"))
    return Supervisor(world.plan), world, launch


def test_what_was_sent_before_the_start_is_done():
    supervisor, world, launch = supervised()
    supervisor.submit([launch])
    supervisor.start()
    assert world.kube.made.wait(PATIENCE)  # type: ignore[attr-defined]
    assert supervisor.stop(PATIENCE)
    assert len(world.kube.pods) == 1
    assert all(secret.owners for secret in world.kube.secrets.values())
    assert world.kube.closed


def test_it_can_be_ended_at_any_moment():
    for _ in range(20):
        supervisor, _, launch = supervised()
        supervisor.start()
        supervisor.submit([launch])
        assert supervisor.stop(PATIENCE)


def test_it_can_be_ended_while_there_is_no_connection():
    tried = threading.Event()

    async def connect() -> Cluster:
        tried.set()
        raise Unreachable("connection refused")

    _, world, _ = supervised()
    supervisor = Supervisor(replace(world.plan, connect=connect))
    supervisor.start()
    assert tried.wait(PATIENCE)
    assert supervisor.stop(PATIENCE)


def test_a_connection_that_is_being_opened_at_the_end_is_closed():
    opening, let_go = threading.Event(), threading.Event()
    cluster = Cluster()

    async def connect() -> Cluster:
        opening.set()
        await asyncio.to_thread(let_go.wait, PATIENCE)
        return cluster

    _, world, _ = supervised()
    supervisor = Supervisor(replace(world.plan, connect=connect))
    supervisor.start()
    assert opening.wait(PATIENCE)
    assert not supervisor.stop(0)
    let_go.set()
    assert supervisor.stop(PATIENCE)
    assert cluster.closed


def test_one_that_was_never_started_is_ended_already():
    supervisor, _, launch = supervised()
    supervisor.submit([launch])
    assert supervisor.stop(1)
    assert supervisor.drain() == []
