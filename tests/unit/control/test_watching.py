"""What is believed of the watch: relists that lack pods, lost history, forbidden namespaces, strays."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from executor.errors import ApiError, Throttled, Unreachable
from executor.identity import DEPLOYMENT_LABEL, pod_name
from executor.kube.port import Listed
from executor.model import Outcome
from tests.fakes.kube import status_error
from tests.unit.control.pods import keep_to_itself
from tests.unit.control.world import Cluster, World, identity_of, in_namespace


async def test_a_relist_that_lacks_pods_which_exist_does_nothing():
    kube = Cluster()
    async with World(kube=kube) as world:
        launches = world.queue_all(world.tasks(50))
        await world.passes(1)
        for launch in launches[:25]:
            world.runs(launch)
        await world.passes(1)
        full = kube.list_pods

        async def empty(namespace, selector):
            listed = await full(namespace, selector)
            return Listed(namespace, (), listed.resource_version)

        kube.list_pods = empty  # type: ignore[method-assign]
        kube.compact()
        await world.passes(20)
        assert kube.count("list") >= 2
        assert kube.count("get") >= 50
        assert kube.count("delete") == 0
        assert [world.created(launch) for launch in launches] == [1] * 50
        assert not any(world.events(launch) for launch in launches)


async def test_what_was_missed_while_history_was_lost_is_found():
    async with World() as world:
        pending, running, ends = world.queue_all(world.tasks(3))
        await world.passes(1)
        world.runs(running)
        world.runs(ends)
        await world.passes(1)
        world.kube.break_streams(Unreachable("connection reset"))
        world.pod_of(pending).vanish()
        world.pod_of(running).vanish()
        world.pod_of(ends).finish(3, "Error")
        world.kube.compact()
        await world.passes(20)
        assert world.created(pending) == 2
        assert world.outcomes(running) == [Outcome.FAILED]
        assert "The task was running in it" in world.events(running)[0].info
        assert "exit code 3" in world.events(ends)[0].info


@pytest.mark.parametrize("error", [Throttled("slow down", status=429), status_error(403, "Forbidden", "may not get")])
async def test_a_question_that_was_not_answered_is_asked_again(error: ApiError):
    """A pod that went while nobody watched, and whose GET fails the first time, must not be believed in for ever."""
    kube = Cluster()
    async with World(kube=kube) as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        world.runs(launch)
        await world.passes(1)
        kube.break_streams(Unreachable("connection reset"))
        world.pod_of(launch).vanish()
        kube.compact()
        kube.fail = lambda call: error if call.verb == "get" and kube.count("get") < 3 else None
        await world.passes(60)
        assert world.outcomes(launch) == [Outcome.FAILED]


async def test_an_answer_that_is_older_than_the_watch_is_not_believed():
    """GET says the pod is there, and before its answer arrives the watch shows its end."""
    kube = Cluster()
    async with World(kube=kube) as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        world.runs(launch)
        await world.passes(1)
        full, ask = kube.list_pods, kube.read_pod

        async def empty(namespace, selector):
            listed = await full(namespace, selector)
            return Listed(namespace, (), listed.resource_version)

        async def slow(namespace, name):
            pod = await ask(namespace, name)
            await asyncio.sleep(10)
            return pod

        kube.list_pods, kube.read_pod = empty, slow  # type: ignore[method-assign]
        kube.compact()
        await world.passes(3)
        world.pod_of(launch).vanish()
        await world.passes(20)
        assert not world.machine.tracker.pods
        assert world.outcomes(launch) == [Outcome.FAILED]


async def test_events_that_got_lost_matter_until_the_next_list_beside_the_watch():
    """The stream goes on and nothing says that there was more: births, changes and ends."""
    kube = Cluster()
    through, deaf = kube.watch_pods, False

    async def watch(*args):
        async with aclosing(through(*args)) as events:
            async for event in events:
                if not deaf:
                    yield event

    kube.watch_pods = watch  # type: ignore[method-assign]
    async with World(kube=kube, reconcile=30.0) as world:
        crashes, vanishes = world.queue_all(world.tasks(2))
        await world.passes(1)
        deaf = True
        born = world.queue(world.task("born"))
        await world.passes(1)
        world.runs(crashes).finish(3, "Error")
        world.runs(vanishes).vanish()
        await world.passes(31)
        assert (world.outcomes(crashes), world.outcomes(vanishes)) == ([Outcome.FAILED], [Outcome.FAILED])
        assert world.pod_of(born).key in world.machine.tracker.pods
        assert kube.count("list") == 2


async def test_a_pod_of_an_earlier_launch_that_the_watch_never_showed_is_looked_for():
    """It passed `/run` for the next launch, whose own worker was turned away; its row names it."""
    kube, hidden = Cluster(), set()
    keep_to_itself(kube, hidden)
    async with World(kube=kube, reconcile=1000) as world:
        ti = world.task("a")
        hidden.add(pod_name(identity_of(earlier := world.database.queue(ti), 1)))
        world.machine.submit([earlier])
        await world.passes(1)
        kube.fail = lambda call: Throttled("slow down", status=429) if call.verb == "delete" else None
        next_one = world.queue(ti)
        await world.passes(1)
        world.runs(earlier)
        ti.state, ti.hostname = "running", world.pod_of(earlier).key[1]
        world.pod_of(next_one).running().finish(1, "Error")
        await world.passes(10)
        asked = kube.count("get")
        await world.passes(60)
        assert (world.events(next_one), kube.count("get")) == ([], asked), "its pod is followed, not asked for"
        hidden.clear()
        world.succeeds(earlier)
        kube.fail = lambda call: None
        await world.passes(60)
        assert (world.drained_events(), kube.pods, world.slots) == ([], {}, 0)


async def test_a_list_beside_the_watch_that_is_older_than_it_is_not_believed():
    """While its answer is on its way the watch shows a pod's end, and the end of one that was born meanwhile."""
    kube = Cluster()
    ask = kube.list_pods

    async def slow(namespace, selector):
        await asyncio.sleep(2)
        listed = await ask(namespace, selector)
        await asyncio.sleep(2)
        return listed

    async with World(kube=kube, reconcile=30.0) as world:
        ends, stays = world.queue_all(world.tasks(2))
        await world.passes(1)
        world.runs(stays)
        kube.list_pods = slow  # type: ignore[method-assign]
        await world.passes(29.5)
        world.runs(ends)
        brief = kube.add_pod({"metadata": {"name": "brief", "labels": {DEPLOYMENT_LABEL: "d0"}}, "spec": {}})
        await world.passes(2)
        world.pod_of(ends).finish(3, "Error")
        kube.play(brief.name).vanish()
        await world.passes(10)
        assert (world.outcomes(ends), world.settled(ends)) == ([Outcome.FAILED], 1)
        assert set(world.machine.tracker.pods) == {world.pod_of(stays).key}
        assert world.created(ends) == world.created(stays) == 1


