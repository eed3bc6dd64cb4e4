"""Run a command that is told to stop (SIGTERM) when its parent dies, however that happens.

Run as ``python -I -S die_with_parent.py PARENT_PID COMMAND...``. A script and not a ``preexec_fn``, because Python code
between fork and exec is unsafe in a parent with threads (Python 3.12 warns). Standard library only; Linux only.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    """Ask the kernel for the signal, then become `command`. Exits when `parent` was gone already."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        raise SystemExit(f"the parent process {parent} is gone; {command[0]} is not started")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
