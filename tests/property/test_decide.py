"""What holds for `decide` whatever is put together: any pod, any row, any facts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace as replace_struct

from executor.identity import LAUNCH_LABEL
from executor.model import LIVE_STATES, RUNNING, Kind, Launch, Outcome, Row
from executor.observe.decide import (
    NOT_READ,
    Decision,
    Facts,
    GiveBack,
    Keep,
    Policy,
    Progress,
    ReadRow,
    Relaunch,
    Report,
    RowSeen,
    Search,
    Settle,
    Switch,
    decide,
)
from executor.observe.diagnosis import ENDED, PodClass, diagnose
from executor.observe.ownership import owns_row
from executor.observe.pod_view import PodView

JOB = 7
MANY = settings(max_examples=400, deadline=None)

REASONS = st.sampled_from(["", "Error", "Completed", "OOMKilled", "StartError", "Evicted", "ContainerStatusUnknown"])
PULLS = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName")
WAITS = st.sampled_from(("", "ContainerCreating", "PodInitializing", "CreateContainerConfigError", "Crash", *PULLS))
TEXTS = st.sampled_from(["", "not found", "503 Service Unavailable", "because\nof\nthis", "группа"])
TIMES = st.sampled_from([None, "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"])


def _some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


TERMINATED = _some(
    exitCode=st.sampled_from([0, 1, 3, 137, 139, 143, 255, 300]),
    signal=st.sampled_from([0, 9, 99]),
    reason=REASONS,
    message=TEXTS,
    startedAt=TIMES,
    finishedAt=TIMES,
)
STATE = st.one_of(
    st.just({}),
    st.just({"running": {}}),
    WAITS.flatmap(lambda reason: TEXTS.map(lambda text: {"waiting": {"reason": reason, "message": text}})),
    TERMINATED.map(lambda end: {"terminated": end}),
)
CONTAINER = st.fixed_dictionaries({"name": st.sampled_from(["base", "proxy"]), "state": STATE})
CONDITION = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["DisruptionTarget", "PodScheduled", "Ready"]),
        "status": st.sampled_from(["True", "False"]),
        "reason": REASONS,
        "message": TEXTS,
    }
)
PODS = st.fixed_dictionaries(
    {
        "metadata": _some(
            name=st.just("pod-1"), namespace=st.just("ns"), deletionTimestamp=st.just("2026-01-01T00:00:00Z")
        ),
        "spec": _some(
            nodeName=st.sampled_from(["", "node-1"]),
            schedulingGates=st.lists(st.just({"name": "gate"}), max_size=1),
            containers=st.just([{"name": "base", "resources": {"limits": {"memory": 1024}}}]),
        ),
        "status": _some(
            phase=st.sampled_from(["Pending", "Running", "Succeeded", "Failed", "Unknown"]),
            reason=REASONS,
            message=TEXTS,
            conditions=st.lists(CONDITION, max_size=2),
            containerStatuses=st.lists(CONTAINER, max_size=2),
            initContainerStatuses=st.lists(CONTAINER, max_size=1),
        ),
    }
).map(lambda raw: msgspec.convert(raw, PodView))
OTHER_UID = "u2"


def _other(pod: PodView, launch: str) -> PodView:
    """Another pod of the same task instance."""
    labels = {LAUNCH_LABEL: launch}
    return replace_struct(pod, metadata=replace_struct(pod.metadata, name="pod-2", uid=OTHER_UID, labels=labels))


OTHERS = st.builds(_other, PODS, st.sampled_from(["launch-1", "launch-0"]))
RUNNER = "dag-task-0123456789abcdef"  # as a pod of this task is called
LAUNCHES = st.sampled_from([Kind.TASK, Kind.CALLBACK]).map(
    lambda kind: Launch("launch-1", kind, "key", "ti-1", "dag", "task", "run", 2, -1)
)
FACTS = st.builds(
    Facts,
    launch=LAUNCHES,
    progress=st.sampled_from(Progress),
    refusal=TEXTS,
    relaunches=st.integers(0, 5),
    deleted_by_us=st.booleans(),
    others=st.lists(OTHERS, max_size=1).map(tuple),
    searched=st.sampled_from(["", "pod-1", "pod-2", RUNNER]),
    class_since=st.sampled_from([0.0, 50.0, 100.0]),
    posted_at=st.sampled_from([0.0, 50.0]),
    reread=st.booleans(),
    started_reported=st.booleans(),
)
STATES = st.sampled_from(
    [None, "scheduled", "queued", "running", "restarting", "success", "failed", "up_for_retry", "deferred"]
)
ROWS = st.builds(
    Row,
    ti_id=st.sampled_from(["ti-1", "ti-1", "ti-2"]),
    state=STATES,
    try_number=st.sampled_from([2, 2, 3]),
    external_executor_id=st.sampled_from(["launch-1", "launch-1", "launch-2", None]),
    queued_by_job_id=st.sampled_from([JOB, JOB, 8, None]),
    hostname=st.sampled_from(["", "pod-1", "pod-2", "node-1", RUNNER]),
)
SEEN = st.one_of(st.just(NOT_READ), st.none(), ROWS)
POLICIES = st.builds(
    Policy,
    job_id=st.just(JOB),
    launch_retries=st.sampled_from([-1, 0, 3]),
    fatal_reasons=st.sampled_from([frozenset(), frozenset({"CreateContainerConfigError", "ErrImagePull"})]),
    timeout_unschedulable=st.sampled_from([0.0, 60.0]),
    timeout_pulling=st.sampled_from([0.0, 60.0]),
    timeout_config=st.sampled_from([0.0, 60.0]),
    token_life=st.sampled_from([10.0, 86_400.0]),
)
ARGUMENTS = st.tuples(
    FACTS, st.one_of(st.none(), PODS), st.booleans(), SEEN, st.sampled_from([100.0, 105.0, 1000.0]), POLICIES
)
Arguments = tuple[Facts, PodView | None, bool, RowSeen, float, Policy]


def _owned(arguments: Arguments) -> bool:
    facts, _, _, row, _, policy = arguments
    return isinstance(row, Row) and owns_row(facts.launch, row, policy.job_id)


@MANY
@given(ARGUMENTS)
def test_it_answers_always_and_the_same(arguments: Arguments):
    decision = decide(*arguments)
    assert isinstance(decision, Keep | ReadRow | Settle | Relaunch | Search | Switch | GiveBack | Report)
    assert decide(*arguments) == decision


@MANY
@given(ARGUMENTS)
def test_an_end_is_never_reported_without_a_row_that_is_this_launchs(arguments: Arguments):
    decision = decide(*arguments)
    if isinstance(decision, Report) and decision.outcome is not Outcome.STARTED:
        assert _owned(arguments)


@MANY
@given(ARGUMENTS)
def test_a_task_is_never_reported_started(arguments: Arguments):
    decision = decide(*arguments)
    if arguments[0].launch.kind is Kind.TASK:
        assert not (isinstance(decision, Report) and decision.outcome is Outcome.STARTED)


def _lets_go(decision: Decision, facts: Facts, row: object) -> bool:
    """No event; and at most a try is given back that this very launch's worker ended, in this very try."""
    if isinstance(decision, GiveBack):
        mine = isinstance(row, Row) and (row.try_number, row.external_executor_id) == (
            facts.launch.try_number,
            facts.launch.id,
        )
        return mine and row.state == "up_for_retry" and decision.reported and not facts.given_back
    return isinstance(decision, Settle)


