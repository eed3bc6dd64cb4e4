"""Why a task died reaches the person who wrote it.

What users suffer: a container ran out of memory, a node was lost, an image was misspelled, and the task's page says
"Pod failed because of None"; the reason is in a scheduler's log that DAG authors cannot read.
What we promise: the message that goes with the failure, the event log and the file beside the task's log all say the
same sentence: pod, node, container, exit code or signal, reason, and the last events of pods that cannot say why.
No two causes are told alike. Size: one task for each of 16 causes, in virtual time; `tests/cluster/test_sentences.py`
lets many more happen to real pods.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from executor.kube.port import PodEvent
from executor.model import Launch, Outcome
from tests.fakes.kube_play import Play
from tests.promises.stage import Cluster
from tests.unit.control.world import World

NODE = "node-1"
FATAL = frozenset({"CreateContainerConfigError", "CreateContainerError", "ErrImagePull", "InvalidImageName"})
POLICY: dict[str, Any] = {
    "fatal_reasons": FATAL,
    "timeout_config": 10.0,
    "timeout_pulling": 10.0,
    "timeout_unschedulable": 10.0,
    "launch_retries": 0,
}
EXECUTOR_CONFIG = {
    "pod_override": {"spec": {"containers": [{"name": "base", "resources": {"limits": {"memory": "64Mi"}}}]}}
}


def status(play: Play, **fields: Any) -> None:
    """Write some fields of a pod's status as they are."""
    pod = copy.deepcopy(play.kube.pods[play.key])
    pod["status"].update(fields)
    play.kube.store(pod)


def failed_init(play: Play) -> None:
    end = {"exitCode": 7, "reason": "Error", "message": "no route to the vault"}
    play.scheduled()
    status(play, phase="Failed", initContainerStatuses=[{"name": "prepare", "state": {"terminated": end}}])


def lost_node(play: Play) -> None:
    play.disrupt("DeletionByTaintManager")
    play.vanish()


def deadline(play: Play) -> None:
    play.scheduled()
    message = "Pod was active on the node longer than the specified deadline"
    status(play, phase="Failed", reason="DeadlineExceeded", message=message)


@dataclass(frozen=True, slots=True)
class Death:
    """running: the task began before it; words: what must be told of it; events: of the pod, by the control plane."""

    happens: Callable[[Play], object]
    words: tuple[str, ...]
    running: bool = True
    events: tuple[PodEvent, ...] = ()


NOT_READY = PodEvent("NodeNotReady", "Node is not ready", "Warning", 1, None)
NO_VOLUME = PodEvent("FailedMount", 'secret "keys" not found', "Warning", 5, None)
DEATHS = {
    "out of memory": Death(lambda pod: pod.oom(), (NODE, "base", "64Mi", "OOMKilled", "exit code 137")),
    "exit 1": Death(lambda pod: pod.finish(1, message="no such table"), (NODE, "base", "exit code 1", "no such table")),
    "crash": Death(lambda pod: pod.finish(139), (NODE, "base", "SIGSEGV", "exit code 139")),
    "killed": Death(
        lambda pod: pod.finish(137, "Error"), (NODE, "SIGKILL", "137", "NodeNotReady"), events=(NOT_READY,)
    ),
    "no report": Death(lambda pod: pod.finish(0), (NODE, "base ended with 0 without reporting")),
    "evicted": Death(lambda pod: pod.evicted(), (NODE, "evicted by its node", "low on resource: memory")),
    "drained": Death(lambda pod: pod.disrupt(), (NODE, "EvictionByEvictionAPI", "SIGTERM")),
    "preempted": Death(lambda pod: pod.disrupt("PreemptionByScheduler"), (NODE, "preempted", "more important")),
    "node lost": Death(
        lost_node, (NODE, "DeletionByTaintManager", "NodeNotReady: Node is not ready"), events=(NOT_READY,)
    ),
    "deleted": Death(lambda pod: pod.deleted(), (NODE, "deleted by somebody else")),
    "image": Death(
        lambda pod: pod.waiting("ErrImagePull", 'failed to resolve reference "r.io/x:1": r.io/x:1: not found'),
        (NODE, "base", "cannot be pulled", "r.io/x:1: not found", "ErrImagePull"),
        running=False,
    ),
    "config": Death(
        lambda pod: pod.waiting("CreateContainerConfigError", 'secret "s" not found'),
        (NODE, "base", "CreateContainerConfigError", 'secret "s" not found', "pending_timeout_config"),
        running=False,
    ),
    "volume": Death(
        lambda pod: pod.scheduled(), (NODE, "has not started", 'secret "keys" not found'), False, (NO_VOLUME,)
    ),
    "init": Death(
        failed_init, (NODE, "init container prepare", "exit code 7", "no route to the vault", "never started"), False
    ),
    "deadline": Death(deadline, (NODE, "DeadlineExceeded", "longer than the specified deadline"), False),
    "no node": Death(
        lambda pod: pod.unschedulable(), ("1 Insufficient cpu", "pending_timeout_unschedulable"), running=False
    ),
}


async def dies(world: World, death: Death) -> Launch:
    launch = world.queue(world.task("a", config=EXECUTOR_CONFIG))
    await world.passes(1)
    pod = world.runs(launch) if death.running else world.pod_of(launch)
    world.kube.events[world.kube.pods[pod.key]["metadata"]["uid"]] = list(death.events)
    death.happens(pod)
    await world.passes(40)
    return launch


async def told_of(cause: str, folder: Path) -> tuple[str, World, Launch]:
    """The one message with the failure."""
    async with World(kube=Cluster(), log_folder=folder, **POLICY) as world:
        launch = await dies(world, DEATHS[cause])
        assert world.outcomes(launch) == [Outcome.FAILED]
        (event,) = world.events(launch)
    return event.info, world, launch


@pytest.mark.parametrize("cause", DEATHS)
async def test_row_05_the_failure_says_why(cause: str, tmp_path: Path) -> None:
    sentence, world, launch = await told_of(cause, tmp_path)

    assert [word for word in DEATHS[cause].words if word not in sentence] == []
    assert "None" not in sentence
    assert world.said(launch, "pod failed") == [sentence]
    file = (tmp_path / f"{launch.log_path}.executor.log").read_text().splitlines()
    assert sentence in [json.loads(line)["event"] for line in file if line.startswith("{")]


async def test_row_05_no_two_causes_are_told_alike(tmp_path: Path) -> None:
    sentences = {cause: (await told_of(cause, tmp_path / cause))[0] for cause in DEATHS}

    assert len(set(sentences.values())) == len(DEATHS)
