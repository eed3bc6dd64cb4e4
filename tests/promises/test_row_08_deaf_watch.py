"""The watch dies of a `410 Gone`, or lives on and hears nothing: what happened to pods meanwhile is never learned.

We promise: after every kind of break all that happened meanwhile is delivered, each thing once. Where the server says
that something is wrong, that is as soon as it answers again; where it says nothing at all, one `reconcile_interval`
later (2 s here, 30 s as installed). Size: five tasks for each kind of break, on a real API server.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from executor.demo.cluster import LocalCluster
from executor.demo.processes import wait_until
from executor.model import Outcome
from tests.promises.wire import PATIENCE, Driven, Namespace, Rows

NEVER = 3600  # seconds, until the test resets the switches


def cut_off(cluster: LocalCluster) -> None:
    """Connections are reset, and new watches are refused."""
    cluster.admin("fault", verb="watch", resource="pods", status=503)
    cluster.admin("drop-watches", resource="pods")


def silent(cluster: LocalCluster) -> None:
    """Watches stay open and say nothing."""
    cluster.admin("freeze-watches", seconds=NEVER)


def forgetful(cluster: LocalCluster) -> None:
    """The history between then and now is gone: 410 for whoever wants to go on from there."""
    cluster.admin("compact")
    cluster.admin("reset")


@dataclass(frozen=True)
class Break:
    """begin: the watch hears nothing from now on; end: it may hear again; reconcile: seconds."""

    begin: Callable[[LocalCluster], None]
    end: Callable[[LocalCluster], object]
    reconcile: int = NEVER


BREAKS = {
    "connection reset": Break(cut_off, lambda cluster: cluster.admin("reset")),
    "410 at the start": Break(cut_off, forgetful),
    "410 in the stream": Break(silent, forgetful),
    "silent socket": Break(silent, lambda cluster: None, reconcile=2),
}


@pytest.mark.parametrize("how", BREAKS.values(), ids=BREAKS.keys())
def test_row_08_what_happened_meanwhile_is_delivered_once(
    how: Break, namespace: Namespace, rows: Rows, start: Callable[..., Driven], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__KUBERNETES_POD_EXECUTOR__RECONCILE_INTERVAL", str(how.reconcile))
    driven = start()
    tis = [rows.add(name, retries=1) for name in ("deleted", "crashed", "pending", "succeeded", "lives")]
    launches = driven.queue(*tis)
    deleted, crashed, pending, succeeded, lives = launches
    driven.beat_until("five pods", lambda: len(namespace.pods()) == 5)
    pods = {launch.id: namespace.pods_of(launch)[0] for launch in launches}
    for ti, launch in zip(tis, launches, strict=True):
        if launch is not pending:
            namespace.running(pods[launch.id])
            ti.state, ti.hostname = "running", pods[launch.id]["metadata"]["name"]
    wait_until("the watch to have shown them", lambda: driven.knows_running(4), PATIENCE)

    how.begin(namespace.cluster)
    namespace.delete(pods[deleted.id])
    namespace.ended(pods[crashed.id], 3)
    namespace.delete(pods[pending.id])
    tis[3].state = "success"
    namespace.ended(pods[succeeded.id])
    how.end(namespace.cluster)

    driven.beat_until("another pod for the one that was pending", lambda: namespace.pods_of(pending))
    driven.beat_until("all others settled", lambda: driven.slots == 2)
    driven.beat_until("their pods gone", lambda: len(namespace.pods()) == 2)
    namespace.cluster.admin("reset")
    told = [(event.key, event.outcome) for event in driven.events]
    assert sorted(told) == sorted([(crashed.key, Outcome.FAILED), (deleted.key, Outcome.FAILED)])
    assert [ti.state for ti in tis] == ["up_for_retry", "up_for_retry", "queued", "success", "running"]
    assert [pod["metadata"]["uid"] for pod in namespace.pods_of(lives)] == [pods[lives.id]["metadata"]["uid"]]
