"""What people read when a task's pod dies or waits, from real pods; the README shows the same sentences.

`python -m tests.cluster.sentences README.md` writes them there.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cluster.cause_driver import Ended, collect
from tests.cluster.cause_stage import NOT_OURS
from tests.cluster.causes import CAUSES, FAILED, NEVER_ENDS, RELAUNCHED, SECTIONS
from tests.cluster.sentences import BEGIN, END, table

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    return collect(tmp_path_factory.mktemp("sentences"))


def test_the_readme_says_what_people_read(ended: Ended) -> None:
    shown = README.read_text().split(BEGIN)[1].split(END)[0].strip().splitlines()

    assert table(ended.told, ended.folder).splitlines() == shown


@pytest.mark.parametrize("name", [name for name, cause in CAUSES.items() if cause.event])
def test_it_is_said_once_and_lies_beside_the_log(ended: Ended, name: str) -> None:
    told, event = ended.told[name], CAUSES[name].event
    lines = [json.loads(line) for line in told.file.splitlines() if line.startswith("{")]

    sentences = told.of(event)
    assert len(sentences) == len(set(sentences)) == 1
    told_beside = sentences[0].partition(" Its try is given back")[0]
    assert [line["event"] for line in lines if line["event"].startswith(told_beside)] != []
    assert all(line["logger"] == "executor.kubernetes" for line in lines)


def test_each_cause_has_its_own_words(ended: Ended) -> None:
    failed = {name: ended.told[name].of(FAILED)[0] for name, cause in CAUSES.items() if cause.event == FAILED}

    kinds = {text.partition(": ")[2] or text for text in failed.values()}

    assert len(kinds) == len(failed)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("exit_code", "no such table: orders"),
        ("out_of_memory", "reading all orders"),
        ("drained", "reading all orders"),
        ("init_fails", "no route to the vault"),
    ],
)
def test_the_end_of_the_log_outlives_the_pod(ended: Ended, name: str, words: str) -> None:
    assert words in ended.told[name].file.splitlines()


def test_a_sidecar_that_never_ends_holds_up_nobody(ended: Ended) -> None:
    (name,) = NEVER_ENDS

    assert (ended.told[name].of(FAILED), ended.told[name].of(RELAUNCHED)) == ([], [])


def test_nothing_is_left_but_what_is_not_ours(ended: Ended) -> None:
    assert (ended.pods, ended.secrets) == ([NOT_OURS], [])


def test_sections_hold_every_cause() -> None:
    assert {name for section in SECTIONS.values() for name in section} | NEVER_ENDS.keys() == CAUSES.keys()
