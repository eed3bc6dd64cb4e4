"""The local cluster as a process: it starts, says what it is, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

_COMMAND = [sys.executable, "-m", "executor.localcluster", "--no-nodes"]


def _wait_until(condition: object, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_what_it_is_and_ends_on_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    path = tmp_path / "kubeconfig"
    with subprocess.Popen([*_COMMAND, "--kubeconfig", str(path)], stderr=subprocess.PIPE, text=True) as server:
        _wait_until(path.exists)
        server.send_signal(number)
        _, text = server.communicate(timeout=10)
    assert server.returncode == 0
    assert "never for production" in text
    assert "Traceback" not in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    script = (
        f"import subprocess,time\np=subprocess.Popen({[*_COMMAND, '--with-parent', '--kubeconfig', str(path)]!r})\n"
    )
    script += "print(p.pid, flush=True)\ntime.sleep(60)\n"
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as parent:
        assert parent.stdout is not None
        server = int(parent.stdout.readline())
        _wait_until(path.exists)
        parent.kill()

    def gone() -> bool:
        try:
            os.kill(server, 0)
        except ProcessLookupError:
            return True
        return "(zombie)" in Path(f"/proc/{server}/status").read_text()

    _wait_until(gone, 10)