async def test_a_pod_that_the_watch_never_shows_is_asked_for():
    kube = Cluster()

    async with World(kube=kube) as world:
        await world.passes(1)
        kube.break_streams(Unreachable("connection reset"))
        kube.fail = lambda call: Unreachable("no") if call.verb in ("list", "watch") else None
        launch = world.queue(world.task("a"))
        await world.passes(2)
        world.pod_of(launch).vanish()
        await world.passes(70)
        assert world.created(launch) >= 2
        assert world.events(launch) == []


async def test_a_forbidden_namespace_does_not_hold_up_the_other():
    kube = Cluster(forbidden={"closed"})
    async with World(kube=kube, namespaces=("default", "closed")) as world:
        fine = world.queue(world.task("fine"))
        refused = world.queue(world.task("refused", config=in_namespace("closed")))
        await world.passes(2)
        world.runs(fine)
        world.succeeds(fine)
        await world.passes(5)
        assert (world.settled(fine), world.outcomes(refused)) == (1, [Outcome.FAILED])
        assert world.slots == 0


async def test_namespaces_are_complained_about_once_a_minute(caplog):
    kube = Cluster(fail=lambda call: Unreachable("connection refused"))
    async with World(kube=kube, namespaces=("a", "b")) as world:
        await world.passes(600)
        lines = [r for r in caplog.records if "cannot be watched" in r.getMessage()]
        assert len(lines) <= 2 * 11
        assert world.slots == 0


