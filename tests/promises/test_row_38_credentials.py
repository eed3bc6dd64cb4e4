"""Credentials that are replaced while tasks run fail none of them.

What users suffer: the token of the scheduler's service account is short-lived, or an exec plugin makes it; it expires,
every call is a 401, and tasks fail until somebody restarts the scheduler.
What we promise: a 401 makes the executor read its credentials anew, and whatever was asked is asked again; while there
are none that are good, tasks wait. A real API whose tokens are signed and bound to a service account, two rotations in
a stream of 60 tasks; after the second the new token comes two seconds late.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.promises.stage_more import Player
from tests.promises.wire import Driven, Namespace

ACCOUNT = "scheduler"
TASKS = 20  # in each of the three parts


class Rotating:
    """A kubeconfig whose token is in a file beside it, and belongs to a service account of this namespace."""

    def __init__(self, namespace: Namespace, folder: Path) -> None:
        self._core, self._namespace = namespace.cluster.core, namespace.name
        self._token, self.kubeconfig = folder / "token", folder / "kubeconfig"
        document = yaml.safe_load(namespace.cluster.kubeconfig.read_text())
        document["users"][0]["user"] = {"tokenFile": str(self._token)}
        self.kubeconfig.write_text(yaml.safe_dump(document))

    def revoke(self) -> None:
        """The old token is good no longer."""
        self._core.delete_namespaced_service_account(ACCOUNT, self._namespace)

    def issue(self) -> None:
        """Write a new token, of a new account."""
        self._core.create_namespaced_service_account(self._namespace, {"metadata": {"name": ACCOUNT}})
        made = self._core.create_namespaced_service_account_token(
            ACCOUNT, self._namespace, {"spec": {"expirationSeconds": 3600, "audiences": []}}
        )
        self._token.write_text(f"{made.status.token}\n")


@pytest.fixture
def rotating(namespace: Namespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rotating:
    made = Rotating(namespace, tmp_path)
    made.issue()
    monkeypatch.setenv("AIRFLOW__KUBERNETES_EXECUTOR__CONFIG_FILE", str(made.kubeconfig))
    return made


def test_row_38_two_rotations_fail_no_task(
    rotating: Rotating, start: Callable[..., Driven], namespace: Namespace, caplog: pytest.LogCaptureFixture
) -> None:
    driven = start()
    play = Player(driven, namespace)

    def more(part: str) -> None:
        driven.queue(*(driven.rows.add(f"{part}{number}") for number in range(TASKS)))

    more("before")
    driven.beat_until("the first pods", lambda: len(namespace.pods()) == TASKS)
    rotating.revoke()
    rotating.issue()
    more("between")
    driven.beat_until("everything so far", play)
    driven.beat_until("its pods deleted", lambda: not namespace.pods())

    rotating.revoke()
    more("after")
    late = time.monotonic() + 2
    driven.beat_until("two seconds without a good token", lambda: time.monotonic() > late)
    assert namespace.pods() == []
    rotating.issue()
    driven.beat_until("all tasks", play)

    assert driven.events == []
    assert {ti.state for ti in driven.rows.tis.values()} == {"success"}
    assert [ti.try_number for ti in driven.rows.tis.values()] == [1] * 3 * TASKS
    driven.beat_until("nothing left", lambda: not namespace.pods() and not namespace.secrets())
    _says_no_token(caplog)


def _says_no_token(caplog: pytest.LogCaptureFixture) -> None:
    text = "\n".join(record.getMessage() for record in caplog.records)
    assert "read anew after a 401" in text
    assert "eyJ" not in text
