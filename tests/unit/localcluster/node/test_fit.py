"""Which node a pod fits on, and the scheduler's sentences where it fits on none."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from executor.localcluster.node.fit import NodeRoom, choose_node, pod_requests

ROOM = {"cpu": Decimal(4), "memory": Decimal(8 << 30), "pods": Decimal(10)}
NODE = NodeRoom("a", {"kubernetes.io/hostname": "a", "zone": "z1", "cores": "8"}, (), ROOM, {})


def pod(*asked: dict[str, str], **spec: Any) -> dict[str, Any]:
    containers = [{"name": f"c{n}", "resources": {"requests": one}} for n, one in enumerate(asked or ({},))]
    return {"spec": {"containers": containers, **spec}}


def affinity(*expressions: dict[str, Any]) -> dict[str, Any]:
    terms = [{"matchExpressions": list(expressions)}]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    return {"affinity": {"nodeAffinity": required}}


def asking(**amounts: str) -> dict[str, Any]:
    return {"resources": {"requests": amounts}}


@pytest.mark.parametrize(
    ("spec", "cpu"),
    [
        ({"containers": [asking(cpu="1"), asking(cpu="500m")]}, "1.5"),
        ({"containers": [asking(cpu="1")], "initContainers": [asking(cpu="3"), asking(cpu="2")]}, "3"),
        ({"containers": [asking(cpu="1")], "initContainers": [{**asking(cpu="2"), "restartPolicy": "Always"}]}, "3"),
        (
            {
                "containers": [asking(cpu="1")],
                "initContainers": [{**asking(cpu="2"), "restartPolicy": "Always"}, asking(cpu="4")],
            },
            "6",
        ),
        ({"containers": [{"resources": {"limits": {"cpu": "2"}}}]}, "2"),
        ({"containers": [asking(cpu="1")], "overhead": {"cpu": "250m"}}, "1.25"),
    ],
)
def test_what_a_pod_asks_for(spec: dict[str, Any], cpu: str) -> None:
    assert pod_requests(spec)["cpu"] == Decimal(cpu)


def test_the_emptier_node_is_taken() -> None:
    busy = replace(NODE, name="b", used={"memory": Decimal(1 << 30)})
    assert choose_node(pod({"cpu": "1"}), [busy, NODE]).node == "a"


def test_too_little_room_is_said_by_resource() -> None:
    verdict = choose_node(pod({"cpu": "5", "memory": "9Gi"}), [NODE])
    assert verdict.node is None
    assert verdict.message == (
        "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory. "
        "preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."
    )


def test_room_that_is_used_does_not_count() -> None:
    full = replace(NODE, used={"cpu": Decimal("3.5")})
    assert choose_node(pod({"cpu": "500m"}), [full]).node == "a"
    assert choose_node(pod({"cpu": "501m"}), [full]).node is None


def test_too_many_pods() -> None:
    assert "1 Too many pods" in choose_node(pod(), [replace(NODE, used={"pods": Decimal(10)})]).message


def test_no_nodes() -> None:
    assert choose_node(pod(), []).message == "no nodes available to schedule pods"


def test_reasons_are_counted_over_nodes() -> None:
    nodes = [NODE, replace(NODE, name="b"), replace(NODE, name="c", labels={})]
    message = choose_node(pod({"cpu": "9"}, nodeSelector={"zone": "z1"}), nodes).message
    assert message.startswith(
        "0/3 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 2 Insufficient cpu."
    )


@pytest.mark.parametrize(
    ("expression", "fits"),
    [
        ({"key": "zone", "operator": "In", "values": ["z1", "z2"]}, True),
        ({"key": "zone", "operator": "In", "values": ["z2"]}, False),
        ({"key": "zone", "operator": "NotIn", "values": ["z2"]}, True),
        ({"key": "gpu", "operator": "NotIn", "values": ["x"]}, True),
        ({"key": "gpu", "operator": "Exists"}, False),
        ({"key": "gpu", "operator": "DoesNotExist"}, True),
        ({"key": "cores", "operator": "Gt", "values": ["7"]}, True),
        ({"key": "cores", "operator": "Gt", "values": ["8"]}, False),
        ({"key": "cores", "operator": "Lt", "values": ["9"]}, True),
        ({"key": "gpu", "operator": "Lt", "values": ["9"]}, False),
    ],
)
def test_required_node_affinity(expression: dict[str, Any], fits: bool) -> None:
    assert (choose_node(pod(**affinity(expression)), [NODE]).node is not None) is fits


TAINT = {"key": "dedicated", "value": "ml", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("toleration", "fits"),
    [
        (None, False),
        ({"key": "dedicated", "value": "ml", "effect": "NoSchedule"}, True),
        ({"key": "dedicated", "operator": "Equal", "value": "web"}, False),
        ({"key": "dedicated", "operator": "Exists"}, True),
        ({"operator": "Exists"}, True),
        ({"key": "dedicated", "operator": "Exists", "effect": "NoExecute"}, False),
    ],
)
def test_taints(toleration: dict[str, Any] | None, fits: bool) -> None:
    verdict = choose_node(pod(tolerations=[toleration] if toleration else []), [replace(NODE, taints=(TAINT,))])
    assert (verdict.node is not None) is fits
    if not fits:
        assert "1 node(s) had untolerated taint {dedicated: ml}" in verdict.message


def test_preferred_taints_do_not_forbid() -> None:
    assert choose_node(pod(), [replace(NODE, taints=({**TAINT, "effect": "PreferNoSchedule"},))]).node == "a"


def test_cordoned_and_unready_nodes() -> None:
    assert "node(s) were unschedulable" in choose_node(pod(), [replace(NODE, unschedulable=True)]).message
    unready = choose_node(pod(), [replace(NODE, ready=False)]).message
    assert "untolerated taint {node.kubernetes.io/not-ready: }" in unready


def test_claims_are_never_bound() -> None:
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]
    message = choose_node(pod(volumes=volumes), [NODE]).message
    assert message == '0/1 nodes are available: persistentvolumeclaim "data" not found.'


def with_port(number: int, **port: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "c", "ports": [{"containerPort": 80, "hostPort": number, **port}]}]}}


def test_a_port_of_the_node_is_given_once() -> None:
    taken = replace(NODE, name="b", used=pod_requests(with_port(8080)["spec"]))

    assert choose_node(with_port(8080), [taken, replace(NODE, allocatable={**ROOM, "memory": Decimal(1)})]).node == "a"
    assert choose_node(with_port(8080, protocol="UDP"), [taken]).node == "b"
    assert choose_node(with_port(8081), [taken]).node == "b"
    alone = choose_node(with_port(8080), [taken]).message
    assert alone.startswith("0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.")
