"""A cluster with images for container tasks, and the fixtures of `tests/airflow`; see `tests/airflow/harness.py`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from executor.demo.cluster import LocalCluster
from tests.airflow.conftest import database, deployment, postgres
from tests.property.patient_hypothesis import load

__all__ = ["database", "deployment", "postgres"]

load()

RETURN_FILE = "/airflow/xcom/return.json"
SYSTEM = ("/usr/lib", "/lib", "/lib64")


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """One local cluster for the session; any image that `write_images` does not name is this machine itself."""
    folder = tmp_path_factory.mktemp("pods")
    with LocalCluster(folder, "--images", str(write_images(folder))) as running:
        yield running


def write_images(folder: Path) -> Path:
    """missing/image:1 is in no registry; entry/point:1 has a program of its own; shell/less:1 has Python and no sh."""
    programs = folder / "shell_less" / "opt" / "bin"
    programs.mkdir(parents=True)
    shutil.copy(Path("/usr/bin/python3").resolve(), programs / "python3")
    entries = {
        "missing/image:1": {"missing": True},
        "entry/point:1": {"entrypoint": ["/bin/sh", "-c", f'echo \'{{"from": "entry point"}}\' > {RETURN_FILE}']},
        "shell/less:1": {"root": str(folder / "shell_less"), "mounts": {path: path for path in SYSTEM}},
    }
    images = folder / "images.yaml"
    images.write_text(yaml.safe_dump(entries))
    return images
