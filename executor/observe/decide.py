"""What to do about a launch: one pure function over everything that is known.

    decide(facts, pod, present, row, now, policy) -> Decision

Level-triggered: called with the same arguments it answers the same, however they became known. `row` is NOT_READ
until somebody asked the database; a decision that ends a launch never comes out before the row was read after the
pod's end was seen (`ReadRow` asks for that). `now` is monotonic seconds, as are all times in `Facts`.
The order of the checks is the order of the failure table.
"""

from __future__ import annotations

from executor.model import QUEUED, RESTARTING, RUNNING, UP_FOR_RETRY, Kind, Launch, Outcome, Row
from executor.observe.decision import (
    NOT_READ,
    Decision,
    Facts,
    GiveBack,
    Keep,
    NotRead,
    Policy,
    Progress,
    ReadRow,
    Relaunch,
    Report,
    RowSeen,
    Search,
    Settle,
    Switch,
)
from executor.observe.diagnosis import ENDED, Diagnosis, PodClass, diagnose, hostnames
from executor.observe.elsewhere import lost_runner, runner
from executor.observe.ownership import another_job_owns, owns_row, runs_in
from executor.observe.pod_view import PodView
from executor.observe.pull_errors import FINAL_REASONS, will_not_heal


def decide(facts: Facts, pod: PodView | None, present: bool, row: RowSeen, now: float, policy: Policy) -> Decision:
    """Decide about one launch. Pure."""
    found = diagnose(pod, present=present, deleted_by_us=facts.deleted_by_us)
    if not isinstance(row, NotRead):
        settled = _superseded(facts, found, row, policy) or _elsewhere(facts, pod, found, row, policy)
        if settled is not None:
            return settled
    if facts.progress is Progress.REFUSED and not _runs_all_the_same(pod, row):
        return ReadRow() if isinstance(row, NotRead) else Report(Outcome.FAILED, facts.refusal)
    if facts.progress in (Progress.WAITING, Progress.UNSEEN):
        return Keep(fresh=True)
    if facts.launch.kind is Kind.CALLBACK:
        return _callback(facts, found, row)
    if found.cls not in ENDED:
        return _alive(facts, pod, found, row, now, policy)
    if isinstance(row, NotRead):
        return ReadRow()
    return _ended(facts, found, row, policy)


def _superseded(facts: Facts, found: Diagnosis, row: Row | None, policy: Policy) -> Settle | GiveBack | None:
    if _reported_its_disruption(facts, found, row):
        return GiveBack(found.sentence, reported=True)
    if not policy.check_ownership or owns_row(facts.launch, row, policy.job_id):
        return None
    delete = not another_job_owns(facts.launch, row, policy.job_id)
    patient = is_wrapping_up(facts.launch, found, row)
    return Settle(_superseded_sentence(row), delete, clean=_left_nothing(found), patient=patient)


def _reported_its_disruption(facts: Facts, found: Diagnosis, row: Row | None) -> bool:
    """Told to stop, the worker ended the try by itself within its grace period, before the pod's end was seen.

    Airflow's supervisor forwards SIGTERM (`sdk/execution_time/supervisor.py`): a task that fails on it reports
    UP_FOR_RETRY, which gives the row a new id, and the worker exits with 0.
    """
    ended = found.disrupted and found.cls in ENDED and facts.progress is Progress.SEEN and not facts.given_back
    mine = (UP_FOR_RETRY, facts.launch.try_number, facts.launch.named)
    return ended and row is not None and (row.state, row.try_number, row.external_executor_id) == mine


def is_wrapping_up(launch: Launch, found: Diagnosis, row: Row | None) -> bool:
    """The worker runs and its row has a state of the same try: it has just reported, and closes files and logs.

    To be deleted now would reach the task's `on_kill` (Airflow `sdk/execution_time/task_runner.py`), which for a task
    that was deferred stops the very job that its trigger waits for.
    """
    running = found.cls is PodClass.RUNNING and not found.disrupted
    return running and row is not None and (row.ti_id, row.try_number) == (launch.ti_id, launch.try_number)


def _superseded_sentence(row: Row | None) -> str:
    return "its row is gone" if row is None else f"its row moved on (state {row.state}, try {row.try_number})"


