"""A full quota, a 429 or a 500 on create fails the task; or, in older versions, is answered by hammering the API.

We promise: tasks wait, for as long as it takes. A namespace that is pushed back on is tried by one create at a time, at
growing intervals and never before Retry-After; the others go on; when there is room again, the first pod is there
within 5 seconds and all others follow in their order. Size: a quota that is full for 10 minutes, 20 tasks, in
virtual time.
"""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from executor.errors import ApiError, Throttled, Unreachable
from executor.model import Launch
from tests.fakes.kube import Call, status_error
from tests.promises.stage import Cluster, Database, Kubelet, Scheduler
from tests.unit.control.world import in_namespace

TASKS = 20
FULL = 600.0  # seconds
AT_ONCE = 5.0  # seconds after the quota was raised
FAR_TOO_MANY = 1_000  # attempts; ten minutes need 200
LONGEST = 36.0  # seconds between two attempts, with jitter


class Attempts(Cluster):
    """A cluster that notes when each pod was to be created, by namespace."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.attempts: dict[str, list[float]] = {}

    async def create_pod(self, namespace, manifest):
        times = self.attempts.setdefault(namespace, [])
        times.append(asyncio.get_running_loop().time())
        assert len(times) < FAR_TOO_MANY, "the API server is hammered"  # and virtual time would stand still
        return await super().create_pod(namespace, manifest)


async def test_row_09_a_full_quota_is_waited_for():
    cluster, database = Attempts(quota={"full": 0}), Database()
    namespaces = ("full", "free")
    async with (
        Kubelet(cluster, database, runs=FULL) as kubelet,
        Scheduler(cluster, database, namespaces=namespaces) as scheduler,
    ):
        held = scheduler.queue_all([scheduler.task(f"h{n}", config=in_namespace("full")) for n in range(TASKS)])
        free = scheduler.queue_all([scheduler.task(f"f{n}", config=in_namespace("free")) for n in range(TASKS)])
        await scheduler.passes(AT_ONCE)
        assert [scheduler.created(launch) for launch in free] == [1] * TASKS
        await scheduler.passes(FULL)
        assert scheduler.drained_events() == []
        assert {database.tis[launch.ti_id].state for launch in held} == {"queued"}
        assert all(database.tis[launch.ti_id].freshened >= FULL // 150 - 1 for launch in held)
        steps = [later - earlier for earlier, later in pairwise(cluster.attempts["full"][TASKS:])]
        assert min(steps) > 0.3, "two attempts for one step"
        assert max(steps) <= AT_ONCE

        cluster.quota.clear()
        await scheduler.passes(AT_ONCE)
        assert [scheduler.created(launch) for launch in held[:1]] == [1]
        await scheduler.passes(AT_ONCE)
        assert in_order(cluster, held)
        assert set(kubelet.ran.values()) == {1}


def in_order(cluster: Cluster, launches: list[Launch]) -> bool:
    ids = [launch.id for launch in launches]
    return [one for one in cluster.born if one in ids] == ids


ERRORS = {
    "429": Throttled("slow down", status=429),
    "500": status_error(500, "InternalError", "etcdserver: request timed out"),
    "503": status_error(503, "ServiceUnavailable", "apiserver is shutting down"),
    "reset": Unreachable("connection reset by peer"),
}


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS.keys())
async def test_row_09_an_api_server_in_trouble_is_waited_for_and_left_in_peace(error: ApiError):
    cluster, database = Attempts(), Database()
    async with Kubelet(cluster, database, runs=FULL), Scheduler(cluster, database) as scheduler:
        cluster.fail = lambda call: error if is_create(call) else None
        launches = scheduler.queue_all(scheduler.tasks(TASKS))
        await scheduler.passes(FULL)
        assert scheduler.drained_events() == []
        assert len(cluster.attempts["default"]) < TASKS + 40
        cluster.fail = lambda call: None
        await scheduler.passes(LONGEST + AT_ONCE)

        assert in_order(cluster, launches)
        assert {ti.state for ti in database.tis.values()} == {"running"}


async def test_row_09_nothing_is_asked_before_retry_after():
    cluster, database = Attempts(), Database()
    async with Kubelet(cluster, database, runs=FULL), Scheduler(cluster, database) as scheduler:
        busy = Throttled("slow down", status=429, retry_after=50.0)
        cluster.fail = lambda call: busy if is_create(call) else None
        scheduler.queue(scheduler.task("a"))
        await scheduler.passes(300)

        steps = [later - earlier for earlier, later in pairwise(cluster.attempts["default"])]
        assert len(steps) >= 4
        assert min(steps) >= 50.0


def is_create(call: Call) -> bool:
    return (call.verb, call.resource) == ("create", "pods")
