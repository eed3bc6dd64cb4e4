"""What the command line says of nodes: their times, and what an images file may hold."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest

from executor.localcluster.node.images import ImageEntry
from executor.localcluster.node.timing import LifecycleTimes, Timings
from executor.localcluster.options import IMAGES_HELP, parse_options


def test_times_go_where_they_belong() -> None:
    options = parse_options(["--time", "first-backoff=0.5", "--time", "silence=1", "--time", "silence=2"])
    assert (options.timings, options.lifecycle) == (Timings(first_backoff=0.5), LifecycleTimes(silence=2))


def test_without_times_there_are_the_defaults() -> None:
    assert (parse_options([]).timings, parse_options([]).lifecycle) == (Timings(), LifecycleTimes())


@pytest.mark.parametrize("text", ["silence", "silence=", "silence=soon", "silence=0", "silence=-1", "patience=1", "=1"])
def test_a_bad_time_is_explained(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_options(["--time", text])
    said = capsys.readouterr().err
    assert f"{text!r} is not NAME=SECONDS" in said
    assert "out-of-service" in said


def test_no_name_means_two_times() -> None:
    fields = [field.name for kind in (Timings, LifecycleTimes) for field in dataclasses.fields(kind)]
    assert len(fields) == len(set(fields))


def test_the_help_names_every_key_of_an_image() -> None:
    keys = {field.encode_name for field in msgspec.structs.fields(ImageEntry)}
    assert {key for key in keys if key not in IMAGES_HELP} == set()
