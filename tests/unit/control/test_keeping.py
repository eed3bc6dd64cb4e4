"""Which finished pods stay, what is kept of their logs, and that no token is."""

from __future__ import annotations

import json
import logging

import pytest

from executor.control.composer import Draft
from executor.control.launcher import LaunchPolicy
from executor.control.retention import KeepPolicy
from executor.errors import ApiError
from tests.fakes.kube import Call, status_error
from tests.unit.control.world import TOKEN, Cluster, World, all_log_text


async def test_kept_pods_stay_and_their_leftovers_are_stopped():
    async with World(keep=KeepPolicy(delete=False)) as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        pod = world.runs(launch)
        _sidecar_runs(world, pod.key)
        world.database.tis[launch.ti_id].state = "success"
        pod.base_ended(0)
        await world.passes(200)
        kept = world.kube.pods[pod.key]
        assert kept["spec"]["activeDeadlineSeconds"] == 1
        assert world.kube.count("patch") == 1
        assert (world.settled(launch), world.kube.count("delete")) == (1, 0)


async def test_a_sidecar_that_never_ends_does_not_keep_the_task():
    async with World() as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        pod = world.runs(launch)
        _sidecar_runs(world, pod.key)
        world.database.tis[launch.ti_id].state = "success"
        pod.base_ended(0)
        await world.passes(2)
        assert (world.settled(launch), world.events(launch), world.kube.pods) == (1, [], {})


@pytest.mark.parametrize(("code", "left"), [(0, 0), (3, 1)])
async def test_failed_pods_are_kept_where_that_is_asked_for(code: int, left: int):
    async with World(keep=KeepPolicy(delete_on_failure=False)) as world:
        ti = world.task("a")
        launch = world.queue(ti)
        await world.passes(1)
        world.runs(launch)
        if code == 0:
            ti.state = "success"
        world.pod_of(launch).finish(code, "Error" if code else "Completed")
        await world.passes(10)
        assert (world.settled(launch), len(world.kube.pods)) == (1, left)


async def test_a_pod_whose_worker_may_still_run_is_deleted_whatever_is_kept():
    async with World(keep=KeepPolicy(delete=False)) as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        world.runs(launch)
        world.machine.abandon(launch.id, "no heartbeat")
        await world.passes(2)
        assert world.kube.pods == {}


async def test_kept_pods_are_not_looked_at_for_ever(caplog):
    async with World(keep=KeepPolicy(delete=False)) as world:
        caplog.set_level(logging.INFO)
        launches = world.queue_all(world.tasks(5))
        await world.passes(1)
        for launch in launches:
            world.runs(launch)
            world.succeeds(launch)
        await world.passes(300)
        reads, lines = world.database.reads, len(caplog.records)
        await world.passes(300)
        assert world.database.reads == reads
        assert len(caplog.records) == lines


async def test_the_log_of_many_failed_pods_is_saved_a_few_at_a_time():
    kube = Cluster()
    under_way = highest = 0
    read = kube.read_log

    async def read_log(*args, **kwargs):
        nonlocal under_way, highest
        under_way += 1
        highest = max(highest, under_way)
        kube.latency = 1.0
        try:
            return await read(*args, **kwargs)
        finally:
            under_way -= 1

    kube.read_log = read_log  # type: ignore[method-assign]
    async with World(kube=kube) as world:
        launches = world.queue_all(world.tasks(100))
        await world.passes(1)
        for launch in launches:
            world.runs(launch).finish(3, "Error")
        await world.passes(60)
        assert 0 < highest <= 32
        assert kube.pods == {}


async def test_no_token_in_logs_errors_files_or_reprs(caplog, tmp_path):
    caplog.set_level(logging.DEBUG)

    def fail(call: Call) -> ApiError | None:
        if call.verb != "create":
            return None
        if call.resource == "secrets" and kube.count("create", "secrets") < 3:
            return status_error(500, "InternalError", "etcd")
        return status_error(422, "Invalid", f"Pod {call.name} is invalid") if "bad" in call.name else None

    kube = Cluster(fail=fail)
    for policy in (LaunchPolicy(), LaunchPolicy(use_secrets=False)):
        kube.closed = False
        async with World(kube=kube, log_folder=tmp_path, launch=policy) as world:
            bad = world.queue(world.task("bad"))
            world.queue(world.task("broken", config={"break": True}))
            await world.passes(10)
            assert "422" in world.said(bad, "pod failed")[0] or "is invalid" in world.said(bad, "pod failed")[0]
            text = repr(world.drains) + repr(world.machine.tracker.get(bad.id)) + repr(list(world.machine.tracker))
            assert TOKEN not in text
    assert "dag.bad" in all_log_text(caplog.records)
    assert "eyJ" not in all_log_text(caplog.records)
    assert all("eyJ" not in file.read_text() for file in tmp_path.rglob("*.log"))
    assert all("eyJ" not in json.dumps(pod) for pod in kube.pods.values() if "bad" in pod["metadata"]["name"])


async def test_a_draft_shows_no_token():
    async with World() as world:
        launch = world.database.queue(world.task("a"))
        world.machine.submit([launch])
        tracked = world.machine.tracker.get(launch.id)
        draft = await world.machine._launcher._composer.compose(tracked, "secret")
        assert isinstance(draft, Draft)
        assert TOKEN.encode() in draft.workload
        assert TOKEN not in repr(draft) + str(draft) + repr(draft.built)


def _sidecar_runs(world: World, key: tuple[str, str]) -> None:
    pod = json.loads(json.dumps(world.kube.pods[key]))
    pod["status"]["containerStatuses"].append({"name": "proxy", "image": "", "state": {"running": {}}})
    world.kube.store(pod)
