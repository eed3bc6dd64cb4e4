"""Whatever Kubernetes, its client or the database throws, the scheduler's loop never sees it.

What users suffer: an API error, a connection that breaks, an object that cannot be pickled: the exception leaves the
executor's heartbeat, and the scheduler ends, in a crash loop if the cause stays.
What we promise: nothing leaves a method of the executor; what broke is logged and goes on; and when the trouble is over
no task is stuck, no slot is lost, no pod or Secret is left. Every call may raise any of 40 errors, one in ten does:
200 tasks in virtual time (10,000 with SOAK=1), 40 through a real executor.
"""

from __future__ import annotations

import gc
import os
import random
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from executor.errors import ApiError, Transient
from executor.kube.classify import from_exception
from executor.kube.client import KubeApi
from executor.kube.settings import KubeSettings
from executor.model import Outcome
from tests.fakes.kube import Call, status_error
from tests.promises import hostile
from tests.promises.hostile import BROKEN
from tests.promises.stage import Cluster, Database, Kubelet, Scheduler
from tests.promises.stage_more import Player
from tests.promises.wire import Driven, Namespace

TASKS = 10_000 if os.environ.get("SOAK") else 200
REAL_TASKS = 40
FACTORY = "tests.promises.hostile.make_client"
RATE = 0.1
# Seconds. A pod whose create was not answered, and which the watch shows only after its launch was settled, is
# nobody's: it is collected when it is four leases old (60 s), by the next pass, unless a scheduler adopted it. The
# rest is for a machine that is slow.
COLLECTED = 150

REFUSED = ("Kubernetes refused the pod", "Secret could not be created")  # what only a final answer may lead to
ANSWERS = [
    (400, "BadRequest", "bad"),
    (401, "Unauthorized", "Unauthorized"),
    (403, "Forbidden", "pods is forbidden"),
    (403, "Forbidden", "exceeded quota: pods"),
    (404, "NotFound", "not found"),
    (408, "Timeout", "timeout"),
    (409, "AlreadyExists", "already exists"),
    (409, "Conflict", "the object has been modified"),
    (410, "Expired", "too old resource version"),
    (413, "RequestEntityTooLarge", "too large"),
    (422, "Invalid", "invalid"),
    (429, "TooManyRequests", "slow down"),
    (500, "InternalError", "etcd"),
    (502, "", "a proxy"),
    (503, "ServiceUnavailable", "away"),
    (504, "Timeout", "late"),
]
ERRORS = [*(status_error(*answer) for answer in ANSWERS), *(from_exception(error, "fake") for error in BROKEN)]


class Dice:
    """One call in ten raises something, while `rate` is not 0."""

    def __init__(self, seed: int, errors: list[ApiError]) -> None:
        self._random, self._errors, self.rate = random.Random(seed), errors, RATE
        self.thrown: Counter[str] = Counter()

    def __call__(self, call: Call) -> ApiError | None:
        if self._random.random() >= self.rate:
            return None
        error = self._random.choice(self._errors)
        self.thrown[repr(error)] += 1
        return error


@pytest.mark.parametrize("final", [True, False], ids=["all errors", "none that is final"])
async def test_row_19_any_error_of_any_call_is_got_over(final: bool) -> None:
    """A final answer to a create fails its task, and nothing else fails any."""
    errors = ERRORS if final else [error for error in ERRORS if isinstance(error, Transient)]
    before, after = Dice(19, errors), Dice(91, errors)  # instead of carrying it out, and after it was carried out
    cluster, database = Cluster(fail=before, lose_answer=after, latency=0.02), Database()
    async with Kubelet(cluster, database), Scheduler(cluster, database, launch_retries=-1) as scheduler:
        launches = scheduler.queue_all(scheduler.tasks(TASKS))
        await scheduler.passes(600)
        assert min(len(before.thrown), len(after.thrown)) > 20
        before.rate = after.rate = 0.0
        await scheduler.passes(2400)
        assert {ti.state for ti in database.tis.values()} <= {"success", "failed"}
        assert [one for one in launches if scheduler.settled(one) != 1] == []
        told = {event.key: event.info for event in scheduler.drained_events() if event.outcome is Outcome.FAILED}
        assert {ti.key for ti in database.tis.values() if ti.state == "failed"} == set(told)
        assert [info for info in told.values() if not any(words in info for words in REFUSED)] == []
        assert bool(told) == final
        assert (scheduler.slots, cluster.pods, cluster.secrets) == (0, {}, {})


@pytest.fixture
def hostile_client(namespace: Namespace, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every executor that is made from now on has a client that breaks."""
    monkeypatch.setenv(hostile.KUBECONFIG, str(namespace.cluster.kubeconfig))
    monkeypatch.setenv("AIRFLOW__KUBERNETES_EXECUTOR__ASYNC_CLIENT_FACTORY", FACTORY)
    hostile.RATE[0] = RATE
    yield
    hostile.RATE[0] = 0.0
    with warnings.catch_warnings():
        # The session is the factory's own: aiohttp (`BaseConnector._release`) does not wait for the TLS farewell of a
        # connection that it gives up, and where the loop has ended by then the socket is the garbage collector's.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.unfreeze()
        gc.collect()


@pytest.mark.parametrize("error", BROKEN, ids=lambda error: type(error).__name__)
async def test_row_19_whatever_the_client_raises_is_told_in_our_words(
    error: Exception, namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop's parts handle the tree of `executor.errors` and nothing else: a launch would be lost by the rest."""
    monkeypatch.setenv(hostile.KUBECONFIG, str(namespace.cluster.kubeconfig))
    api = await KubeApi.open(KubeSettings(async_client_factory=FACTORY))
    try:
        hostile.NEXT.append(error)
        with pytest.raises(Transient):
            await api.read_pod(namespace.name, "a")
    finally:
        await api.close()


@pytest.mark.timeout(450)
def test_row_19_a_client_that_breaks_in_any_way_never_reaches_the_scheduler(
    hostile_client: None, start: Callable[..., Driven], namespace: Namespace
) -> None:
    """For six seconds and until it was met with, in requests, answers and bodies.

    An exception that left `heartbeat` would fail the test.
    """
    before = sum(hostile.thrown.values())
    driven = start()
    play = Player(driven, namespace)
    driven.queue(*(driven.rows.add(f"t{number}") for number in range(REAL_TASKS)))
    until = time.monotonic() + 6

    def met() -> bool:
        return sum(hostile.thrown.values()) - before >= 5

    driven.beat_until("six seconds", lambda: play() or (time.monotonic() > until and met()))
    assert met(), "the fault was not there"
    hostile.RATE[0] = 0.0
    driven.beat_until("all tasks", play, timeout=150)

    assert driven.events == []
    assert {ti.state for ti in driven.rows.tis.values()} == {"success"}
    driven.beat_until("nothing left", lambda: not namespace.pods(), COLLECTED)