@MANY
@given(ARGUMENTS)
def test_a_row_that_is_not_this_launchs_settles_it(arguments: Arguments):
    facts, _, _, row, _, policy = arguments
    if row is not NOT_READ and not _owned(arguments):
        decision = decide(*arguments)
        assert _lets_go(decision, facts, row)
        if isinstance(row, Row) and row.external_executor_id == facts.launch.id and row.state in LIVE_STATES:
            assert decision.delete == (row.queued_by_job_id in (None, policy.job_id))


@MANY
@given(ARGUMENTS, FACTS, st.one_of(st.none(), PODS), st.booleans())
def test_once_superseded_always_settled(arguments: Arguments, later: Facts, pod: PodView | None, present: bool):
    """Whatever is seen of the pod afterwards, the same row settles the same launch."""
    facts, _, _, row, now, policy = arguments
    if isinstance(row, Row) and not _owned(arguments):
        later = replace(later, launch=facts.launch)
        assert _lets_go(decide(later, pod, present, row, now, policy), later, row)


@MANY
@given(ARGUMENTS)
def test_another_pod_only_for_a_task_that_has_not_started(arguments: Arguments):
    facts, pod, present, row, _, policy = arguments
    decision = decide(*arguments)
    if isinstance(decision, Relaunch):
        assert facts.launch.kind is Kind.TASK
        assert facts.progress is Progress.SEEN
        assert isinstance(row, Row), "nothing else tells that its task has not started"
        assert row.state != RUNNING
        if not decision.free:
            assert policy.launch_retries < 0 or facts.relaunches < policy.launch_retries
        assert present or diagnose(pod, present=present, deleted_by_us=facts.deleted_by_us).cls in ENDED


