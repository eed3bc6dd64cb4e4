"""Startup, liveness and readiness probes of real containers, with the kubelet's events."""

from __future__ import annotations

from pathlib import Path

from executor.demo.processes import free_ports
from executor.localcluster.node.api import Json
from tests.cluster.conftest import Cluster, condition, containers, shell, state

SHARED = [{"name": "v", "emptyDir": {}}]
MOUNTS = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
FAST = {"periodSeconds": 1, "failureThreshold": 1, "timeoutSeconds": 30}
SERVER = (
    "import http.server as h, sys; h.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), h.SimpleHTTPRequestHandler)"
)


def check(command: str, **more: object) -> Json:
    return {"exec": {"command": ["sh", "-c", command]}, **FAST, **more}


def shared_files(cluster: Cluster, pod: Json) -> Path:
    """The pod's volume, on this machine."""
    return cluster.server.state / "pods" / str(pod["metadata"]["uid"]) / ".volumes" / "v"


async def test_a_pod_is_ready_when_its_containers_say_so(cluster: Cluster) -> None:
    asked = shell("sleep 60", **MOUNTS, readinessProbe=check("echo not yet; test -e /v/ok"))
    await cluster.create_pod("ready", asked, shell("sleep 60", "other"), volumes=SHARED)
    assert await cluster.event("ready", "Unhealthy") == "Readiness probe failed: not yet\n"
    pod = await cluster.wait("ready", lambda pod: "other" in ready(pod))
    assert containers(pod)["base"]["ready"] is False
    assert containers(pod)["base"]["started"] is True
    unready = condition(pod, "Ready")
    assert (unready["status"], unready["reason"]) == ("False", "ContainersNotReady")
    assert unready["message"] == "containers with unready status: [base]"
    files = shared_files(cluster, pod)
    (files / "ok").touch()
    pod = await cluster.wait("ready", lambda pod: condition(pod, "Ready").get("status") == "True")
    assert containers(pod)["base"]["ready"] is True
    (files / "ok").unlink()
    await cluster.wait("ready", lambda pod: condition(pod, "ContainersReady").get("status") == "False")


async def test_a_failed_liveness_probe_restarts_the_container(cluster: Cluster) -> None:
    script = "touch /v/ok; trap 'exit 0' TERM; while :; do sleep 0.1; done"
    dies = shell(script, **MOUNTS, livenessProbe=check("cat /v/ok && rm /v/ok", failureThreshold=2))
    # its exit code is 0: it starts again all the same, because it was not well
    await cluster.create_pod("alive", dies, volumes=SHARED, restartPolicy="OnFailure")
    pod = await cluster.wait("alive", lambda pod: containers(pod).get("base", {}).get("restartCount", 0) >= 1)
    assert containers(pod)["base"]["lastState"]["terminated"]["exitCode"] == 0
    failed = await cluster.event("alive", "Unhealthy")
    assert failed == "Liveness probe failed: cat: /v/ok: No such file or directory\n"
    assert await cluster.event("alive", "Killing") == "Container base failed liveness probe, will be restarted"


async def test_a_pod_that_never_restarts_fails_with_its_probe(cluster: Cluster) -> None:
    hangs = shell(
        "trap '' TERM; sleep 60", livenessProbe=check("sleep 30", terminationGracePeriodSeconds=1, timeoutSeconds=1)
    )
    await cluster.create_pod("dead", hangs)
    pod = await cluster.finished("dead")
    assert (pod["status"]["phase"], state(pod)["terminated"]["exitCode"]) == ("Failed", 137)
    message = 'Liveness probe failed: command timed out: "sh -c sleep 30" timed out after 1s'
    assert await cluster.event("dead", "Unhealthy") == message
    assert await cluster.event("dead", "Killing") == "Container base failed liveness probe"


