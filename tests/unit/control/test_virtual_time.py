"""The clock that the other tests here rely on."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from tests.virtual_time import Stuck, VirtualTimeLoop


async def test_an_hour_passes_at_once_and_in_order():
    loop, order, began = asyncio.get_running_loop(), [], time.monotonic()
    start = loop.time()
    loop.call_later(3600, order.append, "late")
    loop.call_later(1, order.append, "early")
    await asyncio.sleep(3601)
    assert order == ["early", "late"]
    assert loop.time() - start == pytest.approx(3601)
    assert time.monotonic() - began < 60


async def test_a_quick_thread_costs_no_virtual_time():
    loop = asyncio.get_running_loop()
    start = loop.time()
    loop.call_later(1000, lambda: None)
    assert await asyncio.to_thread(lambda: 7) == 7
    assert loop.time() - start < 1000


async def test_a_hanging_thread_does_not_stop_the_clock():
    release, start = threading.Event(), asyncio.get_running_loop().time()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.to_thread(release.wait, 10), 5)
    assert asyncio.get_running_loop().time() - start == pytest.approx(5)
    release.set()


def test_a_stuck_loop_says_so():
    loop = VirtualTimeLoop()
    with pytest.raises(Stuck):
        loop.run_until_complete(loop.create_future())
    loop.close()
