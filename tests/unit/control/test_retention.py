"""How long ended pods stay, how many, and that a new scheduler and a second one come to the same answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import inf

import pytest

from executor.control.retention import KeepPolicy, ended_at, expired, pod_failed
from executor.model import Launch
from executor.observe.pod_view import (
    Condition,
    ContainerState,
    ContainerStatus,
    Metadata,
    PodView,
    Running,
    Status,
    Terminated,
)
from tests.fakes.kube import status_error
from tests.unit.control.world import Cluster, World

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def ended(name: str, seconds: float, code: int = 0, phase: str = "") -> PodView:
    """A pod whose `base` ended so long ago."""
    state = ContainerState(terminated=Terminated(exit_code=code, finished_at=ago(seconds)))
    status = Status(
        phase=phase or ("Failed" if code else "Succeeded"), container_statuses=(ContainerStatus("base", state=state),)
    )
    return PodView(metadata=Metadata(name=name, uid=name, creation_timestamp=ago(9999)), status=status)


def names(pods: list[PodView]) -> list[str]:
    return [pod.metadata.name for pod in pods]


LIVES = [
    (KeepPolicy(), 0, 0),
    (KeepPolicy(delete_on_failure=False), 0, inf),
    (KeepPolicy(delete=False), inf, inf),
    (KeepPolicy(delete=False, delete_on_failure=False), inf, inf),
    (KeepPolicy(ttl_failed=600), 0, 600),
    (KeepPolicy(ttl_succeeded=60), 60, 0),
    (KeepPolicy(delete=False, ttl_failed=600), inf, 600),
    (KeepPolicy(delete_on_failure=False, ttl_succeeded=60, ttl_failed=600), 60, 600),
    (KeepPolicy(keep_last=5), 0, 0),
]


@pytest.mark.parametrize(("policy", "succeeded", "failed"), LIVES)
def test_a_time_to_live_goes_before_delete_or_keep(policy: KeepPolicy, succeeded: float, failed: float):
    assert policy.life(ended("a", 1)) == succeeded
    assert policy.life(ended("a", 1, code=1)) == failed
    assert policy.keeps(ended("a", 1)) == (succeeded > 0)


def test_each_outcome_has_its_time():
    policy = KeepPolicy(ttl_succeeded=60, ttl_failed=600)
    pods = [ended("s59", 59), ended("s60", 60), ended("f599", 599, 1), ended("f600", 600, 137)]
    assert names(expired(pods, policy, NOW)) == ["s60", "f600"]


def test_only_the_newest_stay():
    policy = KeepPolicy(delete=False, keep_last=2)
    pods = [ended("third", 30), ended("first", 10, 1), ended("fourth", 40), ended("second", 20)]
    assert names(expired(pods, policy, NOW)) == ["third", "fourth"]


def test_pods_whose_time_is_over_take_no_place_among_the_newest():
    policy = KeepPolicy(delete=False, ttl_succeeded=15, keep_last=1)
    assert names(expired([ended("new", 20), ended("old", 30, 1)], policy, NOW)) == ["new"]


def test_leftovers_that_were_stopped_make_no_failure():
    assert not pod_failed(ended("a", 1, code=0, phase="Failed"))
    assert pod_failed(PodView(status=Status(phase="Failed", reason="Evicted")))


def test_the_end_of_a_pod_that_never_had_a_base():
    init = ContainerStatus("i", state=ContainerState(terminated=Terminated(exit_code=1, finished_at=ago(50))))
    running = ContainerStatus("base", state=ContainerState(running=Running(started_at=ago(70))))
    target = Condition("DisruptionTarget", "True", last_transition_time=ago(40))
    born = Metadata(creation_timestamp=ago(90))
    assert ended_at(PodView(born, status=Status("Failed", init_container_statuses=(init,)))) == ago(50)
    assert ended_at(PodView(born, status=Status("Failed", container_statuses=(running,), conditions=(target,)))) == (
        ago(40)
    )
    assert ended_at(PodView(born, status=Status("Failed"))) == ago(90)
    assert expired([PodView()], KeepPolicy(delete=False, ttl_succeeded=1), NOW) == []


# -- in the loop


async def ends(world: World, name: str, code: int) -> Launch:
    launch = world.queue(world.task(name))
    await world.passes(1)
    world.runs(launch)
    await world.passes(1)
    world.database.tis[launch.ti_id].state = "failed" if code else "success"
    world.pod_of(launch).finish(code)
    return launch


async def test_a_failed_pod_stays_for_its_time_and_a_good_one_not_at_all():
    async with World(keep=KeepPolicy(ttl_failed=600)) as world:
        good, bad = await ends(world, "good", 0), await ends(world, "bad", 3)
        await world.passes(30)
        assert (world.pods_of(good), len(world.pods_of(bad))) == ([], 1)
        await world.passes(540)
        assert len(world.pods_of(bad)) == 1
        await world.passes(70)
        assert world.kube.pods == {}
        assert world.kube.count("delete") == 2


async def test_a_task_that_fails_by_its_own_code_is_no_failure_of_its_pod():
    async with World(keep=KeepPolicy(delete_on_failure=False, ttl_failed=600)) as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        world.runs(launch)
        world.database.tis[launch.ti_id].state = "failed"
        world.pod_of(launch).finish(0)
        await world.passes(5)
        assert world.kube.pods == {}


async def test_the_newest_stay_and_the_oldest_go():
    async with World(keep=KeepPolicy(delete=False, keep_last=3)) as world:
        launches = [await ends(world, f"t{number}", number % 2) for number in range(6)]
        await world.passes(60)
        assert [len(world.pods_of(launch)) for launch in launches] == [0, 0, 0, 1, 1, 1]
        newest = await ends(world, "newest", 0)
        await world.passes(60)
        assert [len(world.pods_of(one)) for one in [*launches, newest]] == [0, 0, 0, 0, 1, 1, 1]
        assert world.kube.count("delete") == 4


async def test_a_new_scheduler_goes_on_where_the_old_one_stopped():
    kube, policy = Cluster(), KeepPolicy(ttl_failed=600, delete=False, keep_last=2)
    async with World(kube=kube, keep=policy) as world:
        launches = [await ends(world, f"t{number}", 1 if number == 3 else 0) for number in range(4)]
        database = world.database
    assert len(kube.pods) == 4
    kube.closed = False
    async with World(kube=kube, database=database, keep=policy) as world:
        await world.passes(150)
        assert [len(world.pods_of(launch)) for launch in launches] == [0, 0, 1, 1]
        await world.passes(600)
        assert [len(world.pods_of(launch)) for launch in launches] == [0, 0, 1, 0]
        assert world.kube.count("delete") == 3


async def test_a_pod_whose_task_may_be_taken_over_is_not_counted_and_not_deleted():
    kube, policy = Cluster(), KeepPolicy(ttl_succeeded=1, ttl_failed=1, keep_last=1)
    async with World(kube=kube, keep=policy) as world:
        launch = world.database.queue(world.task("a"), job=99)
        kube.add_pod(world.pods.manifest(launch, 1))
        world.pod_of(launch).running().finish(0)
        await world.passes(300)
        assert len(kube.pods) == 1
        world.database.tis[launch.ti_id].state = "success"
        await world.passes(60)
        assert kube.pods == {}


async def test_what_is_not_ours_is_never_touched():
    """Pods of the KubernetesPodOperator, of another deployment, and what carries our label and no launch."""
    kube = Cluster()
    strangers = {
        "operator": {"dag_id": "d", "kubernetes_pod_operator": "True", "airflow_kpo_in_cluster": "False"},
        "other": {"airflow-deployment": "d1", "airflow-launch": "x", "ti_id": "y"},
        "helper": {"airflow-deployment": "d0"},
    }
    async with World(kube=kube, keep=KeepPolicy(ttl_succeeded=1, ttl_failed=1, keep_last=1)) as world:
        for name, labels in strangers.items():
            kube.add_pod({"metadata": {"name": name, "labels": labels}})
            kube.play(name).running().finish(0)
        await ends(world, "ours", 0)
        await world.passes(400)
        assert {name for _, name in kube.pods} == set(strangers)
        assert kube.count("delete") == 1


async def test_a_delete_that_is_refused_comes_again_and_not_in_between():
    kube = Cluster()
    async with World(kube=kube, keep=KeepPolicy(ttl_succeeded=100)) as world:
        await ends(world, "a", 0)
        refusal = status_error(403, "Forbidden", "pods is forbidden")
        kube.fail = lambda call: refusal if call.verb == "delete" else None
        await world.passes(185)
        refused = kube.count("delete")
        assert 1 <= refused <= 3  # once a pass of the reconciler
        kube.fail = lambda call: None
        await world.passes(60)
        assert (kube.pods, kube.count("delete")) == ({}, refused + 1)


async def test_a_kept_pod_that_somebody_else_deletes_is_no_concern():
    async with World(keep=KeepPolicy(ttl_succeeded=100)) as world:
        launch = await ends(world, "a", 0)
        await world.passes(10)
        world.pod_of(launch).vanish()
        await world.passes(200)
        assert (world.kube.count("delete"), world.events(launch)) == (0, [])
        assert world.machine._janitor._kept == set()


async def test_a_kept_pod_that_somebody_else_is_deleting_is_left_to_him():
    async with World(kube=Cluster(stop_after=None), keep=KeepPolicy(ttl_succeeded=100)) as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        pod = world.runs(launch)
        world.database.tis[launch.ti_id].state = "success"
        pod.base_ended(0)
        await world.passes(10)
        pod.deleted(grace=600)
        await world.passes(200)
        assert (len(world.kube.pods), world.kube.count("delete")) == (1, 0)


async def test_one_delete_for_one_pod_however_long_its_answer_takes():
    kube = Cluster()
    async with World(kube=kube, keep=KeepPolicy(ttl_succeeded=100)) as world:
        await ends(world, "a", 0)
        await world.passes(95)
        kube.fail = lambda call: status_error(503, "Unavailable", "away") if call.verb == "delete" else None
        await world.passes(200)
        failed = kube.count("delete")
        kube.fail = lambda call: None
        await world.passes(100)
        assert (kube.pods, kube.count("delete")) == ({}, failed + 1)


async def test_the_end_of_the_log_of_a_kept_pod_is_saved_before_it_can_go(tmp_path):
    async with World(keep=KeepPolicy(ttl_failed=60), log_folder=tmp_path) as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        pod = world.runs(launch)
        world.kube.writes(pod.key, "the last line\n")
        pod.oom()
        await world.passes(5)
        assert len(world.kube.pods) == 1
        await world.passes(100)
        assert world.kube.pods == {}
    (file,) = tmp_path.rglob("*.executor.log")
    assert file.read_text().count("the last line\n") == 1
