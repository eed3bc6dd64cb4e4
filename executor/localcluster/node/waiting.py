"""Small helpers to wait for the first of several things."""

from __future__ import annotations

import asyncio
from typing import Any


async def first_of(*things: asyncio.Event | asyncio.Future[Any]) -> None:
    """Until one event is set or one future done. Futures are left alone, also when this is cancelled."""
    events = [asyncio.ensure_future(thing.wait()) for thing in things if isinstance(thing, asyncio.Event)]
    futures = [thing for thing in things if not isinstance(thing, asyncio.Event)]
    try:
        await asyncio.wait([*events, *futures], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in events:
            task.cancel()


async def set_within(event: asyncio.Event, seconds: float | None) -> bool:
    """True if the event was set within the time; None waits for ever."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True


async def cancel_all(*tasks: asyncio.Task[Any]) -> None:
    """Cancel and wait for the end; what the tasks raised is dropped, as nobody waits for their results."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
