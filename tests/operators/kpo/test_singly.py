"""Every row with a task of its own, with each operator and executor: under SOAK=1 only."""

from __future__ import annotations

import os

import pytest

from tests.operators.kpo.play import play
from tests.operators.kpo.row import Seen
from tests.operators.kpo.table import ROWS
from tests.operators.kpo.ways import WAYS, Way

pytestmark = [
    pytest.mark.skipif(not os.environ.get("SOAK"), reason="80 tasks three times: SOAK=1"),
    pytest.mark.timeout(1800),
]


@pytest.fixture(scope="module", params=WAYS, ids=[way.name for way in WAYS])
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Way, dict[str, Seen]]:
    way: Way = request.param
    return way, play(tmp_path_factory.mktemp("singly"), way.singly, way.operator, way.executor)


def test_every_row_by_itself(played: tuple[Way, dict[str, Seen]], subtests: pytest.Subtests) -> None:
    way, seen = played
    for task, (name,) in way.singly.items():
        with subtests.test(row=name):
            assert seen[task].state == ROWS[name].ends, seen[task].log
            ROWS[name].check(seen[task])
