"""Live logs for the UI: newest pod first, one line when there is none, and nothing left behind."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from executor.kube.logs import LiveLog, read_live_log
from executor.kube.settings import KubeSettings
from executor.observe.pod_view import PodView
from tests.unit.kube.conftest import Server, pod_body, status_body

SELECTOR = "ti_id=t1"


class Cluster:
    """Pods by namespace and logs by pod name, as a server would answer."""

    def __init__(self, server: Server) -> None:
        self.pods: dict[str, list[tuple[str, str]]] = {}
        self.logs: dict[str, str] = {}
        self.forbidden: set[str] = set()
        server.answer = self.answer

    async def answer(self, request: web.Request) -> web.Response:
        parts = request.path.split("/")
        namespace = parts[4]
        if namespace in self.forbidden:
            return web.json_response(status_body(403, "Forbidden", f"cannot list in {namespace}"), status=403)
        if parts[-1] == "log":
            return self.log(parts[-2])
        items = []
        for name, created in self.pods.get(namespace, []):
            pod = pod_body(name)
            pod["metadata"].update(namespace=namespace, creationTimestamp=created)
            items.append(pod)
        return web.json_response({"metadata": {"resourceVersion": "1"}, "items": items})

    def log(self, name: str) -> web.Response:
        if name in self.logs:
            return web.Response(text=self.logs[name])
        waiting = f'container "base" in pod "{name}" is waiting to start: ContainerCreating'
        return web.json_response(status_body(400, "BadRequest", waiting), status=400)


def newest_first(pods: Sequence[PodView]) -> Sequence[PodView]:
    return sorted(pods, key=lambda pod: str(pod.metadata.creation_timestamp), reverse=True)


@pytest.fixture
def cluster(server: Server) -> Cluster:
    return Cluster(server)


@pytest.fixture
def read(kubeconfig) -> Any:
    settings = KubeSettings(in_cluster=False, config_file=str(kubeconfig))

    async def read_(*namespaces: str, **kwargs: Any) -> LiveLog | str:
        found = await asyncio.to_thread(read_live_log, settings, namespaces, SELECTOR, newest_first, **kwargs)
        return replace(found, lines=tuple(found.lines)) if isinstance(found, LiveLog) else found

    return read_


async def test_the_first_of_all_namespaces(server, cluster, read):
    cluster.pods = {
        "n1": [("old", "2026-01-01T00:00:00Z")],
        "n2": [("new", "2026-01-01T00:00:09Z"), ("older", "2026-01-01T00:00:05Z")],
    }
    cluster.logs = {"old": "no", "new": "one\nдва\n", "older": "no"}
    assert await read("n1", "n2", tail_lines=50) == LiveLog("new", "n2", ("one", "два"))
    assert server.seen[-1].query == {"container": "base", "tailLines": "50"}
    assert {seen.query["labelSelector"] for seen in server.seen[:-1]} == {SELECTOR}


async def test_an_older_attempt_speaks_while_the_newest_has_nothing(cluster, read):
    cluster.pods = {"n": [("a1", "2026-01-01T00:00:00Z"), ("a2", "2026-01-01T00:00:09Z")]}
    cluster.logs = {"a1": "first attempt"}
    assert await read("n") == LiveLog("a1", "n", ("first attempt",))


async def test_a_pod_that_has_not_started_is_said(cluster, read):
    cluster.pods = {"n": [("a", "2026-01-01T00:00:00Z")]}
    message = await read("n")
    assert "Pod a in namespace n" in message
    assert "ContainerCreating" in message


async def test_a_log_without_end_is_cut_and_says_how_to_see_the_rest(cluster, read):
    cluster.pods = {"n": [("a", "2026-01-01T00:00:00Z")]}
    cluster.logs = {"a": "0123456789abcde\n" * (33 << 16)}
    found = await read("n")
    assert len(found.lines) == (32 << 16) + 1
    assert found.lines[-1] == "The log goes on; these are its first 32 MiB. All of it: kubectl logs -n n a -c base"


async def test_no_pod(cluster, read):
    assert await read("n") == "No pod of this launch exists (any more)"


async def test_one_forbidden_namespace_does_not_hide_the_other(cluster, read):
    cluster.forbidden = {"bad"}
    cluster.pods = {"good": [("p", "2026-01-01T00:00:00Z")]}
    cluster.logs = {"p": "x"}
    assert await read("bad", "good") == LiveLog("p", "good", ("x",))
    assert "cannot list in bad" in await read("bad")


async def test_a_server_that_hangs_costs_the_limit_and_no_more(server, read):
    async def hang(request: web.Request) -> web.Response:
        await asyncio.sleep(30)
        raise AssertionError

    server.answer = hang
    started = time.monotonic()
    assert await read("n", timeout=0.1) == "The log could not be read from Kubernetes within 0.1 s"
    assert time.monotonic() - started < 2


def test_no_credentials_is_one_line():
    message = read_live_log(KubeSettings(in_cluster=False, config_file="/no/such"), ["n"], SELECTOR, newest_first)
    assert isinstance(message, str)
    assert "\n" not in message
    assert "/no/such" in message


async def test_within_a_running_loop_and_nothing_is_left(server, cluster, kubeconfig):
    before = set(threading.enumerate())
    settings = KubeSettings(client_factory="tests.unit.kube.factories.nobody_listens")
    message = read_live_log(settings, ["n"], SELECTOR, newest_first, timeout=1.0)
    assert "127.0.0.1:1" in message
    assert set(threading.enumerate()) <= before
