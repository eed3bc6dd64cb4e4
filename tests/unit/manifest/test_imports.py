"""What importing costs: DAG files and workers import `executor.secret`, the loop imports the manifest package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

LIMITS = [
    ("executor.secret", {"airflow", "kubernetes", "yaml", "aiohttp", "msgspec"}),
    ("executor.manifest", {"airflow", "kubernetes", "aiohttp"}),
]


@pytest.mark.parametrize(("module", "forbidden"), LIMITS)
def test_importing_a_module_does_not_import(module: str, forbidden: set[str]) -> None:
    code = f"import {module}, sys; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True
    )
    assert not forbidden & set(done.stdout.split())
