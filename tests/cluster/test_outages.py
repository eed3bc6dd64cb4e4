"""The API server goes away for a while, or its server is killed: containers do what they should."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import aiohttp

from executor.localcluster.node.api import ApiClient, Json
from tests.cluster.conftest import PATIENCE, Cluster, shell, start_server, state
from tests.cluster.test_waiting_and_deletion import POLITE, processes_with


async def test_containers_go_on_while_the_api_is_unreachable(cluster: Cluster, tmp_path: Path) -> None:
    volume = {"name": "v", "hostPath": {"path": str(tmp_path)}}
    mounts = [{"name": "v", "mountPath": "/out"}]
    script = "until test -e /out/go; do sleep 0.05; done; touch /out/done; exit 4"
    await cluster.create_pod("on", shell(script, volumeMounts=mounts), volumes=[volume])
    pod = await cluster.wait("on", lambda pod: "running" in state(pod))
    await cluster.api.post("/localcluster/unreachable", {"seconds": 2})
    (tmp_path / "go").touch()
    await cluster.wait_until((tmp_path / "done").exists)
    after = await finished_when_reachable(cluster, "on")
    assert after["metadata"]["uid"] == pod["metadata"]["uid"]
    assert state(after)["terminated"]["exitCode"] == 4


async def finished_when_reachable(cluster: Cluster, name: str) -> Json:
    while True:
        try:
            return await cluster.finished(name)
        except aiohttp.ClientError:
            await asyncio.sleep(0.1)


async def test_a_lost_watch_is_taken_up_again(cluster: Cluster) -> None:
    await cluster.api.post("/localcluster/compact", {})
    await cluster.api.post("/localcluster/drop-watches", {})
    await cluster.create_pod("late", shell("true"))
    assert (await cluster.finished("late"))["status"]["phase"] == "Succeeded"


async def end_of_a_server(folder: Path, number: signal.Signals) -> str:
    """Send a server with a running and a crash-looping pod a signal; returns the running pod's mark."""
    server = start_server(folder)
    mark = f"mark-{folder.name}-{number}"
    async with ApiClient(server.url, server.token, server.ca_file) as api:
        cluster = Cluster(api, server, "default")
        await cluster.create_pod("loops", shell("exit 1"), restartPolicy="Always")
        await cluster.create_pod("runs", shell(f"trap '' TERM; echo {mark}; (sleep 1000 & wait)"))
        await cluster.wait("runs", lambda pod: "running" in state(pod))
        await cluster.waiting("loops", "CrashLoopBackOff")
    assert processes_with(mark)
    start = time.monotonic()
    server.process.send_signal(number)
    server.process.wait(PATIENCE)
    assert time.monotonic() - start < POLITE, "it waited for a pod's grace"
    return mark


async def test_no_process_survives_a_stopped_server(cluster: Cluster, tmp_path: Path) -> None:
    mark = await end_of_a_server(tmp_path, signal.SIGTERM)
    assert not processes_with(mark)


async def test_no_process_survives_a_killed_server(cluster: Cluster, tmp_path: Path) -> None:
    mark = await end_of_a_server(tmp_path, signal.SIGKILL)
    await cluster.wait_until(lambda: not processes_with(mark))
