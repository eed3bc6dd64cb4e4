"""Pods that really run: what containers see, how they end, and what the pod's status says of it."""

from __future__ import annotations

from executor.localcluster.node.api import Json
from tests.cluster.conftest import Cluster, is_on_this_machine, shell, state

MACHINE = "/etc/hostname-of-nobody"


def ended(pod: Json, number: int = 0, kind: str = "containerStatuses") -> Json:
    found: Json = state(pod, number, kind)["terminated"]
    return found


async def test_success_has_log_status_and_conditions(cluster: Cluster) -> None:
    await cluster.create_pod("ok", shell("echo out; echo err >&2; hostname"))
    pod = await cluster.finished("ok")
    assert pod["status"]["phase"] == "Succeeded"
    assert (ended(pod)["exitCode"], ended(pod)["reason"]) == (0, "Completed")
    assert sorted((await cluster.log("ok")).splitlines()) == ["err", "ok", "out"]
    conditions = {condition["type"]: condition["status"] for condition in pod["status"]["conditions"]}
    assert conditions["PodScheduled"] == conditions["Initialized"] == "True"
    assert conditions["Ready"] == conditions["ContainersReady"] == "False"
    assert pod["spec"]["nodeName"] == "local"
    assert "Successfully assigned" in await cluster.event("ok", "Scheduled")
    assert await cluster.event("ok", "Started")


async def test_running_pod_is_ready(cluster: Cluster) -> None:
    await cluster.create_pod("busy", shell("sleep 60"))
    pod = await cluster.wait("busy", lambda pod: "running" in state(pod))
    assert pod["status"]["phase"] == "Running"
    assert pod["status"]["containerStatuses"][0]["ready"] is True
    conditions = {condition["type"]: condition["status"] for condition in pod["status"]["conditions"]}
    assert conditions["Ready"] == "True"


async def test_exit_code(cluster: Cluster) -> None:
    await cluster.create_pod("three", shell("exit 3"))
    pod = await cluster.finished("three")
    assert pod["status"]["phase"] == "Failed"
    assert (ended(pod)["exitCode"], ended(pod)["reason"]) == (3, "Error")


async def test_segmentation_fault(cluster: Cluster) -> None:
    crash = ["python3", "-c", "import ctypes; ctypes.string_at(0)"]
    await cluster.create_pod("segv", {"name": "base", "image": "machine:1", "command": crash})
    assert ended(await cluster.finished("segv"))["exitCode"] == 139


async def test_memory_limit(cluster: Cluster) -> None:
    hog = ["python3", "-c", "import time; held = bytearray(300 << 20); time.sleep(60)"]
    limits = {"limits": {"memory": "100Mi"}}
    await cluster.create_pod("hog", {"name": "base", "image": "machine:1", "command": hog, "resources": limits})
    pod = await cluster.finished("hog")
    assert (ended(pod)["exitCode"], ended(pod)["reason"]) == (137, "OOMKilled")


async def test_memory_of_child_processes_counts(cluster: Cluster) -> None:
    script = "python3 -c 'import time; held = bytearray(200 << 20); time.sleep(60)' & wait"
    await cluster.create_pod("tree", shell(script, resources={"limits": {"memory": "100Mi"}}))
    assert ended(await cluster.finished("tree"))["reason"] == "OOMKilled"


async def test_files_of_a_container_stay_its_own(cluster: Cluster) -> None:
    script = f"echo mine > {MACHINE}; cat {MACHINE}; mkdir /new-at-root"
    await cluster.create_pod("writer", shell(script))
    assert (await cluster.finished("writer"))["status"]["phase"] == "Succeeded"
    assert await cluster.log("writer") == "mine\n"
    assert not is_on_this_machine(MACHINE)
    assert not is_on_this_machine("/new-at-root")
    await cluster.create_pod("other", shell(f"test ! -e {MACHINE}"))
    assert (await cluster.finished("other"))["status"]["phase"] == "Succeeded"


async def test_environment_is_clean(cluster: Cluster) -> None:
    await cluster.create_pod("env", shell("env | cut -d= -f1 | sort"))
    await cluster.finished("env")
    assert set((await cluster.log("env")).split()) <= {
        *("HOME", "HOSTNAME", "PATH", "PWD", "OLDPWD", "SHLVL", "_"),
        *("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "KUBERNETES_SERVICE_PORT_HTTPS"),
    }


async def test_state_of_other_pods_is_hidden(cluster: Cluster) -> None:
    await cluster.create_pod("peek", shell(f"ls {cluster.server.state} | wc -l"))
    await cluster.finished("peek")
    assert (await cluster.log("peek")).strip() == "0"


async def test_missing_program(cluster: Cluster) -> None:
    await cluster.create_pod("typo", {"name": "base", "image": "machine:1", "args": ["airfolw", "tasks"]})
    pod = await cluster.finished("typo")
    assert (ended(pod)["exitCode"], ended(pod)["reason"]) == (128, "StartError")
    assert 'exec: "airfolw": executable file not found in $PATH' in ended(pod)["message"]


async def test_image_with_a_root_of_its_own(cluster: Cluster) -> None:
    look = {"name": "base", "image": "no-airflow:1", "command": ["airflow", "version"]}
    await cluster.create_pod("bare", look)
    assert ended(await cluster.finished("bare"))["reason"] == "StartError"
    await cluster.create_pod("bare2", {**shell("ls /"), "image": "no-airflow:1"})
    await cluster.finished("bare2")
    assert "work" not in (listing := (await cluster.log("bare2")).split())
    assert {"bin", "usr", "proc", "dev"} <= set(listing)
    assert "home" not in listing


async def test_termination_message(cluster: Cluster) -> None:
    await cluster.create_pod("last", shell("echo bye > /dev/termination-log; exit 1"))
    assert ended(await cluster.finished("last"))["message"] == "bye\n"
    await cluster.create_pod("tail", shell("echo why; exit 1", terminationMessagePolicy="FallbackToLogsOnError"))
    assert ended(await cluster.finished("tail"))["message"] == "why\n"


async def test_restart_on_failure(cluster: Cluster) -> None:
    volume = {"volumes": [{"name": "v", "emptyDir": {}}]}
    script = "test -e /v/seen && exit 0; touch /v/seen; exit 7"
    mounts = [{"name": "v", "mountPath": "/v"}]
    await cluster.create_pod("again", shell(script, volumeMounts=mounts), restartPolicy="OnFailure", **volume)
    pod = await cluster.finished("again")
    assert pod["status"]["phase"] == "Succeeded"
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 1
    assert pod["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 7


async def test_crash_loop_backs_off(cluster: Cluster) -> None:
    await cluster.create_pod("loop", shell("exit 1"), restartPolicy="Always")
    waiting = await cluster.waiting("loop", "CrashLoopBackOff")
    assert waiting["message"].startswith("back-off 10s restarting failed container=base pod=loop_")


async def test_active_deadline(cluster: Cluster) -> None:
    await cluster.create_pod("late", shell("sleep 60"), activeDeadlineSeconds=1, terminationGracePeriodSeconds=1)
    pod = await cluster.finished("late")
    assert (pod["status"]["phase"], pod["status"]["reason"]) == ("Failed", "DeadlineExceeded")
    assert ended(pod)["exitCode"] == 137
