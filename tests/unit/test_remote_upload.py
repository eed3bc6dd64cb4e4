"""Which remote log stores get what the executor says, and what becomes of the local file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from airflow.logging_config import _ActiveLoggingConfig

from executor.airflow_compat import remote_upload


class Store:
    """What a store's client does: it keeps a copy, and may take the whole local folder away."""

    processors = ()

    def __init__(self, base: Path, delete_local_copy: bool) -> None:
        self.base, self.delete_local_copy = base, delete_local_copy
        self.kept: dict[str, str] = {}

    def upload(self, path: os.PathLike[str] | str, ti: object = None) -> None:
        self.kept[str(path)] = (self.base / path).read_text()
        if self.delete_local_copy:
            shutil.rmtree((self.base / path).parent)

    def read(self, relative_path: str, ti: object) -> tuple[list[str], list[str] | None]:
        return [relative_path], [self.kept[relative_path]]


class CloudWatchRemoteLogIO(Store):
    """Its reader shows what was streamed to it, and nothing else."""


@pytest.fixture(autouse=True)
def configured() -> Iterator[None]:
    """Airflow's own place for what its configuration names, as it was."""
    names = ("logging_config_loaded", "remote_task_log", "default_remote_conn_id")
    before = {name: getattr(_ActiveLoggingConfig, name) for name in names}
    yield
    for name, value in before.items():
        setattr(_ActiveLoggingConfig, name, value)


@pytest.mark.parametrize("deletes", [False, True])
def test_the_file_goes_there_and_nothing_beside_it_goes(tmp_path: Path, deletes: bool) -> None:
    store = Store(tmp_path, deletes)
    _ActiveLoggingConfig.set(store, None)
    for name in ("mine", "others"):
        (tmp_path / "dag").mkdir(exist_ok=True)
        (tmp_path / "dag" / name).write_text(name)

    upload = remote_upload(str(tmp_path))
    assert upload is not None
    upload("dag/mine")

    assert store.kept == {"dag/mine": "mine"}
    assert store.delete_local_copy is deletes
    assert sorted(path.name for path in (tmp_path / "dag").iterdir()) == (["others"] if deletes else ["mine", "others"])


@pytest.mark.parametrize("store", [None, CloudWatchRemoteLogIO(Path(), delete_local_copy=True)])
def test_nothing_goes_where_nobody_would_see_it(store: Store | None, tmp_path: Path) -> None:
    _ActiveLoggingConfig.set(store, None)

    assert remote_upload(str(tmp_path)) is None
