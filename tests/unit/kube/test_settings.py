"""Options that cannot be used are refused by name; those without effect are said."""

from __future__ import annotations

import re

import pytest

from executor.kube.settings import KubeSettings


@pytest.mark.parametrize(
    ("given", "total", "connect", "read"),
    [(30, 30.0, None, None), (0.5, 0.5, None, None), ([5, 60], None, 5.0, 60.0), ((5, 60), None, 5.0, 60.0)],
)
def test_request_timeout(given, total, connect, read):
    timeout = KubeSettings(kube_client_request_args={"_request_timeout": given}).timeout()
    assert (timeout.total, timeout.sock_connect, timeout.sock_read) == (total, connect, read)


@pytest.mark.parametrize("given", ["60", 0, -1, True, [1], [1, 2, 3], [1, "2"], {}])
def test_a_timeout_that_is_none(given):
    with pytest.raises(ValueError, match="_request_timeout must be"):
        KubeSettings(kube_client_request_args={"_request_timeout": given})


def test_delete_options_in_either_spelling():
    settings = KubeSettings(delete_option_kwargs={"grace_period_seconds": 3, "propagationPolicy": "Foreground"})
    assert settings.delete_options() == {"gracePeriodSeconds": 3, "propagationPolicy": "Foreground"}


def test_an_unknown_delete_option_is_named():
    with pytest.raises(ValueError, match=r"delete_option_kwargs: unknown option 'grace'.*grace_period_seconds"):
        KubeSettings(delete_option_kwargs={"grace": 3})


@pytest.mark.parametrize("name", ["kube_client_request_args", "delete_option_kwargs", "api_client_retry_configuration"])
def test_what_is_no_object_is_refused(name):
    with pytest.raises(ValueError, match=re.escape(f"[kubernetes_executor] {name} must be a JSON object")):
        KubeSettings(**{name: "x"})


def test_notes_name_what_has_no_effect():
    assert KubeSettings().notes() == ()
    notes = KubeSettings(
        kube_client_request_args={"pretty": True, "_request_timeout": 3}, api_client_retry_configuration={"total": 3}
    ).notes()
    assert [note.split()[0].rstrip(":") for note in notes] == [
        "kube_client_request_args",
        "api_client_retry_configuration",
    ]
    assert "pretty" in notes[0]
