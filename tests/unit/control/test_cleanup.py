"""`cleanup` and the loop: what a dry run lists is what the loop then deletes, and what `cleanup` deletes itself."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from executor.cli.cleanup import Removal, Scope, clean
from executor.control.retention import KeepPolicy
from executor.errors import ApiError
from executor.identity import DEPLOYMENT_LABEL
from executor.model import Launch
from tests.fakes.kube import Call, status_error
from tests.fakes.kube_play import Play
from tests.unit.control.pods import DEPLOYMENT
from tests.unit.control.world import World

Names = set[tuple[str, str]]
TTL = KeepPolicy(ttl_failed=1000.0, ttl_succeeded=300.0)


def left_behind(world: World, task_id: str, state: str, namespace: str = "default") -> tuple[Launch, Play]:
    """A pod of a scheduler that is gone; its worker runs, its row is in `state`."""
    launch = world.database.queue(world.task(task_id))
    world.kube.add_pod(world.pods.manifest(launch, 1), namespace)
    world.database.tis[launch.ti_id].state = state
    return launch, world.pod_of(launch)


def everything(world: World) -> None:
    """Pods in every state, ours and others', and Secrets."""
    left_behind(world, "running", "running")[1].running()
    left_behind(world, "waiting", "queued")
    left_behind(world, "no longer wanted", "failed")
    left_behind(world, "succeeded", "success")[1].running().finish(0)
    left_behind(world, "reported", "failed")[1].running().finish(0)
    left_behind(world, "crashed", "up_for_retry")[1].running().finish(137, "Error")
    launch, pod = left_behind(world, "row gone", "running")
    pod.running()
    del world.database.tis[launch.ti_id]
    launch, pod = left_behind(world, "cleared", "running")
    pod.running()
    world.database.tis[launch.ti_id].external_executor_id = world.database.new_launch_id()
    world.database.tis[launch.ti_id].try_number += 1
    _, pod = left_behind(world, "with a sidecar", "success")
    pod.running()
    stored = copy.deepcopy(world.kube.pods[pod.key])
    stored["status"]["containerStatuses"].append({"name": "proxy", "image": "", "state": {"running": {}}})
    world.kube.store(stored)
    pod.base_ended(0)
    others(world)


def others(world: World) -> None:
    """What is not ours: another deployment's pod, a KubernetesPodOperator's, one of no Airflow at all."""
    launch = world.database.queue(world.task("theirs"))
    theirs = world.pods.manifest(launch, 1)
    theirs["metadata"]["labels"][DEPLOYMENT_LABEL] = "another"
    del world.database.tis[launch.ti_id]
    operator = {"dag_id": "dag", "task_id": "t", "airflow_version": "3.3.2", "airflow_kpo_in_cluster": "False"}
    for name, labels in (("operator", operator), ("web", {}), ("labelled", {DEPLOYMENT_LABEL: DEPLOYMENT})):
        world.kube.add_pod({"metadata": {"name": name, "labels": labels}, "spec": theirs["spec"]})
        world.kube.play(name).running().finish(1)
    world.kube.add_pod(theirs)


def there(world: World) -> Names:
    return {("pod", name) for _, name in world.kube.pods} | {("secret", name) for _, name in world.kube.secrets}


async def cleaned(world: World, scope: Scope | None = None, *, dry: bool) -> list[Removal]:
    found: list[Removal] = []
    await clean(world.plan, world.kube, scope or Scope(), found.append, dry=dry)
    return found


def names(found: list[Removal]) -> Names:
    return {(one.kind, one.name) for one in found if not one.error}


async def grown_old(world: World, prepare: Callable[[World], None]) -> None:
    """The cluster as it is an hour after everybody left."""
    prepare(world)
    await world.kube.create_secret("default", "unneeded", labels={DEPLOYMENT_LABEL: DEPLOYMENT}, data={})
    await world.kube.create_secret("default", "another's", labels={DEPLOYMENT_LABEL: "another"}, data={})
    await world.passes(3600)


POLICIES = [
    KeepPolicy(),
    KeepPolicy(delete=False),
    KeepPolicy(delete_on_failure=False),
    KeepPolicy(delete=False, keep_last=1),
    KeepPolicy(ttl_failed=7200.0),
    TTL,
]


