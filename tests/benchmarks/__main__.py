"""Runs the benchmarks and writes what they showed.

    python -m tests.benchmarks [--size small] [--only TEXT] [--out FOLDER]

Environment: BENCH_KUBECONFIG adds the same runs on that API server (in a namespace `bench`, which is deleted
afterwards), BENCH_SERVER_PIDS (comma-separated) the CPU of its processes where they are on this machine.
The exit code is 1 if a task was lost or a run failed.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import msgspec

from tests.benchmarks import plan, report, servers
from tests.benchmarks.spec import Place, Record, Run

RUN_SECONDS = 300


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    found = [
        record
        for session in plan.sessions(real=servers.REAL in os.environ)
        for record in perform(plan.sized(session, given.size), given.only, given.out)
    ]
    records = [*(_kept(given.out) if given.add else ()), *filter(None, found)]
    report.write(records, given.out)
    print((given.out / "bench.md").read_text())
    print(f"{len(records)} runs in {time.monotonic() - began:.0f} s; figures and plots are in {given.out}")
    return 1 if None in found or any(record.lost for record in records) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("--size", choices=("full", "small"), default="full")
    parser.add_argument("--only", default="", help="runs in whose name this regular expression is found")
    parser.add_argument("--out", type=Path, default=Path(".benchmarks"))
    parser.add_argument("--add", action="store_true", help="keep the runs that are in the folder already")
    return parser


def perform(session: plan.Session, only: str, out: Path) -> list[Record | None]:
    """The runs of one session, one after the other, each in a process of its own; None for one that failed."""
    runs = [run for run in session.runs if re.search(only, run.name)]
    if not runs:
        return []
    with session.open() as server:
        tag = server.place().tag if session.shared else ""
        return [_perform(run, server.place(tag), out) for run in runs]


def _perform(run: Run, place: Place, out: Path) -> Record | None:
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks.run",
        *(msgspec.json.encode(one).decode() for one in (run, place)),
    ]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW__")}
    home = out.resolve() / "airflow"
    with (out / "run.log").open("a") as log:
        print(f"---- {run.name}", file=log, flush=True)
        output = _output(command, kept | {"AIRFLOW_HOME": str(home)}, log)
    if not output:
        print(f"{run.name}: failed, see {out / 'run.log'}", flush=True)
        return None
    record = msgspec.json.decode(output.splitlines()[-1], type=Record)
    print(
        f"{run.name}: {record.tasks_per_second:.1f}/s, longest heartbeat {record.longest_heartbeat_ms:.1f} ms",
        flush=True,
    )
    return record


def _output(command: Sequence[str], environment: dict[str, str], log: IO[str]) -> bytes:
    """What it printed; nothing if it failed or took too long."""
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=log, env=environment, timeout=RUN_SECONDS, check=True
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        print(str(error)[-200:], file=log, flush=True)
        return b""
    return done.stdout


def _kept(out: Path) -> list[Record]:
    path = out / "bench.json"
    return msgspec.json.decode(path.read_bytes(), type=report.Results).records if path.exists() else []


if __name__ == "__main__":
    sys.exit(main())
