"""Another installation of Airflow in the same namespace: what does not carry our deployment's label is not ours."""

from __future__ import annotations

from typing import Any

from executor.identity import DEPLOYMENT_LABEL, pod_name
from executor.model import Launch
from tests.unit.control.pods import DEPLOYMENT
from tests.unit.control.world import Cluster, World, identity_of


def names(kube: Cluster, deployment: str) -> list[str]:
    return [name for (_, name), pod in kube.pods.items() if pod["metadata"]["labels"][DEPLOYMENT_LABEL] == deployment]


def pod_of_another_installation(world: World, launch: Launch) -> dict[str, Any]:
    """Its database is a copy of ours (a staging system made from production's dump): ids and names are the same."""
    manifest = world.pods.manifest(launch, 1)
    manifest["metadata"]["labels"][DEPLOYMENT_LABEL] = "another"
    return manifest


async def test_a_pod_of_our_name_that_is_another_installations_is_neither_followed_nor_deleted():
    kube = Cluster()
    async with World(kube=kube) as world:
        launch = world.database.queue(world.task("a"))
        theirs = kube.add_pod(pod_of_another_installation(world, launch))
        world.machine.submit([launch])
        await world.passes(30)
        assert names(kube, DEPLOYMENT) == [pod_name(identity_of(launch, 2))]
        (ours,) = [pod for pod in world.pods_of(launch) if pod.key[1] != theirs.name]
        ours.running()
        world.database.tis[launch.ti_id].state = "success"
        ours.finish(0)
        await world.passes(60)
        assert (world.settled(launch), names(kube, DEPLOYMENT)) == (1, [])
        assert kube.pods["default", theirs.name]["metadata"]["uid"] == theirs.uid
