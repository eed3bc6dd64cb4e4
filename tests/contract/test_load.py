"""Many pods and many watches at once: nothing is lost, and memory does not grow without end.

How fast, with 5,000 pods: ``python -m tests.contract.load``.
"""

from __future__ import annotations

from pathlib import Path

from tests.contract import load
from tests.contract.api import Api
from tests.contract.conftest import in_new_namespace, server

_PODS, _WATCHES, _KIB_PER_CHANGE = 200, 20, 12.0


async def test_every_watch_sees_every_pod_once(api: Api) -> None:
    """The rest is in there: counts that differ between watches, or are too high, fail."""
    found = await load.play(api, _PODS, rate=1e6, watches=_WATCHES, pid=None)
    assert found.pods == _PODS


async def test_what_is_forgotten_takes_no_memory(tmp_path: Path) -> None:
    """The history is bounded: the last rounds of many leave the memory as it was."""
    with server(tmp_path, "--no-nodes", "--history", "700") as running:
        pid = running.process.pid
        async with in_new_namespace(running.kubeconfig) as api:
            for _ in range(2):
                await load.play(api, _PODS, rate=1e6, watches=1, pid=pid)
            before = load.memory(pid)
            for _ in range(2):
                await load.play(api, _PODS, rate=1e6, watches=1, pid=pid)
            grown = load.memory(pid) - before
    assert grown < 2 * 2 * _PODS * _KIB_PER_CHANGE / 1024 / 4, f"{grown:.1f} MiB more after as much work again"