@MANY
@given(ARGUMENTS)
def test_an_ended_launch_asks_for_its_row(arguments: Arguments):
    facts, pod, present, row, _, _ = arguments
    ended = diagnose(pod, present=present, deleted_by_us=facts.deleted_by_us).cls in ENDED
    if row is NOT_READ and facts.progress is Progress.SEEN and ended:
        assert decide(*arguments) == ReadRow()


@MANY
@given(ARGUMENTS)
def test_an_ended_launch_is_never_simply_kept(arguments: Arguments):
    """Else its slot would be taken for ever."""
    facts, pod, present, _, _, _ = arguments
    ended = diagnose(pod, present=present, deleted_by_us=facts.deleted_by_us).cls in ENDED
    if facts.progress is Progress.SEEN and ended:
        decision = decide(*arguments)
        assert not isinstance(decision, Keep) or decision.again_in


@MANY
@given(ARGUMENTS, OTHERS)
def test_a_task_that_runs_in_another_pod_is_neither_failed_nor_launched_again(arguments: Arguments, other: PodView):
    """That pod tells what becomes of it, however the launch's own fares; while that one runs it has the word."""
    facts, pod, present, _, now, policy = arguments
    facts = replace(facts, launch=replace(facts.launch, kind=Kind.TASK), others=(other,))
    row = Row("ti-1", RUNNING, 2, "launch-1", JOB, "pod-2")
    decision = decide(facts, pod, present, row, now, policy)
    assert isinstance(decision, Keep | Switch)
    runs = diagnose(pod, present=present, deleted_by_us=facts.deleted_by_us).cls is PodClass.RUNNING
    if facts.progress is Progress.REFUSED or (facts.progress is Progress.SEEN and not runs):
        assert decision == Switch(OTHER_UID)
    else:
        assert isinstance(decision, Keep), "its own worker is turned away, or its pod not known yet"


@MANY
@given(ARGUMENTS)
def test_a_task_that_runs_in_its_own_pod_is_never_failed(arguments: Arguments):
    """Even where a create of that pod was refused in the end, or what was seen of it is old."""
    facts, pod, present, _, now, policy = arguments
    facts = replace(facts, launch=replace(facts.launch, kind=Kind.TASK), others=())
    row = Row("ti-1", RUNNING, 2, "launch-1", JOB, "pod-1")
    living = pod is not None and pod.metadata.name == "pod-1" and present
    if living and diagnose(pod, present=True, deleted_by_us=False).cls not in ENDED:
        assert isinstance(decide(facts, pod, present, row, now, policy), Keep)


@MANY
@given(ARGUMENTS)
def test_waiting_that_has_a_limit_is_looked_at_again_in_time(arguments: Arguments):
    decision: Decision = decide(*arguments)
    if isinstance(decision, Keep) and decision.again_in is not None:
        assert 0 < decision.again_in <= 60
