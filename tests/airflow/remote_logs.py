"""A store for task logs in a folder, as `[logging] logging_config_class` names one; TEST_LOG_STORE says where.

It does what the stores for S3, GCS and WASB do: an upload adds to what is there under the same name and takes the local
folder away; a reader gets all that begins with the name it asks for.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from airflow.config_templates.airflow_local_settings import DEFAULT_LOGGING_CONFIG
from airflow.configuration import conf

LOGGING_CONFIG = DEFAULT_LOGGING_CONFIG


class FolderLogIO:
    """An airflow.logging.remote.RemoteLogIO."""

    processors = ()

    def __init__(self, base: Path, store: Path) -> None:
        self.base, self.store, self.delete_local_copy = base, store, True

    def upload(self, path: os.PathLike[str] | str, ti: object = None) -> None:
        local, remote = self.base / path, self.store / path
        remote.parent.mkdir(parents=True, exist_ok=True)
        with remote.open("a") as file:
            file.write(local.read_text())
        if self.delete_local_copy:
            shutil.rmtree(local.parent)

    def read(self, relative_path: str, ti: object) -> tuple[list[str], list[str] | None]:
        wanted = self.store / relative_path
        found = sorted(wanted.parent.glob(f"{wanted.name}*"))
        return [str(path) for path in found], [path.read_text() for path in found] or None


REMOTE_TASK_LOG = FolderLogIO(Path(conf.get("logging", "base_log_folder")), Path(os.environ["TEST_LOG_STORE"]))
