"""From a queued task to its pod: bursts, lost answers, push-back, refusals."""

from __future__ import annotations

import asyncio

import pytest

from executor.control.launcher import LaunchPolicy
from executor.errors import ApiError, Throttled, Unreachable
from executor.identity import SECRET_ANNOTATION, pod_name
from executor.manifest.model import WorkloadMount
from executor.model import Outcome
from tests.fakes.kube import Call, status_error
from tests.unit.control.world import TOKEN, Cluster, World, identity_of, in_namespace


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
            owners = {owner.name for owner in kube.secrets["default", secret].owners}
            assert pod.key[1] in owners
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


async def test_a_lost_answer_gives_one_pod_whose_secret_exists_and_is_owned():
    lost: list[Call] = []

    def lose(call: Call) -> ApiError | None:
        if call.verb == "create" and call.resource == "pods" and not lost:
            lost.append(call)
            return Unreachable("connection reset")
        return None

    kube = Cluster(lose_answer=lose)
    async with World(kube=kube) as world:
        launch = world.queue(world.task("a"))
        await world.passes(5)
        pod = world.pod_of(launch)
        assert world.created(launch) == 1
        name = kube.pods[pod.key]["metadata"]["annotations"][SECRET_ANNOTATION]
        assert [owner.name for owner in kube.secrets["default", name].owners] == [pod.key[1]]
        assert list(kube.secrets) == [("default", name)]
        world.runs(launch)
        world.succeeds(launch)
        await world.passes(3)
        assert (kube.pods, kube.secrets, world.slots) == ({}, {}, 0)


async def test_a_lost_answer_in_a_batch_takes_the_secret_from_nobody():
    """The twin's adoption must not push the other pods of its batch out of the Secret's owners, nor be pushed out."""
    lost: list[Call] = []

    def lose(call: Call) -> ApiError | None:
        if call.verb == "create" and call.resource == "pods" and not lost:
            lost.append(call)
            return Unreachable("connection reset")
        return None

    kube = Cluster(lose_answer=lose)
    async with World(kube=kube) as world:
        launches = world.queue_all(world.tasks(5))
        await world.passes(5)
        (secret,) = kube.secrets.values()
        assert {owner.name for owner in secret.owners} == {name for _, name in kube.pods}
        twin = next(one for one in launches if world.pod_of(one).key[1] == lost[0].name)
        world.runs(twin)
        world.succeeds(twin)
        await world.passes(5)
        for launch in launches:
            if launch is not twin:
                world.runs(launch)


async def test_a_lost_answer_while_the_rest_of_the_batch_is_slow():
    lost: list[Call] = []

    def lose(call: Call) -> ApiError | None:
        if call.verb == "create" and call.resource == "pods" and not lost:
            lost.append(call)
            return Unreachable("connection reset")
        return None

    kube = Cluster(lose_answer=lose)
    async with World(kube=kube, create_qps=0.5) as world:
        launches = world.queue_all(world.tasks(4))
        await world.passes(30)
        (secret,) = [s for s in kube.secrets.values() if s.owners]
        assert {owner.name for owner in secret.owners} == {name for _, name in kube.pods}
        assert len(kube.pods) == len(launches) == 4


async def test_a_twin_that_is_done_before_its_batch_takes_no_secret_with_it():
    """The lost create is found, and its task finished, while another create of the batch is not answered yet."""

    def lose(call: Call) -> ApiError | None:
        lost = call.verb == "create" and "t0" in call.name and kube.count("create") <= 4
        return Unreachable("connection reset") if lost else None

    kube = Cluster(lose_answer=lose)
    carry_out = kube.create_pod

    async def create_pod(namespace, manifest):
        if "t2" in manifest["metadata"]["name"]:
            await asyncio.sleep(20)
        return await carry_out(namespace, manifest)

    kube.create_pod = create_pod  # type: ignore[method-assign]
    async with World(kube=kube) as world:
        twin, quick, slow = world.queue_all(world.tasks(3))
        await world.passes(10)
        world.runs(twin)
        world.succeeds(twin)
        await world.passes(5)
        assert world.settled(twin) == 1
        world.runs(quick)
        await world.passes(10)
        world.runs(slow)


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
            "The Kubernetes API asks to come back later: 429 TooManyRequests: slow down"
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
        assert all(owner for s in kube.secrets.values() for owner in s.owners)


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


