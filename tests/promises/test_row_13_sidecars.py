"""An ordinary sidecar (a mesh's proxy, Vault, a log shipper) never ends, and so the pod never does: the task that is
long over keeps its slot until somebody deletes the pod by hand.

We promise: the task is over when `base` is. Within 5 seconds the scheduler knows, the slot is free and the pod is gone;
where pods are kept the sidecar is stopped and the pod stays. Size: three tasks (reported, crashed, out of memory), each
with a sidecar that never ends: on a real API server, and in virtual time, where seconds can be promised.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from executor.model import Outcome
from tests.promises.wire import Driven, Namespace, Rows, terminated
from tests.unit.control.world import Cluster, World

PROMISED = 5.0
PROXY = {"pod_override": {"spec": {"containers": [{"name": "base"}, {"name": "proxy", "image": "proxy"}]}}}
ENDS = {"reported": terminated(0), "crashed": terminated(3), "out of memory": terminated(137, "OOMKilled")}
STAYS = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}


@pytest.mark.parametrize("kept", [False, True], ids=["deleted", "kept"])
def test_row_13_the_task_is_over_when_base_is(
    kept: bool, namespace: Namespace, rows: Rows, start: Callable[..., Driven], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__KUBERNETES_EXECUTOR__DELETE_WORKER_PODS", str(not kept))
    driven = start()
    tis = [rows.add(name.replace(" ", "_"), config=PROXY) for name in ENDS]
    launches = driven.queue(*tis)
    driven.beat_until("three pods", lambda: len(namespace.pods()) == 3)
    for ti, launch in zip(tis, launches, strict=True):
        (pod,) = namespace.pods_of(launch)
        assert [one["name"] for one in pod["spec"]["containers"]] == ["base", "proxy"]
        namespace.running(pod, "proxy")
        ti.state, ti.hostname = "running", pod["metadata"]["name"]

    tis[0].state = "success"
    for launch, end in zip(launches, ENDS.values(), strict=True):
        namespace.write(namespace.pods_of(launch)[0], "Running", {"base": end, "proxy": STAYS})
    driven.beat_until("all slots free", lambda: not driven.slots)
    assert [ti.state for ti in tis] == ["success", "failed", "failed"]
    assert sorted(event.key for event in driven.events) == sorted(launch.key for launch in launches[1:])
    assert {event.outcome for event in driven.events} == {Outcome.FAILED}
    if kept:
        stopped = lambda: [pod["spec"].get("activeDeadlineSeconds") for pod in namespace.pods()]  # noqa: E731
        driven.beat_until("the sidecars told to stop", lambda: stopped() == [1, 1, 1])
    else:
        driven.beat_until("no pod", lambda: not namespace.pods())


async def test_row_13_within_5_s_of_its_end() -> None:
    kube = Cluster(latency=0.05)
    async with World(kube=kube) as world:
        launches = world.queue_all(world.tasks(len(ENDS)))
        await world.passes(3)
        pods = [world.runs(launch) for launch in launches]
        await world.passes(1)
        world.database.tis[launches[0].ti_id].state = "success"
        for pod, (code, reason) in zip(pods, [(0, ""), (3, ""), (137, "OOMKilled")], strict=True):
            pod.base_ended(code, reason)
        await world.passes(PROMISED)

        assert [world.outcomes(launch) for launch in launches] == [[], [Outcome.FAILED], [Outcome.FAILED]]
        assert (world.slots, kube.pods) == (0, {})
