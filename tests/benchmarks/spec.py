"""What is run and what comes of it, as plain values that cross processes as JSON."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class Load(msgspec.Struct, frozen=True):
    """What else the scheduler's thread does in one turn of its loop, in seconds."""

    cpu: float
    sleep: float


LOADS = {"idle": Load(0.0, 0.04), "half-busy": Load(0.02, 0.02), "always busy": Load(0.04, 0.0)}
NOTHING_TO_DO = 1.0  # seconds that a scheduler sleeps while nothing is queued or running


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run: a subject, driven as the scheduler drives it, against one API server.

    rate: tasks queued a second, 0: all of them at once; switch_interval: of the interpreter, in seconds; offered: of
    these tasks a dead scheduler's pods are there already.
    """

    subject: str
    scenario: str
    server: str
    tasks: int
    rate: float = 0.0
    load: str = "half-busy"
    switch_interval: float = 0.001
    large: bool = False  # how many follow is measured, not how fast
    traced: bool = False  # memory is measured, which makes everything else slow

    @property
    def name(self) -> str:
        return f"{self.subject}, {self.scenario}, {self.server}, {self.load}"


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run happens. pids: the server's processes; ended: file in which the pods' player notes their ends."""

    kubeconfig: str
    namespace: str
    tag: str
    ended: str
    pids: tuple[int, ...] = ()
    core: int | None = None  # the client's own


class Quantiles(msgspec.Struct, frozen=True):
    """Of times in milliseconds."""

    p50: float
    p99: float
    count: int


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What one run showed. Times in ms where they say so, otherwise in seconds; memory in MB."""

    run: Run
    tasks_per_second: float
    lost: int
    seconds: float
    to_post: Quantiles | None
    to_created: Quantiles | None
    to_ready: (
        Quantiles | None
    )  # from the watch's delivery of a pod's end to the scheduler's next drain being able to take it
    to_reported: Quantiles | None  # from the write of a pod's end to the scheduler's loop knowing
    longest_heartbeat_ms: float  # without its wait for the core
    longest_on_the_clock_ms: float
    its_cpu_ms: float
    all_heartbeats_s: float
    heartbeats: int
    queueing_ms: float
    client_cpu_s: float  # without the scheduler's other work
    server_cpu_s: float | None
    peak_mb: float
    helpers: int
    helpers_mb: float
    calls: dict[str, int]
    extra: dict[str, float] = {}

    @property
    def calls_per_task(self) -> dict[str, float]:
        return {verb: count / max(self.run.tasks, 1) for verb, count in sorted(self.calls.items())}

    @property
    def writes_per_task(self) -> float:
        writes = ("create", "delete", "patch", "update")
        return sum(n for verb, n in self.calls.items() if verb.split()[0] in writes) / max(self.run.tasks, 1)


def quantiles(seconds: Sequence[float]) -> Quantiles | None:
    """None of nothing."""
    if not seconds:
        return None
    ordered = sorted(seconds)
    last = len(ordered) - 1
    return Quantiles(ordered[last // 2] * 1000, ordered[min(last, round(last * 0.99))] * 1000, len(ordered))
