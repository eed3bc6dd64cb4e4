"""The API server goes away for a while, or its server is killed: containers do what they should."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

from executor.localcluster.node.api import ApiClient
from tests.cluster.conftest import Cluster, shell, start_server, state
from tests.cluster.test_waiting_and_deletion import processes_with


async def test_containers_go_on_while_the_api_is_unreachable(cluster: Cluster, tmp_path: Path) -> None:
    volume = {"name": "v", "hostPath": {"path": str(tmp_path)}}
    mounts = [{"name": "v", "mountPath": "/out"}]
    await cluster.create_pod("on", shell("sleep 1; touch /out/done; exit 4", volumeMounts=mounts), volumes=[volume])
    pod = await cluster.wait("on", lambda pod: "running" in state(pod))
    await cluster.api.post("/localcluster/unreachable", {"seconds": 2})
    await cluster.wait_until(lambda: (tmp_path / "done").exists(), 1.9)
    await asyncio.sleep(1.5)
    after = await cluster.finished("on")
    assert after["metadata"]["uid"] == pod["metadata"]["uid"]
    assert state(after)["terminated"]["exitCode"] == 4


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
    server.process.wait(10)
    assert time.monotonic() - start < 5
    return mark


async def test_no_process_survives_a_stopped_server(cluster: Cluster, tmp_path: Path) -> None:
    mark = await end_of_a_server(tmp_path, signal.SIGTERM)
    assert not processes_with(mark)


async def test_no_process_survives_a_killed_server(cluster: Cluster, tmp_path: Path) -> None:
    mark = await end_of_a_server(tmp_path, signal.SIGKILL)
    await cluster.wait_until(lambda: not processes_with(mark), 3)
