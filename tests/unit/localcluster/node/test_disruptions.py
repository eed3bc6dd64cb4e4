"""Who has to go: taints and tolerations, preemption, eviction."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from executor.localcluster.node.disruption import PodRef
from executor.localcluster.node.eviction import eviction_message
from executor.localcluster.node.faults import NodeFaults, read_faults
from executor.localcluster.node.fit import NodeRoom
from executor.localcluster.node.node_lifecycle import new_taints
from executor.localcluster.node.preemption import BoundPod, plan_preemption
from executor.localcluster.node.taints import no_execute, stay_seconds

AWAY = {"key": "away", "effect": "NoExecute"}
LOST = {"key": "lost", "value": "v", "effect": "NoExecute"}
FOR_EVER = float("inf")


def tolerating(*tolerations: dict[str, Any]) -> dict[str, Any]:
    return {"tolerations": list(tolerations)}


@pytest.mark.parametrize(
    ("spec", "seconds"),
    [
        ({}, 0),
        (tolerating({"key": "away", "operator": "Exists"}), 0),
        (tolerating({"operator": "Exists"}), FOR_EVER),
        (tolerating({"operator": "Exists", "tolerationSeconds": 5}), 5),
        (tolerating({"operator": "Exists", "tolerationSeconds": -1}), 0),
        (tolerating({"operator": "Exists", "effect": "NoSchedule"}), 0),
        (
            tolerating(
                {"key": "away", "operator": "Exists", "tolerationSeconds": 30},
                {"key": "lost", "value": "v", "tolerationSeconds": 10},
            ),
            10,
        ),
        (tolerating({"key": "away", "operator": "Exists"}, {"key": "lost", "value": "other"}), 0),
    ],
)
def test_how_long_a_pod_stays(spec: dict[str, Any], seconds: float) -> None:
    assert stay_seconds(spec, [AWAY, LOST]) == seconds


def test_only_some_taints_drive_pods_away() -> None:
    node = {"spec": {"taints": [AWAY, {"key": "x", "effect": "NoSchedule"}]}}
    assert no_execute(node) == [AWAY]
    assert no_execute({}) == []
    assert [taint["effect"] for taint in new_taints("node.kubernetes.io/unreachable", "now")] == [
        "NoSchedule",
        "NoExecute",
    ]


ROOM = NodeRoom("a", {}, (), {"memory": Decimal(10), "pods": Decimal(5)}, {"memory": Decimal(10), "pods": Decimal(3)})


def bound(name: str, memory: int, priority: int, node: str = "a", leaving: bool = False) -> BoundPod:
    asked = {"memory": Decimal(memory), "pods": Decimal(1)}
    return BoundPod(PodRef("ns", name, name), node, asked, priority, leaving)


def wanting(memory: int, priority: int = 10, **spec: Any) -> dict[str, Any]:
    resources = {"resources": {"requests": {"memory": str(memory)}}}
    return {"spec": {"priority": priority, "containers": [resources], **spec}}


def victims(pod: dict[str, Any], *others: BoundPod, rooms: tuple[NodeRoom, ...] = (ROOM,)) -> list[str] | None:
    plan = plan_preemption(pod, rooms, others)
    return None if plan is None else [victim.ref.name for victim in plan.victims]


def test_the_least_important_pods_go_and_no_more_than_needed() -> None:
    others = bound("low", 3, 1), bound("mid", 3, 5), bound("high", 4, 20)
    assert victims(wanting(3), *others) == ["low"]
    assert victims(wanting(6), *others) == ["mid", "low"]
    assert victims(wanting(7), *others) is None


def test_who_leaves_anyway_is_not_joined_by_others() -> None:
    others = bound("low", 4, 1), bound("going", 4, 5, leaving=True), bound("mid", 2, 5)
    assert victims(wanting(4), *others) == ["going"]


@pytest.mark.parametrize("pod", [wanting(3, priority=1), wanting(3, preemptionPolicy="Never")])
def test_who_may_not_preempt(pod: dict[str, Any]) -> None:
    assert victims(pod, bound("equal", 10, 1)) is None


def test_preemption_helps_only_against_lack_of_room() -> None:
    elsewhere = wanting(3, nodeSelector={"zone": "z"})
    assert victims(elsewhere, bound("low", 10, 1)) is None


def test_the_node_whose_victims_matter_least() -> None:
    other = NodeRoom("b", {}, (), ROOM.allocatable, ROOM.used)
    pods = bound("mid", 10, 5), bound("low", 10, 1, node="b")
    assert victims(wanting(3), *pods, rooms=(ROOM, other)) == ["low"]


def test_the_message_names_who_used_more_than_asked_for() -> None:
    resources = {"resources": {"requests": {"memory": "1Gi"}}}
    pod = {"spec": {"containers": [{"name": "a"}, {"name": "b", **resources}, {"name": "c"}]}}
    message = eviction_message(pod, {"a": 5 << 20, "b": 1 << 20})
    assert message.endswith("Container a was using 5120Ki, request is 0, has larger consumption of memory. ")
    assert "Container b" not in message
    assert "Container c" not in message


def test_the_control_file(tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    assert read_faults(path) == (NodeFaults(), b"")
    path.write_text('{"evict": ["u"], "lose": true}')
    assert read_faults(path)[0] == NodeFaults(evict=("u",), lose=True)
    for wrong in ('{"evict": "u"}', '{"explode": true}', "{"):
        path.write_text(wrong)
        with pytest.raises(ValueError, match=r"faults\.json: .*expected such as"):
            read_faults(path)
