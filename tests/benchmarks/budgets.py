"""What was promised, and what was measured. Ratios are of runs beside each other on one machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from tests.benchmarks.spec import Quantiles, Record

HEARTBEAT_MS = 10.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """limit and measured have the same unit; at_least: more is better."""

    what: str
    unit: str
    limit: float
    measured: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit


def verdicts(records: Sequence[Record], micro: Mapping[str, float]) -> list[Verdict]:
    """One for each budget that these runs can judge. micro: median ms by name of a micro-benchmark."""
    ours = [record for record in records if record.run.subject == "ours"]
    judged = [*_ratios(records), *_heartbeats(ours), *_calls(ours), *_latencies(ours), *_large(ours)]
    for name, limit in (("build_small", 0.15), ("build_large", 0.8)):
        if f"test_{name}_with_override" in micro:
            judged.append(
                Verdict(f"build one pod, {name[6:]} template", "ms", limit, micro[f"test_{name}_with_override"])
            )
    return judged


def _ratios(records: Sequence[Record]) -> Iterable[Verdict]:
    bare = [record for record in typical(records) if record.run.subject == "bare"]
    for one in _of(records, "ours", lambda record: not record.run.large):
        same = [other for other in bare if place_of(other) == place_of(one)]
        if same:
            yield Verdict(
                f"tasks/s beside the bare client: {_where(one)}", "x", 0.9, ratio(one, same[0]), at_least=True
            )


def place_of(record: Record) -> tuple[str, str, str]:
    """Two records of one place are compared."""
    return record.run.scenario, record.run.server, record.run.load


def ratio(one: Record, other: Record) -> float:
    return one.tasks_per_second / other.tasks_per_second


def _heartbeats(ours: Sequence[Record]) -> Iterable[Verdict]:
    for record in _of(ours, "ours", lambda one: one.run.scenario not in ("memory", "thread or process")):
        yield Verdict(f"longest heartbeat: {_where(record)}", "ms", HEARTBEAT_MS, record.longest_heartbeat_ms)


def _calls(ours: Sequence[Record]) -> Iterable[Verdict]:
    for record in _of(ours, "ours", lambda one: one.run.scenario in ("burst", "steady 1/s")):
        limit = 2.2 if record.run.scenario == "burst" else 4.0
        yield Verdict(f"mutating calls per task: {_where(record)}", "", limit, record.writes_per_task)


def _latencies(ours: Sequence[Record]) -> Iterable[Verdict]:
    for record in _of(ours, "ours", lambda one: one.run.scenario == "steady 50/s"):
        to_post, to_ready = record.to_post or Quantiles(0, 0, 0), record.to_ready or Quantiles(0, 0, 0)
        yield Verdict(f"queued to POST, p50: {_where(record)}", "ms", 10.0, to_post.p50)
        yield Verdict(f"queued to POST, p99: {_where(record)}", "ms", 50.0, to_post.p99)
        yield Verdict(f"end seen to ready for the scheduler, p50: {_where(record)}", "ms", 20.0, to_ready.p50)


def _large(ours: Sequence[Record]) -> Iterable[Verdict]:
    for record in _of(ours, "ours", lambda one: one.run.large):
        if "kb_per_pod" in record.extra:
            yield Verdict(f"memory per tracked pod: {_where(record)}", "KB", 8.0, record.extra["kb_per_pod"])
        if "events_per_s" in record.extra:
            what = f"watch events taken in: {_where(record)}"
            yield Verdict(what, "/s", 5_000, record.extra["events_per_s"], at_least=True)


def _where(record: Record) -> str:
    run = record.run
    return f"{run.scenario}, {run.tasks:,} tasks, {run.server}, {run.load}"


def _of(records: Sequence[Record], subject: str, wanted: Callable[[Record], bool]) -> list[Record]:
    return typical([record for record in records if record.run.subject == subject and wanted(record)])


def typical(records: Iterable[Record]) -> list[Record]:
    """One record for each run that was repeated: the median's figures, with the longest heartbeat of all."""
    groups: dict[object, list[Record]] = {}
    for record in records:
        groups.setdefault(record.run, []).append(record)
    return [_middle(group) for group in groups.values()]


def _middle(group: list[Record]) -> Record:
    speed = median(record.tasks_per_second for record in group)
    nearest = min(group, key=lambda record: abs(record.tasks_per_second - speed))
    worst = max(group, key=lambda record: record.longest_heartbeat_ms)
    values = {name: getattr(nearest, name) for name in nearest.__struct_fields__}
    values |= {"longest_heartbeat_ms": worst.longest_heartbeat_ms, "tasks_per_second": speed}
    values["longest_on_the_clock_ms"] = max(record.longest_on_the_clock_ms for record in group)
    return Record(**values)