@pytest.mark.parametrize("keep", POLICIES)
async def test_a_dry_run_lists_what_the_loop_then_deletes(keep: KeepPolicy):
    world = World(keep=keep)
    await grown_old(world, everything)
    before = there(world)
    listed = names(await cleaned(world, dry=True))
    assert (there(world), world.kube.count("delete"), world.kube.count("patch")) == (before, 0, 0)
    async with world:
        await world.passes(250)  # a sweep of Secrets comes every 120 s
        after = there(world)
    assert before - after == listed
    assert ("secret", "unneeded") in listed


@pytest.mark.parametrize("keep", POLICIES)
async def test_cleanup_deletes_what_its_dry_run_listed(keep: KeepPolicy):
    world = World(keep=keep)
    await grown_old(world, everything)
    before = there(world)
    listed = names(await cleaned(world, dry=True))
    assert names(await cleaned(world, dry=False)) == listed
    assert before - there(world) == listed
    assert await cleaned(world, dry=True) == []


async def test_what_is_not_ours_and_what_is_still_wanted_stays():
    world = World()
    await grown_old(world, everything)
    await cleaned(world, dry=False)
    kept = [pod["metadata"] for pod in world.kube.pods.values()]
    tasks = {meta.get("annotations", {}).get("task_id") for meta in kept if meta["labels"].get(DEPLOYMENT_LABEL)}
    assert tasks == {"running", "waiting", "theirs", None}
    assert {meta["name"] for meta in kept} >= {"operator", "web", "labelled"}


async def test_young_pods_are_left_to_their_scheduler():
    world = World()
    everything(world)
    await world.passes(59)
    assert await cleaned(world, dry=True) == []


async def test_a_worker_that_has_just_reported_is_left_to_end_by_itself():
    world = World()
    _, pod = left_behind(world, "a", "success")
    pod.running()
    await world.passes(100)
    assert await cleaned(world, dry=True) == []
    pod.finish(0)
    assert [one.about for one in await cleaned(world, dry=False)] == ["Succeeded, dag.a run run try 1"]


async def test_a_scope_of_namespaces():
    world = World(namespaces=("one", "two"))
    for namespace in ("one", "two", "three"):
        left_behind(world, namespace, "failed", namespace)
    await world.passes(100)
    assert {one.namespace for one in await cleaned(world, dry=True)} == {"one", "two"}
    chosen = await cleaned(world, Scope(frozenset({"two", "three"})), dry=False)
    assert {one.namespace for one in chosen} == {"two", "three"}
    assert {namespace for namespace, _ in world.kube.pods} == {"one"}


@pytest.mark.parametrize(
    ("scope", "spared"),
    [(Scope(pending=timedelta(minutes=30)), "pending"), (Scope(ended=timedelta(minutes=30)), "ended")],
)
async def test_minutes_leave_more_alone(scope: Scope, spared: str):
    world = World()
    left_behind(world, "pending", "failed")
    left_behind(world, "ended", "failed")[1].running().finish(0)
    await world.passes(29 * 60)
    (left,) = await cleaned(world, scope, dry=True)
    assert spared not in left.about.split()
    await world.passes(2 * 60)
    assert len(await cleaned(world, scope, dry=True)) == 2


def refusing(error: ApiError, times: int = 1000) -> Any:
    """Answers the first deletes of pods with that."""
    left = [error] * times

    def fail(call: Call) -> ApiError | None:
        wanted = (call.verb, call.resource) == ("delete", "pods")
        return left.pop() if wanted and left else None

    return fail


@pytest.mark.parametrize(("status", "reason"), [(403, "Forbidden"), (503, "ServiceUnavailable")])
async def test_what_cannot_be_deleted_is_told_and_not_tried_for_ever(status: int, reason: str):
    world = World()
    left_behind(world, "a", "failed")
    await world.passes(100)
    world.kube.fail = refusing(status_error(status, reason, "no"))
    (told,) = await cleaned(world, dry=False)
    assert (reason in told.error, len(world.kube.pods)) == (True, 1)


async def test_an_answer_that_passes_is_asked_for_again():
    world = World()
    left_behind(world, "a", "failed")
    await world.passes(100)
    world.kube.fail = refusing(status_error(429, "TooManyRequests", "later"), 2)
    assert [one.error for one in await cleaned(world, dry=False)] == [""]
    assert world.kube.pods == {}