def _elsewhere(facts: Facts, pod: PodView | None, found: Diagnosis, row: Row | None, policy: Policy) -> Decision | None:
    """The task runs, or ran, in another pod than the launch's own, which will not come to run it any more."""
    own = hostnames(pod) if pod is not None else frozenset[str]()
    runs = facts.progress is Progress.SEEN and found.cls is PodClass.RUNNING
    if facts.launch.kind is Kind.CALLBACK or not policy.check_ownership or runs:
        return None
    if facts.progress in (Progress.WAITING, Progress.UNSEEN):
        return None
    if row is None or row.state != RUNNING:
        return None
    decision = runner(facts, row, own, policy.confirm_interval)
    if decision is not None or runs_in(row, own):
        return decision
    lost = lost_runner(facts.launch, row)
    return _ended(facts, lost, row, policy) if lost is not None else None


def _runs_all_the_same(pod: PodView | None, row: RowSeen) -> bool:
    """The pod's create was refused in the end, and an earlier request of it had been carried out."""
    return pod is not None and isinstance(row, Row) and row.state == RUNNING


def _left_nothing(found: Diagnosis) -> bool:
    return found.cls in (PodClass.CLEAN, PodClass.VANISHED) or found.cls not in ENDED


def _ended(facts: Facts, found: Diagnosis, row: Row | None, policy: Policy) -> Decision:
    if row is None:
        return Settle("its row is gone", clean=_left_nothing(found))
    if row.state == QUEUED and _worth_another_pod(found, policy):
        return _relaunch(facts, found, policy)
    if row.state == RESTARTING:
        return Report(Outcome.SUCCESS, "The pod of the cleared task has ended.", clean=True)
    if found.cls is PodClass.CLEAN and not facts.reread:
        return ReadRow(after=policy.confirm_interval, again=True)
    sentence = _final_sentence(found, row)
    if row.state == RUNNING and _was_disrupted(found):
        if not facts.given_back:
            return GiveBack(sentence, reported=False)
        sentence = f"{sentence} {facts.given_back}"
    return Report(Outcome.FAILED, sentence)


def _was_disrupted(found: Diagnosis) -> bool:
    """Something outside the task ended its pod, whatever the exit code."""
    return found.disrupted or found.cls in (PodClass.VANISHED, PodClass.DISRUPTED)


def _worth_another_pod(found: Diagnosis, policy: Policy) -> bool:
    if _was_disrupted(found):
        return True
    return found.cls is PodClass.ERROR and found.reason not in policy.excluded_reasons


def _relaunch(facts: Facts, found: Diagnosis, policy: Policy) -> Decision:
    if policy.launch_retries < 0 or facts.relaunches < policy.launch_retries:
        return Relaunch(found.sentence)
    spent = f"{found.sentence} This was pod {facts.relaunches + 1} of this launch and none of them started the task"
    return Report(Outcome.FAILED, f"{spent} (pod_launch_failure_retries = {policy.launch_retries}).")


def _final_sentence(found: Diagnosis, row: Row) -> str:
    if found.cls is PodClass.CLEAN and not found.disrupted:
        return (
            f"{found.sentence[:-1]} without reporting a result: it is not an Airflow worker (check image, command "
            "and entrypoint), or it could not reach the execution API."
        )
    if found.cls is PodClass.VANISHED and row.state == RUNNING:
        return f"{found.sentence} The task was running in it."
    return found.sentence


def _alive(
    facts: Facts, pod: PodView | None, found: Diagnosis, row: RowSeen, now: float, policy: Policy
) -> Keep | ReadRow | Relaunch | Report:
    if found.disrupted:
        return _terminating(facts, found, row, now, policy)
    if found.cls is PodClass.RUNNING or (isinstance(row, Row) and row.state != QUEUED):
        return Keep()  # what was seen of the pod may be old, the row is not
    if facts.workload_lost:
        return _replaced("The Secret with its workload is gone.", row)
    waited = now - facts.class_since
    limit = _limit(found, policy)
    if limit is not None and waited >= limit:
        return ReadRow() if isinstance(row, NotRead) else Report(Outcome.FAILED, _cannot_start(found, waited, facts))
    if found.cls is not PodClass.STARTING and _token_is_old(facts, pod, now, policy):
        return _replaced("The token of the waiting pod was about to expire.", row)
    again_in = None if limit is None else limit - waited
    return Keep(waiting=found, patience=_patience(found, limit), again_in=again_in, fresh=True)


def _replaced(why: str, row: RowSeen) -> ReadRow | Relaunch:
    """Another pod takes the place of one that waits, at nobody's cost; `row` is QUEUED."""
    return ReadRow() if isinstance(row, NotRead) else Relaunch(why, free=True)


