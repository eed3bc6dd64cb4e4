"""A task may wait for capacity, in a Kueue queue of its own, for as long as it takes.

What users suffer: they want "queue until there is room"; a pod that is held back by a scheduling gate looks to the
executor like one that cannot start, is timed out, and the task fails. And a pod has no queue's name unless every task
says it.
What we promise: each Airflow queue can have its own Kueue queue (by its pod template), and a gated pod is waiting, not
"pending too long": no timeout counts, the row is kept fresh, the reason is in public. 20 tasks in two queues, two
hours, in virtual time; the operator's own timeout for unschedulable pods is ten minutes.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

from executor.manifest import ManifestSettings
from executor.model import Launch
from tests.promises.stage_more import FACTS, DefaultsWorld

HOUR = 3600.0
TASKS = 20
TEMPLATE = """
metadata:
  labels:
    kueue.x-k8s.io/queue-name: {queue}
spec:
  schedulingGates:
    - name: kueue.x-k8s.io/admission
  containers:
    - name: base
      image: worker:1
"""


def templates(folder: Path) -> ManifestSettings:
    """A template for each of two queues."""
    for queue in ("cpu", "gpu"):
        (folder / f"{queue}.yaml").write_text(TEMPLATE.format(queue=f"team-{queue}"))
    return ManifestSettings(queue_pod_templates={q: str(folder / f"{q}.yaml") for q in ("cpu", "gpu")})


def submit(world: DefaultsWorld, number: int) -> Launch:
    launch = world.database.queue(world.task(f"t{number}"))
    launch = replace(launch, queue="gpu" if number % 2 else "cpu")
    world.machine.submit([launch])
    return launch


def admit(world: DefaultsWorld, launch: Launch) -> None:
    """Kueue found room: the gate falls."""
    pod = copy.deepcopy(world.shows(launch))
    pod["spec"]["schedulingGates"] = []
    world.kube.store(pod)


async def test_row_42_a_gated_pod_waits_for_two_hours_in_its_queue(tmp_path: Path) -> None:
    settings = templates(tmp_path)
    async with DefaultsWorld(template=settings, timeout_unschedulable=600.0, timeout_pulling=600.0) as world:
        launches = [submit(world, number) for number in range(TASKS)]
        await world.passes(5)
        for number, launch in enumerate(launches):
            labels = world.shows(launch)["metadata"]["labels"]
            assert labels["kueue.x-k8s.io/queue-name"] == f"team-{'gpu' if number % 2 else 'cpu'}"
            world.pod_of(launch).unschedulable("Scheduling is blocked due to non-empty scheduling gates")
        rows = [world.database.tis[launch.ti_id] for launch in launches]
        for _ in range(int(2 * HOUR / 300)):
            kept_fresh = [ti.freshened for ti in rows]
            await world.passes(300)
            assert FACTS.task_queued_timeout > 300
            assert all(ti.freshened > before for ti, before in zip(rows, kept_fresh, strict=True))
        assert world.drained_events() == []
        assert "waits behind scheduling gate kueue.x-k8s.io/admission" in world.said(launches[0], "pod waiting")[0]

        for launch in launches:
            admit(world, launch)
            world.runs(launch)
            world.succeeds(launch)
        await world.passes(5)
        assert {ti.state for ti in rows} == {"success"}
        assert [world.created(launch) for launch in launches] == [1] * TASKS
        assert (world.drained_events(), world.kube.pods, world.slots) == ([], {}, 0)
