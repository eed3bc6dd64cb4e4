"""Init containers, native sidecars and several main containers: order, sharing, end."""

from __future__ import annotations

from tests.cluster.conftest import Cluster, shell, state

SHARED = [{"name": "v", "emptyDir": {}}]
MOUNTS = [{"name": "v", "mountPath": "/no/such/place"}]


async def test_init_containers_run_in_order(cluster: Cluster) -> None:
    first = shell("echo 1 >> /no/such/place/f", "first", volumeMounts=MOUNTS)
    second = shell("echo 2 >> /no/such/place/f", "second", volumeMounts=MOUNTS)
    main = shell("cat /no/such/place/f", volumeMounts=MOUNTS)
    await cluster.create_pod("init", main, initContainers=[first, second], volumes=SHARED)
    pod = await cluster.finished("init")
    assert await cluster.log("init") == "1\n2\n"
    assert [s["state"]["terminated"]["exitCode"] for s in pod["status"]["initContainerStatuses"]] == [0, 0]


async def test_failed_init_container_fails_the_pod(cluster: Cluster) -> None:
    await cluster.create_pod("badinit", shell("echo never"), initContainers=[shell("exit 5", "first")])
    pod = await cluster.finished("badinit")
    assert pod["status"]["phase"] == "Failed"
    assert state(pod, 0, "initContainerStatuses")["terminated"]["exitCode"] == 5
    assert state(pod)["waiting"]["reason"] == "PodInitializing"


async def test_sidecar_is_stopped_after_the_main_container(cluster: Cluster) -> None:
    trap = "trap 'echo stopped; exit 0' TERM"
    script = f"{trap}; echo up; touch /no/such/place/up; while :; do sleep 0.1; done"
    sidecar = shell(script, "helper", restartPolicy="Always", volumeMounts=MOUNTS)
    main = shell("until test -e /no/such/place/up; do sleep 0.05; done", volumeMounts=MOUNTS)
    await cluster.create_pod("side", main, initContainers=[sidecar], volumes=SHARED)
    pod = await cluster.finished("side")
    assert pod["status"]["phase"] == "Succeeded"
    assert await cluster.log("side", "helper") == "up\nstopped\n"
    assert state(pod, 0, "initContainerStatuses")["terminated"]["exitCode"] == 0


async def test_sidecar_that_ignores_the_signal_is_killed(cluster: Cluster) -> None:
    sidecar = shell("sleep 1000", "helper", restartPolicy="Always")
    await cluster.create_pod("deaf", shell("true"), initContainers=[sidecar], terminationGracePeriodSeconds=1)
    pod = await cluster.finished("deaf")
    assert pod["status"]["phase"] == "Succeeded"
    assert state(pod, 0, "initContainerStatuses")["terminated"]["exitCode"] == 137


async def test_containers_run_at_the_same_time(cluster: Cluster) -> None:
    def meet(mine: str, other: str) -> str:
        return f"touch /no/such/place/{mine}; until test -e /no/such/place/{other}; do sleep 0.05; done"

    left = shell(meet("a", "b"), "left", volumeMounts=MOUNTS)
    right = shell(meet("b", "a"), "right", volumeMounts=MOUNTS)
    await cluster.create_pod("pair", left, right, volumes=SHARED)
    assert (await cluster.finished("pair"))["status"]["phase"] == "Succeeded"
