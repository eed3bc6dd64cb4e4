"""Launches from queue to settled, through everything that can come in between, in any order.

Hypothesis plays users, schedulers, nodes and the network against the real facade, machine, tracker and queue, in
virtual time. After every step nothing may have been done wrong (I3 to I6, I12, I13 of the invariants that the modules
name); at the end the world heals, and every task must come to its end, every slot be free, and nothing be left that no
policy keeps (I2: what was lost on the way changes when, never what).

SOAK=1 plays more and longer.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from executor.control.retention import KeepPolicy
from executor.errors import Unreachable
from executor.identity import DEPLOYMENT_LABEL, LAUNCH_LABEL, labels, pod_name
from executor.model import Kind, Launch
from executor.observe.diagnosis import base_end
from tests.fakes.kube import EPOCH, FakeSecret
from tests.fakes.kube_play import view
from tests.property.lifecycle_kube import CREATE_ANSWERS, Weather
from tests.property.lifecycle_nodes import ACCIDENTS, MOVES, Nodes
from tests.property.lifecycle_rows import FINAL, SCHEDULABLE, WAKEABLE, Table, TaskRow
from tests.property.lifecycle_scheduler import Courtroom, Scheduler
from tests.unit.control.pods import DEPLOYMENT, Cluster, identity_of
from tests.virtual_time import VirtualTimeLoop

SOAK = bool(os.environ.get("SOAK"))
TASKS = 3
SECONDS = st.sampled_from([0.02, 0.3, 1.0, 1.0, 3.0, 12.0, 35.0])
N = st.integers(0, 3)
COMMITS = st.sampled_from([0.0, 0.5, 2.0])
TOUCHED = ("queued", "running", "scheduled", "deferred", "success", "failed")  # states in which users do something
STRANGER = Launch("0f", Kind.TASK, "stranger", "0e", "dag", "t0", "run", 1, -1)
KEEPING = (KeepPolicy(), KeepPolicy(), KeepPolicy(delete_on_failure=False), KeepPolicy(ttl_failed=90.0))

# Never reached: it would strike inside the loop and end a part of it, which looks like a fault of the executor.
pytestmark = pytest.mark.timeout(5400 if SOAK else 600)


class Lifecycle(RuleBasedStateMachine):
    """A table, a cluster, and schedulers that come and go."""

    def __init__(self) -> None:
        super().__init__()
        self.errors = ErrorLog()
        self.loop = VirtualTimeLoop()
        self.court, self.weather = Courtroom(), Weather()
        self.table = Table()
        self.cluster = Cluster(fail=self.weather.fail, lose_answer=self.weather.lose, latency=0.05, stop_after=3.0)
        self.nodes = Nodes(self.cluster, self.table)
        self.schedulers: list[Scheduler] = []
        self.jobs = 0
        self.given_up: set[str] = set()  # launches whose worker the scheduler takes for dead

    # -- time

    def run(self, work: object) -> None:
        self.loop.run_until_complete(work)  # type: ignore[arg-type]

    def do(self, act: Callable[..., None], *args: object) -> None:
        """On the loop."""

        async def done() -> None:
            act(*args)

        self.run(done())

    def passes(self, seconds: float) -> None:
        self.run(asyncio.sleep(seconds))
        self.nodes.tidy()

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: float) -> None:
        self.passes(seconds)

    @rule(seconds=st.integers(1, 4), how=st.sampled_from(MOVES))
    def everything_goes_on(self, seconds: int, how: str) -> None:
        """Each second every pod makes a step; then schedulers queue what is due."""
        for _ in range(seconds):
            for key in self.nodes.living():
                self.do(self.nodes.move, key, how)
            self.passes(1.0)
        if self.awake():
            self.queue_all()

    # -- schedulers

    @initialize(
        keep=st.sampled_from(KEEPING),
        schedulers=st.integers(1, 2),
        retries=st.integers(0, 1),
        queued=st.integers(0, TASKS),
        steps=st.integers(0, 4),
    )
    def begin(self, keep: KeepPolicy, schedulers: int, retries: int, queued: int, steps: int) -> None:
        """Some tasks are queued, and some of their pods have come somewhere."""
        random.seed(0)  # the jitter of back-offs
        self.keep = keep
        for number in range(TASKS):
            self.table.insert(f"t{number}", retries if number else 0)
        self.do(self.strangers_are_there)
        for _ in range(schedulers):
            self.scheduler_comes()
        for row, number in zip(self.table.rows()[:queued], range(TASKS), strict=False):
            self.queue(row, pick(self.alive(), number))
        for _ in range(steps):
            for key in self.nodes.living():
                self.do(self.nodes.move, key, "goes on")
            self.passes(1.0)

    def strangers_are_there(self) -> None:
        """Another Airflow of the same kind in the same namespace, and a pod of a KubernetesPodOperator."""
        identity = replace(identity_of(STRANGER, 1), deployment="d1")
        manifest = {"metadata": {"name": pod_name(identity), "labels": labels(identity), "annotations": {}}}
        self.cluster.add_pod(manifest)
        self.cluster.add_pod({"metadata": {"name": "operator", "labels": {"kubernetes_pod_operator": "True"}}})
        secret = FakeSecret("default", "workloads-of-d1", {DEPLOYMENT_LABEL: "d1"}, {}, EPOCH)
        self.cluster.secrets["default", secret.name] = secret
        self.strangers = dict(self.cluster.pods)

    def alive(self) -> list[Scheduler]:
        return [one for one in self.schedulers if not one.ended]

    def awake(self) -> list[Scheduler]:
        return [one for one in self.alive() if not one.frozen]

    def scheduler_comes(self) -> None:
        self.jobs += 1
        scheduler = Scheduler(self.jobs, self.table, self.cluster, self.court, self.keep)
        self.schedulers.append(scheduler)
        self.run(scheduler.start())

    @precondition(lambda self: len(self.alive()) < 2)
    @rule(commit_takes=COMMITS)
    def a_scheduler_starts(self, commit_takes: float) -> None:
        """The first thing it does is to look for orphans."""
        self.scheduler_comes()
        self.run(self.schedulers[-1].look_for_orphans(self.schedulers, commit_takes))

    @precondition(lambda self: self.alive())
    @rule(n=N, how=st.sampled_from(["SIGTERM", "SIGKILL", "SIGKILL, requests lost"]))
    def a_scheduler_ends(self, n: int, how: str) -> None:
        one = pick(self.alive(), n)
        self.run(one.end() if how == "SIGTERM" else one.kill(carried_out=how == "SIGKILL"))

    @precondition(lambda self: self.awake())
    @rule(n=N, seconds=st.sampled_from([1, 17, 34]), how=st.sampled_from(MOVES))
    def a_scheduler_freezes(self, n: int, seconds: int, how: str) -> None:
        """And the world goes on for a while."""
        pick(self.awake(), n).freeze()
        for _ in range(0, seconds, 4):
            self.everything_goes_on(4, how)

    @precondition(lambda self: self.awake() != self.alive())
    @rule()
    def frozen_schedulers_go_on(self) -> None:
        for one in self.alive():
            one.thaw()

    @precondition(lambda self: self.awake())
    @rule(n=N, commit_takes=COMMITS)
    def looks_for_orphans(self, n: int, commit_takes: float) -> None:
        self.run(pick(self.awake(), n).look_for_orphans(self.schedulers, commit_takes))

    # -- tasks

    def rows(self, *states: str | None) -> list[TaskRow]:
        return [row for row in self.table.rows() if row.state in states and not row.locked]

    def owned_by_the_awake(self, *states: str) -> list[tuple[Scheduler, TaskRow]]:
        return [(one, row) for one in self.awake() for row in self.rows(*states) if row.queued_by_job_id == one.job]

    @precondition(lambda self: self.awake() and self.rows(*SCHEDULABLE))
    @rule(n=N, by=N, name=st.sampled_from(["free", "free", "free", "a stranger's", "of a dead pod of ours"]))
    def is_queued(self, n: int, by: int, name: str) -> None:
        row, scheduler = pick(self.rows(*SCHEDULABLE), n), pick(self.awake(), by)
        self.queue(row, scheduler)
        if name != "free":
            self.do(self.take_its_name, row, name == "a stranger's")

    def queue(self, row: TaskRow, scheduler: Scheduler) -> None:
        if row.state != "scheduled":
            self.table.schedule(row)
        self.do(scheduler.queue, row)

    def queue_all(self) -> None:
        for number, row in enumerate(self.rows(*SCHEDULABLE)):
            self.queue(row, pick(self.awake(), number))

    def take_its_name(self, row: TaskRow, by_a_stranger: bool) -> None:
        launch = row.launch()
        manifest = self.schedulers[0].plan_pods.manifest(launch, 1)
        if by_a_stranger:
            manifest["metadata"] = {"name": manifest["metadata"]["name"], "labels": {"kubernetes_executor": "True"}}
        self.cluster.add_pod(manifest)
        if not by_a_stranger:
            self.cluster.play(manifest["metadata"]["name"]).running().finish(1, "Error")

    @precondition(lambda self: self.rows(*WAKEABLE))
    @rule(n=N)
    def wakes_up(self, n: int) -> None:
        """Its trigger fired, or its poke interval is over; it will be queued in a later loop of the scheduler."""
        self.table.schedule(pick(self.rows(*WAKEABLE), n))

    @precondition(lambda self: self.owned_by_the_awake("queued", "running"))
    @rule(n=N)
    def a_timer_of_the_scheduler_strikes(self, n: int) -> None:
        """Queued for too long: it is taken back. No heartbeat of the worker: it has failed."""
        scheduler, row = pick(self.owned_by_the_awake("queued", "running"), n)
        if row.state == "running":
            self.given_up.add(str(row.external_executor_id))
        self.do(scheduler.requeue if row.state == "queued" else scheduler.give_up, row)

    @precondition(lambda self: self.rows(*TOUCHED))
    @rule(n=N, how=st.sampled_from(["clears", "marks success", "marks failed", "deletes"]))
    def a_user(self, n: int, how: str) -> None:
        row = pick(self.rows(*TOUCHED), n)
        if how == "clears":
            self.table.clear(row)
        elif how == "deletes":
            del self.table.tis[row.ti_id]
        else:
            row.state = how.removeprefix("marks ")

    @precondition(lambda self: self.rows("queued", "running"))
    @rule(n=N)
    def a_row_is_locked_for_a_while(self, n: int) -> None:
        """By the API server, say; what the scheduler does meanwhile skips it."""
        row = pick(self.rows("queued", "running"), n)
        row.locked = True
        self.passes(2.5)
        row.locked = False

    # -- nodes

    @precondition(lambda self: self.nodes.living())
    @rule(n=N, how=st.sampled_from(MOVES))
    def a_pod_goes_on(self, n: int, how: str) -> None:
        self.do(self.nodes.move, pick(self.nodes.living(), n), how)

    @precondition(lambda self: self.nodes.living())
    @rule(n=N, how=st.sampled_from(ACCIDENTS))
    def a_pod_has_an_accident(self, n: int, how: str) -> None:
        self.do(self.nodes.accident, pick(self.nodes.living(), n), how)

    # -- network, API server, database

    @rule(answers=st.lists(st.sampled_from(CREATE_ANSWERS), min_size=1, max_size=3))
    def creates_will_be_answered(self, answers: list[str]) -> None:
        self.weather.creates.extend(answers)

    @rule(times=st.integers(1, 6))
    def other_requests_will_fail(self, times: int) -> None:
        self.weather.others = times

    @precondition(lambda self: self.alive())
    @rule(n=N, how=st.sampled_from(["loses events", "is silent", "breaks", "is too old"]))
    def a_watch(self, n: int, how: str) -> None:
        kube = pick(self.alive(), n).kube
        if how == "loses events":
            kube.swallow += 2
        elif how == "is silent":
            kube.silent_until = self.loop.time() + 20.0
        else:
            if how == "is too old":
                self.cluster.compact()
            self.cluster.break_streams(Unreachable("connection reset"))

    @rule(api=st.sampled_from([0.0, 0.05, 1.0]), queries=st.sampled_from([0.0, 0.4, 1.5]), down=st.booleans())
    def requests_take(self, api: float, queries: float, down: bool) -> None:
        """down: the database does not answer at all."""
        self.cluster.latency, self.table.latency, self.table.down = api, queries, down

    # -- what must hold

    @invariant()
    def i4_i5_i6_i12_i13_nothing_was_done_wrong(self) -> None:
        assert self.court.wrongs == []

    @invariant()
    def i3_one_living_pod_and_one_run_per_launch(self) -> None:
        living: Counter[str] = Counter()
        for key in self.nodes.ours():
            pod = self.cluster.pods[key]
            if not pod["metadata"].get("deletionTimestamp") and not base_end(view(pod)):
                living[pod["metadata"]["labels"][LAUNCH_LABEL]] += pod["status"]["phase"] in ("Pending", "Running")
        assert [one for one, pods in living.items() if pods > 1] == []
        assert [one for one, times in self.nodes.began.items() if times > 1] == []

    @invariant()
    def i12_others_are_untouched(self) -> None:
        for key, pod in self.strangers.items():
            assert self.cluster.pods.get(key) is pod
        assert ("default", "workloads-of-d1") in self.cluster.secrets

    @invariant()
    def no_part_of_a_loop_broke(self) -> None:
        assert [one.broken for one in self.schedulers if one.broken] == []
        assert self.errors.lines == []

    # -- the end

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None and self.schedulers:  # else that is the failure to be told
                self.check_the_end()
        finally:
            self.close()

    def check_the_end(self) -> None:
        self.heal()
        for step in range(600):
            if self.is_quiet():
                break
            self.help_along(step)
            self.everything_goes_on(1, "success")
            self.i4_i5_i6_i12_i13_nothing_was_done_wrong()
            self.i3_one_living_pod_and_one_run_per_launch()
        self.passes(100.0)  # whatever is collected is collected by then
        if self.secrets_left():
            self.passes(300.0)
        for check in (self.i4_i5_i6_i12_i13_nothing_was_done_wrong, self.i12_others_are_untouched):
            check()
        self.no_part_of_a_loop_broke()
        self.everything_is_settled()
        self.i2_what_is_known_is_what_there_is()

    def secrets_left(self) -> list[str]:
        """Workload Secrets, when all tasks are over."""
        mine = [one for one in self.cluster.secrets.values() if one.labels.get(DEPLOYMENT_LABEL) == DEPLOYMENT]
        return [one.name for one in mine]

    def i2_what_is_known_is_what_there_is(self) -> None:
        there = {key: self.cluster.pods[key]["metadata"]["resourceVersion"] for key in self.nodes.ours()}
        for one in self.alive():
            known = {key: pod.metadata.resource_version for key, pod in one.machine.tracker.pods.items()}
            assert known == there

    def heal(self) -> None:
        self.weather.creates.clear()
        self.weather.others = 0
        self.table.down, self.table.latency, self.cluster.latency = False, 0.0, 0.05
        for one in self.alive():
            one.thaw()
            one.kube.swallow, one.kube.silent_until = 0, 0.0
        if not self.alive():
            self.scheduler_comes()
        self.cluster.compact()  # whatever was lost is found by a list

    def help_along(self, step: int) -> None:
        if step % 20 == 0:
            self.looks_for_orphans(0, 0.5)
        for scheduler, row in self.owned_by_the_awake("running", "restarting"):
            if step % 20 == 10 and row.external_executor_id in self.given_up:  # a lock may have hidden it
                self.do(scheduler.give_up, row)

    def is_quiet(self) -> bool:
        return all(one.has_nothing_to_do for one in self.alive()) and self.all_are_final() and not self.left_over()

    def all_are_final(self) -> bool:
        return all(row.state in FINAL for row in self.table.rows())

    def left_over(self) -> list[str]:
        """Our pods that no policy keeps."""
        pods = [view(self.cluster.pods[key]) for key in self.nodes.ours()]
        kept = [pod for pod in pods if pod.status.phase in ("Succeeded", "Failed") and self.keep.keeps(pod)]
        return [pod.metadata.name for pod in pods if pod not in kept]

    def everything_is_settled(self) -> None:
        states = {row.task_id: row.state for row in self.table.rows() if row.state not in FINAL}
        assert states == {}, "tasks that never came to an end"
        assert self.left_over() == [], "pods that nobody deletes"
        assert self.secrets_left() == [], "Secrets that nobody deletes"
        for one in self.alive():
            assert list(one.machine.tracker) == [], "launches that never settle"
            assert (one.facade.running, one.facade.queued_tasks) == (set(), {}), "slots that leak"

    def close(self) -> None:
        for one in self.alive():
            self.run(one.end())
        self.run(self.loop.shutdown_asyncgens())
        self.run(self.loop.shutdown_default_executor())
        self.loop.close()
        self.errors.close()


class ErrorLog(logging.Handler):
    """Defects that the loop catches and logs."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []
        logging.getLogger("executor").addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.lines.append(self.format(record))

    def close(self) -> None:
        logging.getLogger("executor").removeHandler(self)
        super().close()


def pick(some: list, n: int):
    return some[n % len(some)]


Lifecycle.TestCase.settings = settings(
    # Shrinking takes minutes: SOAK=1 does it.
    phases=(Phase.reuse, Phase.generate, Phase.shrink) if SOAK else (Phase.reuse, Phase.generate),
    max_examples=3000 if SOAK else 100,
    stateful_step_count=80 if SOAK else 40,
    deadline=None,
    derandomize=not SOAK,  # another run of the same commit finds the same; soaking looks for more
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestLifecycle = Lifecycle.TestCase