async def test_a_missing_namespace_gets_a_second_try_after_5_s():
    kube = Cluster(namespaces={"default"})
    async with World(kube=kube, namespaces=("default", "late", "never")) as world:
        late = world.queue(world.task("late", config=in_namespace("late")))
        never = world.queue(world.task("never", config=in_namespace("never")))
        await world.passes(2)
        kube.namespaces = {"default", "late"}
        assert not world.events(late)
        assert not world.events(never)
        await world.passes(7)
        assert world.created(late) == 1
        assert world.outcomes(never)[:1] == [Outcome.FAILED]
        assert 'namespaces "never" not found' in world.events(never)[0].info
        assert "Create namespace never" in world.events(never)[0].info
        assert world.slots == 1
        assert not [key for key in kube.secrets if key[0] == "never"]


async def test_a_forbidden_create_fails_at_once_and_alone():
    kube = Cluster(forbidden={"closed"})
    async with World(kube=kube, namespaces=("default", "closed")) as world:
        refused = world.queue(world.task("no", config=in_namespace("closed")))
        fine = world.queue(world.task("yes"))
        await world.passes(3)
        assert world.outcomes(refused) == [Outcome.FAILED]
        assert "closed" in world.events(refused)[0].info
        assert "Role" in world.events(refused)[0].info
        assert world.created(fine) == 1
        await world.passes(3)
        assert world.settled(refused) == 1


async def test_a_misspelled_field_names_container_layer_and_the_right_name():
    message = (
        'Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field '
        '"spec.containers[0].imagePullPolcy"'
    )
    config = {"pod_override": {"spec": {"containers": [{"name": "base", "imagePullPolcy": "Always"}]}}}

    def fail(call: Call) -> ApiError | None:
        wrong = call.verb == "create" and call.resource == "pods" and "typo" in call.name
        return status_error(400, "BadRequest", message) if wrong else None

    kube = Cluster(fail=fail)
    async with World(kube=kube) as world:
        typo, fine = world.queue(world.task("typo", config=config)), world.queue(world.task("fine"))
        await world.passes(5)
        (event,) = world.events(typo)
        assert "spec.containers[base].imagePullPolcy" in event.info
        assert "pod_override" in event.info
        assert "imagePullPolicy" in event.info
        assert world.said(typo, "pod failed") == [event.info]
        assert world.created(fine) == 1
        assert [secret.data.keys() for secret in kube.secrets.values()] != []
        assert world.settled(typo) == 1


async def test_a_semantic_refusal_names_field_and_layer():
    details = {"causes": [{"field": "spec.containers[0].image", "message": "must not be blank", "reason": "Invalid"}]}
    kube = Cluster()
    kube.fail = lambda c: (
        status_error(422, "Invalid", "Pod is invalid", **details)
        if (c.verb, c.resource) == ("create", "pods")
        else None
    )
    async with World(kube=kube) as world:
        launch = world.queue(world.task("a"))
        await world.passes(3)
        assert "spec.containers[0].image: must not be blank (set by podTemplate" in world.events(launch)[0].info


async def test_a_dead_pod_of_the_same_name_is_stepped_over():
    async with World() as world:
        ti = world.task("a")
        launch = world.database.queue(ti)
        mount = WorkloadMount("s", launch.id, "/m")
        assert mount.key == launch.id
        world.kube.add_pod(world.pods.manifest(launch, 1))
        world.kube.play(pod_name(identity_of(launch, 1))).running().finish(1, "Error")
        world.machine.submit([launch])
        await world.passes(3)
        names = [pod.key[1] for pod in world.pods_of(launch)]
        assert pod_name(identity_of(launch, 2)) in names
        assert not world.events(launch)


async def test_a_foreign_pod_of_the_same_name_is_not_taken_for_ours():
    async with World() as world:
        ti = world.task("a")
        launch, other = world.database.queue(ti), world.database.queue(world.task("b"))
        foreign = world.pods.manifest(other, 1)
        foreign["metadata"]["name"] = pod_name(identity_of(launch, 1))
        world.kube.add_pod(foreign)
        world.machine.submit([launch])
        await world.passes(3)
        assert world.pod_of(launch).key[1] == pod_name(identity_of(launch, 2))


async def test_the_watch_may_be_faster_than_the_answer():
    kube = Cluster()

    async with World(kube=kube) as world:
        await world.passes(1)
        launch = world.queue(world.task("a"))
        kube.lose_answer = lambda call: None
        slow = _answers_late(kube, 3.0)
        await world.passes(2)
        assert world.pod_of(launch)
        world.pod_of(launch).running()
        await world.passes(2)
        slow()
        world.runs(launch)
        world.succeeds(launch)
        await world.passes(3)
        assert (world.created(launch), world.settled(launch), world.slots) == (1, 1, 0)
        assert not world.events(launch)


def _answers_late(kube: Cluster, seconds: float):
    """Creates are carried out at once and answered later. Returns what undoes it."""
    carry_out = kube.create_pod

    async def create_pod(namespace, manifest):
        ref = await carry_out(namespace, manifest)
        await asyncio.sleep(seconds)
        return ref

    kube.create_pod = create_pod  # type: ignore[method-assign]

    def undo() -> None:
        kube.create_pod = carry_out  # type: ignore[method-assign]

    return undo


