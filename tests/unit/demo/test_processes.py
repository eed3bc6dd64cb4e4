"""Child processes end with their parent, however it ends, and say why they failed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from executor.demo.processes import Child, NotReadyError, free_ports, wait_until

PATIENCE = 60.0  # seconds, reached only when something is wrong
PLAIN = {"PATH": os.environ["PATH"]}


def python(script: str) -> list[str]:
    return [sys.executable, "-I", "-c", script]


def is_gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def printed_pid(log: Path) -> int:
    text: str = wait_until("a pid in the log", lambda: log.exists() and log.read_text().strip(), PATIENCE, pause=0.02)
    return int(text)


def test_stopping_ends_the_whole_group_even_if_it_ignores_sigterm(tmp_path: Path) -> None:
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    parent = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {stubborn!r}])\n"
        "print(child.pid, flush=True); child.wait()"
    )
    child = Child("family", python(parent), PLAIN, tmp_path / "log", grace=0.1)
    grandchild = printed_pid(tmp_path / "log")
    child.stop()
    assert child.returncode is not None
    wait_until("the grandchild gone", lambda: is_gone(grandchild), PATIENCE, pause=0.02)


def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from executor.demo.processes import Child\n"
        "child = Child('sleeper', ['sleep', '600'], {'PATH': '/usr/bin:/bin'}, Path(sys.argv[1]) / 'log')\n"
        "print(child.pid, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        sleeper = int(parent.stdout.readline())
        wait_until("sleep runs", lambda: "sleep" in Path(f"/proc/{sleeper}/comm").read_text(), PATIENCE, pause=0.02)
        parent.kill()
    wait_until("the sleeper gone", lambda: is_gone(sleeper), PATIENCE, pause=0.02)


def test_what_ends_too_early_says_why(tmp_path: Path) -> None:
    child = Child("broken", python("raise SystemExit('no database')"), PLAIN, tmp_path / "log")
    wait_until("the end", lambda: child.returncode is not None, PATIENCE, pause=0.02)
    with pytest.raises(NotReadyError, match=r"broken ended with 1[\s\S]*no database"):
        child.require_running()


def test_a_killed_child_is_reaped_and_shows_its_signal(tmp_path: Path) -> None:
    child = Child("victim", ["sleep", "600"], PLAIN, tmp_path / "log")
    child.kill(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL


def test_waiting_in_vain_names_what_was_waited_for() -> None:
    with pytest.raises(TimeoutError, match="the moon blue: not within 0 s"):
        wait_until("the moon blue", lambda: None, 0, pause=0)


def test_free_ports_differ() -> None:
    assert len(set(free_ports(5))) == 5
