"""A registry that is away for a minute fails no task.

What users suffer: the registry answers 503 for a moment, the kubelet says ErrImagePull, and the executor fails the task
at once, because "ErrImagePull" is on its list of fatal reasons.
What we promise: only what no further pull can heal ends a task at once (a name that is none, an image that is not
there, access denied); anything else is waited for, in public, up to `pending_timeout_pulling`. One task each, the
defaults of the settings, in virtual time; what each message means is in `tests/unit/observe`.
"""

from __future__ import annotations

import pytest

from executor.model import Outcome
from executor.settings import Settings
from tests.unit.control.world import World

SETTINGS = Settings()
PULLING = {"fatal_reasons": SETTINGS.fatal_waiting_reasons, "timeout_pulling": SETTINGS.pending_timeout_pulling}
AWAY = 'failed to pull and unpack image "r.io/team/worker:1": unexpected status from HEAD request: 503 Unavailable'
HEALS = [
    AWAY,
    "pull QPS exceeded",
    "failed to do request: dial tcp 10.0.0.9:443: connect: connection refused",
    "toomanyrequests: You have reached your pull rate limit",
    "net/http: TLS handshake timeout",
]
FINAL = [
    ("ErrImagePull", 'failed to resolve reference "r.io/x:1": r.io/x:1: not found'),
    ("ErrImagePull", "pull access denied, repository does not exist or may require authorization"),
    ("InvalidImageName", 'couldn\'t parse image name "R.io/x:1": invalid reference format'),
]


@pytest.mark.parametrize("message", HEALS)
async def test_row_39_a_registry_that_comes_back_after_60_s_costs_nothing(message: str) -> None:
    async with World(**PULLING) as world:
        ti = world.task("a")
        launch = world.queue(ti)
        await world.passes(1)
        for _ in range(6):  # the kubelet alternates between the two
            world.pod_of(launch).waiting("ErrImagePull", message)
            await world.passes(5)
            world.pod_of(launch).waiting("ImagePullBackOff", f'Back-off pulling image "r.io/x:1": {message}')
            await world.passes(5)
        assert (world.outcomes(launch), world.created(launch)) == ([], 1)
        assert message.split(": ")[-1] in world.said(launch, "pod waiting")[0]
        world.runs(launch)
        world.succeeds(launch)
        await world.passes(3)
        assert (ti.state, world.outcomes(launch), world.kube.pods) == ("success", [], {})


@pytest.mark.parametrize(("reason", "message"), FINAL)
async def test_row_39_what_cannot_heal_fails_at_once(reason: str, message: str) -> None:
    async with World(**PULLING) as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        world.pod_of(launch).waiting(reason, message)
        await world.passes(5)
        assert world.outcomes(launch) == [Outcome.FAILED]
        assert message.split(": ")[-1] in world.events(launch)[0].info


async def test_row_39_a_registry_that_stays_away_fails_the_task_in_the_end() -> None:
    async with World(**PULLING) as world:
        launch = world.queue(world.task("a"))
        await world.passes(1)
        world.pod_of(launch).waiting("ImagePullBackOff", AWAY)
        await world.passes(SETTINGS.pending_timeout_pulling - 60)
        assert world.outcomes(launch) == []
        await world.passes(90)
        assert world.outcomes(launch) == [Outcome.FAILED]
        assert "pending_timeout_pulling" in world.events(launch)[0].info
