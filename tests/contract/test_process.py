"""The local cluster as a process: it starts, says what it is, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kubernetes.client import ApiClient, Configuration, CoreV1Api
from kubernetes.config import load_kube_config

from tests.contract.api import PATIENCE, Access

_COMMAND = [sys.executable, "-m", "executor.localcluster", "--no-nodes"]


def _wait_until(condition: object, seconds: float = PATIENCE) -> None:
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
        _, text = server.communicate(timeout=PATIENCE)
    assert server.returncode == 0
    assert "never for production" in text
    assert "Traceback" not in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    script = (
        f"import subprocess,time\np=subprocess.Popen({[*_COMMAND, '--with-parent', '--kubeconfig', str(path)]!r})\n"
    )
    script += "print(p.pid, flush=True)\ntime.sleep(600)\n"
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

    _wait_until(gone)


def test_a_server_that_was_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    """With ``--data``: objects, versions and who may come in are as before, whatever the port is."""
    path = tmp_path / "kubeconfig"
    command = [*_COMMAND, "--data", str(tmp_path / "data"), "--kubeconfig", str(path)]

    def while_it_runs(act: Callable[[CoreV1Api], Any], end: signal.Signals) -> tuple[str, str]:
        path.unlink(missing_ok=True)
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
            _wait_until(path.exists)
            try:
                settings = Configuration()
                load_kube_config(config_file=str(path), client_configuration=settings)
                with ApiClient(settings) as client:
                    return act(CoreV1Api(client)).metadata.resource_version, Access.from_kubeconfig(path).token
            finally:
                server.send_signal(end)

    body = {"metadata": {"name": "a"}}
    made = while_it_runs(lambda core: core.create_namespaced_config_map("default", body), signal.SIGKILL)
    found = while_it_runs(lambda core: core.read_namespaced_config_map("a", "default"), signal.SIGTERM)
    assert found == made
