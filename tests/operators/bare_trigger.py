"""A trigger that does nothing: what others are measured against."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TaskSuccessEvent, TriggerEvent


class BareTrigger(BaseTrigger):
    """Waits for an hour."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return "tests.operators.bare_trigger.BareTrigger", {}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        await asyncio.sleep(3600)
        yield TaskSuccessEvent()