def _terminating(
    facts: Facts, found: Diagnosis, row: RowSeen, now: float, policy: Policy
) -> Keep | ReadRow | Relaunch | Report:
    """Being deleted by somebody else: wait for its end, but not for ever."""
    left = policy.terminating_grace - (now - facts.class_since)
    if found.cls is PodClass.RUNNING or left > 0:
        return Keep(again_in=max(left, 1.0), fresh=True)
    if isinstance(row, NotRead):
        return ReadRow()
    if row is not None and row.state == QUEUED:
        decision = _relaunch(facts, found, policy)
        return decision if isinstance(decision, Relaunch | Report) else Keep()
    return Keep(again_in=policy.terminating_grace)


def _limit(found: Diagnosis, policy: Policy) -> float | None:
    """Seconds this kind of waiting may last; None for ever. Only reasons listed as fatal ever end a launch."""
    if found.cls is PodClass.UNSCHEDULABLE:
        return policy.timeout_unschedulable or None
    if found.reason in FINAL_REASONS:
        return 0.0
    if found.cls is PodClass.PULLING and will_not_heal(found.sentence):
        return 0.0
    if found.cls in (PodClass.PULLING, PodClass.STARTING):  # while an image is pulled, its status says "creating"
        return policy.timeout_pulling or None
    if found.cls is PodClass.CONFIG and found.reason in policy.fatal_reasons:
        return policy.timeout_config or None
    return None


def _patience(found: Diagnosis, limit: float | None) -> str:
    """For people who see it wait."""
    if limit is None:
        return "Its task stays queued meanwhile."
    return f"Its task fails if that lasts for {limit:.0f} s ({_OPTIONS.get(found.cls, '')})."


def _cannot_start(found: Diagnosis, waited: float, facts: Facts) -> str:
    because = f" ({facts.warning})" if facts.warning and found.cls is PodClass.STARTING else ""
    gave_up = f" Gave up after {waited:.0f} s." if waited >= 1 else ""
    raise_it = f", or raise {_OPTIONS[found.cls]}" if waited >= 1 and found.cls in _OPTIONS else ""
    advice = _IMAGE_ADVICE if found.reason in FINAL_REASONS else _ADVICE.get(found.cls, "")
    return f"{found.sentence.rstrip('.')}{because}.{gave_up} {advice}{raise_it}".rstrip() + "."


_IMAGE_ADVICE = "Check the image's name and its pull policy"
_ADVICE = {
    PodClass.CONFIG: "Check the Secrets and ConfigMaps its containers name",
    PodClass.STARTING: "Check its volumes and images",
    PodClass.PULLING: "Check the image's name, its tag and imagePullSecrets",
    PodClass.UNSCHEDULABLE: "Check its requests, nodeSelector, affinity and tolerations",
}
_OPTIONS = {
    PodClass.CONFIG: "pending_timeout_config",
    PodClass.STARTING: "pending_timeout_pulling",
    PodClass.PULLING: "pending_timeout_pulling",
    PodClass.UNSCHEDULABLE: "pending_timeout_unschedulable",
}


def _token_is_old(facts: Facts, pod: PodView | None, now: float, policy: Policy) -> bool:
    """At three quarters of its token's life a pod that no node took yet is replaced."""
    unscheduled = pod is not None and not pod.spec.node_name
    return unscheduled and facts.posted_at > 0 and now - facts.posted_at > 0.75 * policy.token_life


def _callback(facts: Facts, found: Diagnosis, row: RowSeen) -> Decision:
    """Callbacks are never rerun: the exit code is the truth."""
    if found.cls is PodClass.RUNNING and not facts.started_reported:
        return Report(Outcome.STARTED, "")
    if found.cls not in ENDED:
        return Keep()
    if isinstance(row, NotRead):
        return ReadRow()
    if found.cls is PodClass.CLEAN:
        return Report(Outcome.SUCCESS, "", clean=True)
    return Report(Outcome.FAILED, found.sentence)


__all__ = [
    "NOT_READ",
    "Decision",
    "Facts",
    "GiveBack",
    "Keep",
    "NotRead",
    "Policy",
    "Progress",
    "ReadRow",
    "Relaunch",
    "Report",
    "RowSeen",
    "Search",
    "Settle",
    "Switch",
    "decide",
    "is_wrapping_up",
]
