"""pod_mutation_hook: what it may change, and what it may break."""

from __future__ import annotations

import copy
import threading
from collections.abc import Mapping
from typing import Any

from executor.model import Outcome
from tests.unit.control.world import World


async def test_its_changes_are_posted_and_identity_is_not_its_own():
    def hook(manifest: Mapping[str, Any]) -> dict[str, Any]:
        pod = copy.deepcopy(dict(manifest))
        pod["metadata"]["labels"].update({"team": "blue", "airflow-launch": "mine"})
        pod["metadata"]["name"] = "mine"
        pod["spec"]["containers"][0]["args"] = ["sleep", "1"]
        return pod

    async with World(mutate=hook) as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        pod = world.kube.pods[world.pod_of(launch).key]
        assert pod["metadata"]["labels"]["team"] == "blue"
        assert pod["metadata"]["name"] != "mine"
        assert pod["spec"]["containers"][0]["args"][0] == "python"


async def test_a_hook_that_raises_harms_its_task_only():
    def hook(manifest: Mapping[str, Any]) -> dict[str, Any]:
        if manifest["metadata"]["annotations"]["task_id"] == "bad":
            raise RuntimeError("hook says no")
        return dict(manifest)

    async with World(mutate=hook) as world:
        first, bad, last = world.queue_all([world.task("a"), world.task("bad"), world.task("z")])
        await world.passes(4)
        assert world.created(first) == world.created(last) == 1
        assert world.outcomes(bad) == [Outcome.FAILED]
        assert "pod_mutation_hook: it raised RuntimeError: hook says no" in world.events(bad)[0].info


async def test_a_hook_that_ends_its_thread_harms_its_task_only():
    def hook(manifest: Mapping[str, Any]) -> dict[str, Any]:
        if manifest["metadata"]["annotations"]["task_id"] == "bad":
            raise SystemExit(1)
        return dict(manifest)

    async with World(mutate=hook) as world:
        bad, last = world.queue_all([world.task("bad"), world.task("z")])
        await world.passes(4)
        assert world.created(last) == 1
        assert world.outcomes(bad) == [Outcome.FAILED]


async def test_a_hook_that_returns_nonsense_harms_its_task_only():
    def hook(manifest: Mapping[str, Any]) -> dict[str, Any]:
        if manifest["metadata"]["annotations"]["task_id"] == "bad":
            return {"metadata": None, "spec": {"containers": None}}
        return dict(manifest)

    async with World(mutate=hook) as world:
        bad, last = world.queue_all([world.task("bad"), world.task("z")])
        await world.passes(4)
        assert world.created(last) == 1
        assert world.outcomes(bad) == [Outcome.FAILED]


async def test_a_hook_that_hangs_is_left_behind_after_5_s():
    release = threading.Event()

    def hook(manifest: Mapping[str, Any]) -> dict[str, Any]:
        if manifest["metadata"]["annotations"]["task_id"] == "bad":
            release.wait(30)
        return dict(manifest)

    async with World(mutate=hook) as world:
        first, bad, last = world.queue_all([world.task("a"), world.task("bad"), world.task("z")])
        await world.passes(4.5)
        assert world.created(last) == 0
        await world.passes(4)
        assert world.created(first) == world.created(last) == 1
        assert world.outcomes(bad) == [Outcome.FAILED]
        assert "did not return within 5 s" in world.events(bad)[0].info
        release.set()


async def test_no_hook_thread_is_left_at_the_end():
    async with World(mutate=dict) as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        assert world.created(launch) == 1
        await world.close()
        for thread in threading.enumerate():
            if thread.name.startswith("pod-mutation-hook"):
                thread.join(60)
        assert not [t for t in threading.enumerate() if t.name.startswith("pod-mutation-hook")]