async def test_startup_holds_up_the_other_probes(cluster: Cluster) -> None:
    starts = shell(
        "until test -e /v/go; do sleep 0.05; done; touch /v/up; sleep 60",
        **MOUNTS,
        startupProbe=check("test -e /v/up", failureThreshold=600),
        livenessProbe=check("test -e /v/up"),
        readinessProbe=check("true"),
    )
    await cluster.create_pod("starts", starts, volumes=SHARED)
    pod = await cluster.wait("starts", lambda pod: "running" in state(pod))
    assert (containers(pod)["base"]["started"], containers(pod)["base"]["ready"]) == (False, False)
    await cluster.event("starts", "Unhealthy", "Startup probe failed")
    (shared_files(cluster, pod) / "go").touch()
    pod = await cluster.wait("starts", lambda pod: condition(pod, "Ready").get("status") == "True")
    assert (containers(pod)["base"]["started"], containers(pod)["base"]["restartCount"]) == (True, 0)


async def test_failed_startup_kills(cluster: Cluster) -> None:
    await cluster.create_pod("slow", shell("sleep 60", startupProbe=check("false")), terminationGracePeriodSeconds=0)
    assert (await cluster.finished("slow"))["status"]["phase"] == "Failed"
    assert await cluster.event("slow", "Killing") == "Container base failed startup probe"


async def test_a_sidecar_that_starts_slowly_holds_up_the_next_init_container(cluster: Cluster) -> None:
    sidecar = shell(
        "until test -e /v/go; do sleep 0.05; done; echo sidecar >> /v/order; exec sleep 60",
        "helper",
        **MOUNTS,
        restartPolicy="Always",
        startupProbe=check("test -e /v/order", failureThreshold=600),
    )
    following = shell("echo init >> /v/order", "after", **MOUNTS)
    main = shell("cat /v/order", **MOUNTS)
    grace = {"terminationGracePeriodSeconds": 0}
    await cluster.create_pod("gated", main, initContainers=[sidecar, following], volumes=SHARED, **grace)
    pod = await cluster.wait("gated", lambda pod: "running" in state(pod, 0, "initContainerStatuses"))
    assert containers(pod, "initContainerStatuses")["helper"]["started"] is False
    assert condition(pod, "Initialized")["status"] == "False"
    (shared_files(cluster, pod) / "go").touch()
    await cluster.finished("gated")
    assert await cluster.log("gated") == "sidecar\ninit\n"


async def test_probes_over_the_network(cluster: Cluster) -> None:
    port, nobody = free_ports(2)
    served = {
        "name": "base",
        "image": "machine:1",
        "command": ["python3", "-c", f"{SERVER}.serve_forever()", str(port)],
    }
    http = {"httpGet": {"path": "/etc", "port": "web"}, "periodSeconds": 1, "failureThreshold": 600}
    lost = {"httpGet": {"path": "/lost", "port": port}, "periodSeconds": 1, "failureThreshold": 100}
    await cluster.create_pod(
        "net",
        {**served, "ports": [{"name": "web", "containerPort": port}], "startupProbe": http, "readinessProbe": lost},
        shell("sleep 60", "open", readinessProbe={"tcpSocket": {"port": port}, "periodSeconds": 1}),
        shell("sleep 60", "shut", readinessProbe={"tcpSocket": {"port": nobody}, "periodSeconds": 1}),
        shell("sleep 60", "refused", readinessProbe={"httpGet": {"port": nobody}, "periodSeconds": 1}),
        shell("sleep 60", "odd", readinessProbe={"grpc": {"port": port}, "periodSeconds": 1}),
        terminationGracePeriodSeconds=0,
    )
    await cluster.wait("net", lambda pod: containers(pod) and containers(pod)["open"]["ready"])
    refused = f"dial tcp 127.0.0.1:{nobody}: connect: connection refused"
    await cluster.event("net", "Unhealthy", f"Readiness probe failed: {refused}")
    await cluster.event("net", "Unhealthy", f'Readiness probe failed: Get "http://127.0.0.1:{nobody}/": {refused}')
    await cluster.event("net", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 404")
    await cluster.event("net", "Unhealthy", "Readiness probe errored and resulted in unknown state: grpc")
    await cluster.wait("net", lambda pod: containers(pod)["base"]["started"] and ready(pod) == {"open"})


def ready(pod: Json | None) -> set[str]:
    return {name for name, one in containers(pod).items() if one["ready"]}
