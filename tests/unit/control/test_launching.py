"""From a queued task to its pod: bursts, order, push-back."""

from __future__ import annotations

from executor.control.launcher import LaunchPolicy
from executor.errors import ApiError, Throttled
from executor.identity import SECRET_ANNOTATION
from tests.fakes.kube import status_error
from tests.unit.control.world import TOKEN, Cluster, World, in_namespace


async def test_a_burst_of_300_is_300_pods_with_a_secret_for_at_most_200_each():
    kube = Cluster(latency=0.05)
    async with World(kube=kube) as world:
        launches = world.queue_all(world.tasks(300))
        await world.passes(2)
        assert len(kube.pods) == 300
        assert kube.count("create") == 300
        assert max(len(s.data) for s in kube.secrets.values()) <= 200
        assert len(kube.secrets) == kube.count("create", "secrets") <= 6
        for launch in launches:
            pod = world.pod_of(launch)
            secret = kube.pods[pod.key]["metadata"]["annotations"][SECRET_ANNOTATION]
            assert pod.uid is None
            assert launch.id in kube.secrets["default", secret].data
            assert TOKEN.encode() in world.workload_of(pod, launch)
        for launch in launches:
            world.runs(launch)
            world.succeeds(launch)
        await world.passes(5)
        assert (kube.pods, kube.secrets, world.slots) == ({}, {}, 0)
        assert all(world.settled(launch) == 1 and not world.events(launch) for launch in launches)


async def test_no_more_creates_are_under_way_than_allowed():
    kube = Cluster(latency=1.0)
    async with World(kube=kube, launch=LaunchPolicy(concurrency=10)) as world:
        world.queue_all(world.tasks(50))
        await world.passes(0.5)
        assert kube.count("create") <= 10
        await world.passes(10)
        assert len(kube.pods) == 50


async def test_higher_priority_goes_first_and_qps_is_kept():
    async with World(create_qps=10) as world:
        world.queue_all([world.task(f"low{n}", priority=1) for n in range(5)])
        world.queue_all([world.task(f"high{n}", priority=9) for n in range(5)])
        await world.passes(0.45)
        assert [name.split("-")[1][:4] for _, name in world.kube.pods] == ["high"] * 5
        await world.passes(0.6)
        assert len(world.kube.pods) == 10


async def test_429_waits_as_long_as_the_server_asks():
    answers: list[ApiError] = [Throttled("slow down", status=429, reason="TooManyRequests", retry_after=7.0)]
    kube = Cluster()
    kube.fail = lambda call: answers.pop() if answers and call.resource == "pods" and call.verb == "create" else None
    async with World(kube=kube) as world:
        launch = world.queue(world.task("a"))
        await world.passes(6.5)
        assert not kube.pods
        await world.passes(3)
        assert world.created(launch) == 1
        assert world.said(launch, "pod waiting") == [
            "The Kubernetes API asks to come back later: 429 TooManyRequests: slow down. "
            "Its task stays queued meanwhile."
        ]
        assert not world.events(launch)


async def test_server_errors_for_two_minutes_lose_nothing_and_do_not_hammer():
    kube = Cluster()
    kube.fail = lambda call: status_error(503, "ServiceUnavailable", "etcd is away") if call.verb == "create" else None
    async with World(kube=kube) as world:
        launches = world.queue_all(world.tasks(20))
        await world.passes(120)
        assert not kube.pods
        assert kube.count("create") < 20 + 20
        kube.fail = lambda call: None
        await world.passes(45)
        assert [world.created(launch) for launch in launches] == [1] * 20
        assert not any(world.events(launch) for launch in launches)
        assert all(world.workload_of(world.pod_of(launch), launch) for launch in launches)


async def test_a_full_quota_holds_its_namespace_only_and_goes_on_when_freed():
    kube = Cluster(quota={"small": 2})
    async with World(kube=kube, namespaces=("default", "small")) as world:
        held = world.queue_all([world.task(f"s{n}", config=in_namespace("small")) for n in range(6)])
        free = world.queue_all(world.tasks(10))
        await world.passes(3)
        assert sum(namespace == "small" for namespace, _ in kube.pods) == 2
        assert all(world.created(one) == 1 for one in free)
        waiting = [one for one in held if not world.pods_of(one)]
        assert len(waiting) == 4
        assert any("has no quota left" in text for one in waiting for text in world.said(one, "pod waiting"))
        for _ in range(3):
            for one in held:
                if world.pods_of(one):
                    world.runs(one)
                    world.succeeds(one)
            await world.passes(35)
        assert all(world.created(one) == 1 for one in held)
        assert not any(world.events(one) for one in held)


async def test_a_revoked_launch_in_the_queue_is_never_posted():
    kube = Cluster(quota={"default": 0})
    async with World(kube=kube) as world:
        launch = world.queue(world.task("a"))
        await world.passes(3)
        world.machine.abandon(launch.id, "revoked")
        kube.quota = {}
        await world.passes(40)
        assert (world.created(launch), world.slots) == (0, 0)


async def test_at_a_limited_pace_no_secret_waits_for_its_pods_for_longer_than_half_a_minute():
    """Another scheduler would take it for one that was left behind."""
    kube = Cluster()
    async with World(kube=kube, create_qps=0.5) as world:
        world.queue_all(world.tasks(40))
        await world.passes(70)
        assert {len(secret.data) for secret in kube.secrets.values()} <= {15, 10}
        assert len(kube.pods) > 30


async def test_args_delivery_needs_no_secret():
    async with World(launch=LaunchPolicy(use_secrets=False)) as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        assert world.kube.count("create", "secrets") == 0
        args = world.kube.pods[world.pod_of(launch).key]["spec"]["containers"][0]["args"]
        assert args[-2] == "--json-string"
        assert TOKEN in args[-1]