@pytest.mark.parametrize("moment", [0.5, 2.0])
async def test_a_launch_that_is_revoked_while_its_create_is_under_way_leaves_no_pod(moment: float):
    kube = Cluster()
    async with World(kube=kube) as world:
        await world.passes(1)
        _answers_late(kube, 1.0)
        kube.latency = 1.0
        launch = world.queue(world.task("a"))
        await world.passes(moment)
        world.database.tis[launch.ti_id].state = "scheduled"
        world.machine.abandon(launch.id, "revoked")
        await world.passes(8)
        assert (kube.pods, kube.secrets, world.slots) == ({}, {}, 0)


async def test_a_row_that_moved_while_the_create_is_under_way_leaves_no_pod():
    kube = Cluster()
    async with World(kube=kube) as world:
        await world.passes(1)
        _answers_late(kube, 5.0)
        ti = world.task("a")
        first = world.queue(ti)
        await world.passes(1)
        second = world.queue(ti)
        await world.passes(9)
        assert world.pods_of(first) == []
        assert len(world.pods_of(second)) == 1
        assert world.settled(first) == 1


async def test_a_revoked_launch_in_the_queue_is_never_posted():
    kube = Cluster(quota={"default": 0})
    async with World(kube=kube) as world:
        launch = world.queue(world.task("a"))
        await world.passes(3)
        world.machine.abandon(launch.id, "revoked")
        kube.quota = {}
        await world.passes(40)
        assert (world.created(launch), world.slots) == (0, 0)


async def test_args_delivery_needs_no_secret():
    async with World(launch=LaunchPolicy(use_secrets=False)) as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        assert world.kube.count("create", "secrets") == 0
        args = world.kube.pods[world.pod_of(launch).key]["spec"]["containers"][0]["args"]
        assert args[-2] == "--json-string"
        assert TOKEN in args[-1]


async def test_a_forbidden_secret_refuses_its_launches_and_takes_their_pods():
    def fail(call: Call) -> ApiError | None:
        if (call.verb, call.resource) == ("create", "secrets"):
            return status_error(403, "Forbidden", "secrets is forbidden", kind="secrets")
        return None

    kube = Cluster(fail=fail)
    async with World(kube=kube) as world:
        launches = world.queue_all(world.tasks(3))
        await world.passes(6)
        for launch in launches:
            (event,) = world.events(launch)
            assert "workload Secret could not be created in namespace default" in event.info
            assert "workload_delivery = args" in event.info
        assert (kube.pods, world.slots) == ({}, 0)


async def test_a_manifest_error_harms_its_task_only():
    async with World() as world:
        bad = world.queue(world.task("bad", config={"pod_override": {"spec": {"containers": "none"}}}))
        good = world.queue(world.task("good"))
        await world.passes(4)
        assert world.outcomes(bad) == [Outcome.FAILED]
        assert "pod_override" in world.events(bad)[0].info
        assert world.created(good) == 1
        assert (world.created(bad), world.settled(bad)) == (0, 1)


async def test_a_defect_while_building_harms_its_task_only():
    async with World() as world:
        before, bad, after = world.queue_all(
            [world.task("a"), world.task("bad", config={"break": True}), world.task("z")]
        )
        await world.passes(4)
        assert world.created(before) == world.created(after) == 1
        assert world.outcomes(bad) == [Outcome.FAILED]
        assert "KeyError" in world.events(bad)[0].info
        assert world.settled(bad) == 1


async def test_a_defect_while_posting_harms_its_task_only():
    kube = Cluster()
    carry_out = kube.create_pod

    async def create_pod(namespace, manifest):
        if "bad" in manifest["metadata"]["name"]:
            raise TypeError("Type is not JSON serializable: object")
        return await carry_out(namespace, manifest)

    kube.create_pod = create_pod  # type: ignore[method-assign]
    async with World(kube=kube) as world:
        before, bad, after = world.queue_all([world.task("a"), world.task("bad"), world.task("z")])
        await world.passes(4)
        assert world.created(before) == world.created(after) == 1
        assert world.outcomes(bad) == [Outcome.FAILED]
        assert "TypeError" in world.events(bad)[0].info
        assert world.runs(after)
        assert {o.name for s in kube.secrets.values() for o in s.owners} == {name for _, name in kube.pods}


async def test_a_workload_that_cannot_be_read_harms_itself_only():
    async with World() as world:
        good = world.database.queue(world.task("good"))
        world.machine.submit([ValueError("not a workload"), good])
        await world.passes(2)
        assert world.created(good) == 1
