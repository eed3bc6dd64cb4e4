"""Files on disk: volumes that change as a whole, logs that do not grow for ever."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.localcluster.node.cri_log import RotatingLog
from executor.localcluster.node.enter import publish, withdraw
from executor.localcluster.node.leftovers import clear_runtime_files
from executor.localcluster.node.volume_files import VolumeFile
from executor.localcluster.node.volumes import update_files

NAMES = st.sampled_from(["a", "b", "dir/a", "dir/b", "deep/er/c"])
CONTENTS = st.dictionaries(NAMES, st.binary(max_size=4), max_size=4)


def files(contents: dict[str, bytes]) -> dict[str, VolumeFile]:
    return {name: VolumeFile(data, 0o640) for name, data in contents.items()}


def held(folder: Path) -> dict[str, bytes]:
    """What a program finds in the volume, hidden names aside."""
    shown = [name for name in os.listdir(folder) if not name.startswith("..")]
    paths = [path for name in shown for path in [folder / name, *(folder / name).rglob("*")] if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@given(rounds=st.lists(CONTENTS, min_size=1, max_size=4))
def test_a_volume_holds_what_was_last_written(
    tmp_path_factory: pytest.TempPathFactory, rounds: list[dict[str, bytes]]
) -> None:
    folder = tmp_path_factory.mktemp("volume")
    for contents in rounds:
        update_files(folder, files(contents))
        assert held(folder) == contents
    hidden = [name for name in os.listdir(folder) if name.startswith("..")]
    assert len(hidden) == 2, "the link and the folder it names"


def test_what_is_the_same_is_not_written_again(tmp_path: Path) -> None:
    assert update_files(tmp_path, files({"a": b"1"}))
    before = (tmp_path / "..data").resolve()
    assert not update_files(tmp_path, files({"a": b"1"}))
    assert (tmp_path / "..data").resolve() == before
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_a_full_log_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "c" / "0.log"
    log = RotatingLog(path, limit=10)
    for number in range(7):
        log.write(b"line%d\n" % number)
    log.close()
    assert path.read_bytes() == b"line6\n"
    assert Path(f"{path}.1").read_bytes() == b"line4\nline5\n"
    assert len(list(path.parent.iterdir())) == 2


def test_what_an_earlier_life_left_behind(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "0.log").touch()
    publish(tmp_path / "base", 1, {"TOKEN": "secret"}, "/")
    (tmp_path / ".layers" / "base-0").mkdir(parents=True)
    (tmp_path / ".volumes" / "v").mkdir(parents=True)
    assert (tmp_path / "base" / "exec.json").stat().st_mode & 0o077 == 0
    clear_runtime_files(tmp_path)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == [
        ".volumes",
        ".volumes/v",
        "base",
        "base/0.log",
    ]
    withdraw(tmp_path / "base")