async def test_a_stray_is_collected_once_its_row_moved_and_it_is_old():
    async with World() as world:
        ti = world.task("a")
        launch = world.database.queue(ti)
        live = world.database.queue(world.task("of another scheduler"), job=8)
        await world.passes(1)
        world.kube.add_pod(world.pods.manifest(launch, 1))
        world.kube.add_pod(world.pods.manifest(live, 1))
        ti.state = "failed"
        await world.passes(45)
        assert len(world.kube.pods) == 2, "younger than two leases"
        await world.passes(60)
        assert world.pods_of(launch) == []
        assert len(world.pods_of(live)) == 1


async def test_what_is_not_ours_is_never_touched():
    async with World() as world:
        foreign = world.pods.manifest(world.database.queue(world.task("a")), 1)
        foreign["metadata"]["labels"][DEPLOYMENT_LABEL] = "another-airflow"
        world.kube.add_pod(foreign)
        odd = {"metadata": {"name": "odd", "labels": {DEPLOYMENT_LABEL: "d0"}}, "spec": {"containers": []}}
        world.kube.add_pod(odd)
        world.database.tis.clear()
        await world.passes(300)
        assert {name for _, name in world.kube.pods} == {"odd", foreign["metadata"]["name"]}


async def test_an_odd_pod_does_not_stop_reconciliation():
    """Somebody else's pod with our label and annotations that mean nothing."""
    async with World() as world:
        ti = world.task("a")
        launch = world.queue(ti)
        odd = world.pods.manifest(launch, 4)
        odd["metadata"]["name"] = "odd"
        odd["metadata"]["labels"].update({"airflow-launch": "who knows"})
        odd["metadata"]["annotations"].update({"try_number": "two", "map_index": "?"})
        world.kube.add_pod(odd)
        await world.passes(100)
        ti.state = "failed"
        await world.passes(31)
        assert (world.settled(launch), world.pods_of(launch)) == (1, [])


async def test_secrets_are_swept_unless_a_pod_waits_for_them():
    kube = Cluster()
    async with World(kube=kube) as world:
        waits = world.queue(world.task("waits"))
        await world.passes(1)
        world.pod_of(waits).unschedulable()
        await kube.create_secret("default", "left-behind", labels={DEPLOYMENT_LABEL: "d0"}, data={})
        await kube.create_secret("default", "foreign", labels={DEPLOYMENT_LABEL: "other"}, data={})
        await world.passes(110)
        await kube.create_secret("default", "young", labels={DEPLOYMENT_LABEL: "d0"}, data={})
        await world.passes(120)
        assert ("default", "young") in kube.secrets, "its pods may yet come"
        await world.passes(120)
        assert not {("default", "left-behind"), ("default", "young")} & kube.secrets.keys()
        assert ("default", "foreign") in kube.secrets
        world.runs(waits)


async def test_a_delete_that_is_forbidden_for_a_while_is_made_up_for():
    kube = Cluster()
    async with World(kube=kube) as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        world.runs(launch)
        kube.fail = lambda c: status_error(403, "Forbidden", "may not delete") if c.verb == "delete" else None
        world.succeeds(launch)
        await world.passes(70)
        assert world.settled(launch) == 1
        assert len(kube.pods) == 1
        kube.fail = lambda call: None
        await world.passes(70)
        assert kube.pods == {}


async def test_a_delete_that_is_not_answered_is_tried_again():
    kube = Cluster()
    async with World(kube=kube) as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        world.runs(launch)
        kube.fail = lambda c: Unreachable("no answer") if c.verb == "delete" and kube.count("delete") < 4 else None
        world.succeeds(launch)
        await world.passes(10)
        assert (kube.count("delete"), kube.pods) == (4, {})
