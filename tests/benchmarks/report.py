"""JSON for machines, a Markdown table and plots for people."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec

from tests.benchmarks import svg
from tests.benchmarks.budgets import HEARTBEAT_MS, Verdict, place_of, ratio, typical, verdicts
from tests.benchmarks.spec import Quantiles, Record

PACKAGES = ("apache-airflow", "apache-airflow-providers-cncf-kubernetes", "kubernetes", "aiohttp", "msgspec")


class Results(msgspec.Struct, frozen=True):
    machine: str
    date: str
    commit: str
    versions: dict[str, str]
    micro_ms: dict[str, float]
    records: list[Record]


def write(records: Sequence[Record], out: Path) -> None:
    """bench.json, bench.md and the plots."""
    results = Results(
        machine(), datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), _commit(), _versions(), _micro(out), list(records)
    )
    (out / "bench.json").write_bytes(msgspec.json.format(msgspec.json.encode(results)))
    (out / "bench.md").write_text(markdown(results))
    for name, drawing in plots(typical(records)).items():
        (out / name).write_text(drawing)


def machine() -> str:
    """Cores, model, memory."""
    model = next((line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "")
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    system = f"{platform.system()} {platform.release().split('-')[0]}"
    return f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB, {system}"


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def _commit() -> str:
    asked = subprocess.run(("git", "describe", "--always", "--dirty"), capture_output=True, text=True, check=False)
    return asked.stdout.strip()


def _versions() -> dict[str, str]:
    return {"Python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def _micro(out: Path) -> dict[str, float]:
    """Medians in ms of the micro-benchmarks, where they ran before."""
    path = out / "micro.json"
    runs = json.loads(path.read_text())["benchmarks"] if path.exists() else []
    return {run["name"]: run["stats"]["median"] * 1000 for run in runs}


def markdown(results: Results) -> str:
    records = typical(results.records)
    heading = [f"Measured {results.date} at {results.commit} on {results.machine}."]
    heading += [", ".join(f"{name} {number}" for name, number in results.versions.items()) + "."]
    tables = [
        ("Budgets", budget_table(verdicts(results.records, results.micro_ms))),
        ("Runs", run_table([one for one in records if one.run.scenario != "thread or process" and not one.run.large])),
        ("Many pods", large_table([one for one in records if one.run.large])),
        ("Thread or process", placing_table([one for one in records if one.run.scenario == "thread or process"])),
        ("Micro-benchmarks", _table(("what", "median, ms"), [(n, f"{ms:.4f}") for n, ms in results.micro_ms.items()])),
    ]
    shown = (f"## {title}\n\n{text}" for title, text in tables if not text.endswith("--- |"))
    return "\n\n".join(["\n".join(heading), *shown]) + "\n"


def budget_table(judged: Sequence[Verdict]) -> str:
    rows = [
        (
            one.what,
            f"{'>=' if one.at_least else '<='} {one.limit:g} {one.unit}",
            _unit(one),
            "yes" if one.met else "**no**",
        )
        for one in judged
    ]
    return _table(("what", "budget", "measured", "met"), rows)


def _unit(one: Verdict) -> str:
    return f"{svg.figure(one.measured)} {one.unit}".strip()


RUN_COLUMNS = (
    "run",
    "beside bare",
    "tasks/s",
    "queued to POST",
    "queued to created",
    "end seen to ready",
    "ended to reported",
    "heartbeat: longest (by the clock) / all",
    "CPU ms per task: client / server",
    "peak MB",
    "helper processes",
    "calls per task",
)


def run_table(records: Sequence[Record]) -> str:
    """Times in ms, p50 / p99."""
    return "Times in ms, p50 / p99.\n\n" + _table(RUN_COLUMNS, [_run_row(one, records) for one in records])


def _run_row(record: Record, records: Sequence[Record]) -> tuple[str, ...]:
    run = record.run
    server = "-" if record.server_cpu_s is None else f"{record.server_cpu_s / run.tasks * 1000:.1f}"
    helpers = f"{record.helpers}, {record.helpers_mb:.0f} MB" if record.helpers else "0"
    return (
        f"{run.name}, {run.tasks} tasks" + (f", **{record.lost} lost**" if record.lost else ""),
        _beside(record, records),
        f"{record.tasks_per_second:.1f}",
        *map(_quantiles, (record.to_post, record.to_created, record.to_ready, record.to_reported)),
        _heartbeats(record),
        f"{record.client_cpu_s / run.tasks * 1000:.1f} / {server}",
        f"{record.peak_mb:.0f}",
        helpers,
        ", ".join(f"{verb} {count:.2f}" for verb, count in record.calls_per_task.items()),
    )


def _beside(record: Record, records: Sequence[Record]) -> str:
    same = [one for one in records if one.run.subject == "bare" and place_of(one) == place_of(record)]
    return f"{ratio(record, same[0]):.2f} x" if same else ""


def large_table(records: Sequence[Record]) -> str:
    rows = [
        (
            f"{one.run.scenario}, {one.run.tasks:,} pods",
            f"{one.longest_heartbeat_ms:.1f}",
            f"{one.peak_mb:.0f}",
            _extra(one),
        )
        for one in records
    ]
    return _table(("run", "longest heartbeat, ms", "peak MB", "figures"), rows)


def _extra(record: Record) -> str:
    calls = ", ".join(f"{verb} {count}" for verb, count in sorted(record.calls.items()))
    return "; ".join([*(f"{name} {svg.figure(value)}" for name, value in record.extra.items()), calls])


def placing_table(records: Sequence[Record]) -> str:
    loads = list(dict.fromkeys(one.run.load for one in records))
    rows = []
    for way in dict.fromkeys(map(way_of, records)):
        found = {one.run.load: one for one in records if way_of(one) == way}
        rows.append((way, *(_placing_cell(found[load]) if load in found else "" for load in loads)))
    note = "Tasks per second; longest heartbeat in ms (its own CPU); CPU ms per task; MB of the helper process.\n\n"
    return note + _table(("where the loop runs", *(f"scheduler {load}" for load in loads)), rows)


def way_of(record: Record) -> str:
    if record.run.subject == "process":
        return "process"
    return f"thread, {record.run.switch_interval * 1000:g} ms"


def _placing_cell(one: Record) -> str:
    beat = f"{one.longest_heartbeat_ms:.1f} ({one.its_cpu_ms:.1f})"
    helper = f"; {one.helpers_mb:.0f} MB" if one.helpers else ""
    return f"{one.tasks_per_second:.0f}/s; {beat}; {one.client_cpu_s / one.run.tasks * 1000:.1f}{helper}"


def _heartbeats(record: Record) -> str:
    longest = f"{record.longest_heartbeat_ms:.1f} ({record.longest_on_the_clock_ms:.1f})"
    return f"{longest} / {record.all_heartbeats_s * 1000:.0f}"


def _quantiles(times: Quantiles | None) -> str:
    return f"{times.p50:.1f} / {times.p99:.1f}" if times else "-"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def plots(records: Sequence[Record]) -> dict[str, str]:
    """SVG texts by file name."""
    bursts = [one for one in records if one.run.scenario == "burst" and one.run.load == "half-busy"]
    steady = [one for one in records if one.run.scenario == "steady 50/s" and one.to_post is not None]
    placing = [one for one in records if one.run.scenario == "thread or process"]
    post = [svg.Bar(_bar_name(one), one.to_post.p99, one.run.subject) for one in steady if one.to_post]
    return {
        "speed.svg": svg.chart(
            "Burst: tasks per second, queued to reported",
            "/s",
            [svg.Bar(_bar_name(one), one.tasks_per_second, one.run.subject) for one in bursts],
            note="Beside a scheduler that is half busy. 500 tasks; upstream's defaults: 30.",
        ),
        "heartbeat.svg": svg.chart(
            "Longest heartbeat in a burst",
            "ms",
            [svg.Bar(_bar_name(one), one.longest_heartbeat_ms, one.run.subject) for one in bursts],
            note="How long the scheduler stands still. One step of the scale is ten times as much.",
            limit=HEARTBEAT_MS,
            log=True,
        ),
        "latency.svg": svg.chart(
            "50 tasks a second: queued to POST, p99", "ms", post, note="Counted from the heartbeat.", limit=50, log=True
        ),
        "placing.svg": svg.chart(
            "Where the loop runs: tasks per second",
            "/s",
            [svg.Bar(f"{way_of(one)}, {one.run.load}", one.tasks_per_second, one.run.subject) for one in placing],
            note="500 tasks of 0.1 s, on a server that only answers.",
        ),
    }


def _bar_name(record: Record) -> str:
    return f"{record.run.subject}, {record.run.server}"
