"""Every pod that is posted has its line in the scheduler's log, however many are posted at once."""

from __future__ import annotations

import logging

import pytest

from tests.unit.control.world import World


@pytest.mark.parametrize(("tasks", "records"), [(1, 1), (300, 1)])
async def test_each_pod_has_its_line_and_a_burst_is_one_record(
    tasks: int, records: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="executor.control.launch_log")
    async with World() as world:
        launches = world.queue_all(world.tasks(tasks))
        await world.passes(2)
        written = [one.getMessage() for one in caplog.records if one.name == "executor.control.launch_log"]
        lines = [line for text in written for line in text.splitlines()]
        for launch in launches:
            name = world.pod_of(launch).key[1]
            assert f"{launch}: posted pod default/{name} (attempt 1)" in lines
        assert len(written) == records


async def test_what_is_not_written_yet_is_written_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="executor.control.launch_log")
    async with World() as world:
        world.queue_all(world.tasks(1))
        await world.passes(0.1)
        assert "posted pod" not in caplog.text
    assert caplog.text.count("posted pod") == 1
