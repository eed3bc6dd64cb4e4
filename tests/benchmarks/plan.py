"""Which runs there are: what is compared with what, and how much of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial

from tests.benchmarks import servers
from tests.benchmarks.spec import LOADS, Run

BURST, LARGE, VERY_LARGE = 500, 5_000, 10_000
LATENCY_MS = 300


@dataclass(frozen=True, slots=True)
class Session:
    """Runs that share one server. shared: they meet the same pods, as after a restart."""

    open: Callable[[], AbstractContextManager[servers.Server]]
    runs: tuple[Run, ...]
    shared: bool = False


def local_runs(server: str = "local", rate: int = 50, seconds: int = 60) -> tuple[Run, ...]:
    """Everything for a server that is a Kubernetes API; subjects in turn, so that each has the same neighbours."""
    burst = partial(Run, scenario="burst", server=server, tasks=BURST)
    steady = partial(Run, scenario=f"steady {rate}/s", server=server, rate=float(rate))
    return (
        *(burst(subject=subject) for _ in range(2) for subject in ("bare", "ours")),
        *(burst(subject=subject, load="idle") for subject in ("bare", "ours")),
        burst(subject="upstream", tasks=30),
        burst(subject="upstream batch"),
        burst(subject="upstream async"),
        steady(subject="bare", tasks=rate * seconds),
        steady(subject="ours", tasks=rate * seconds),
        steady(subject="upstream batch", tasks=rate * 20),
        steady(subject="upstream async", tasks=rate * 20),
        Run(subject="ours", scenario="steady 1/s", server=server, tasks=20, rate=1.0),
    )


def slow_runs() -> tuple[Run, ...]:
    burst = partial(Run, scenario="burst", server=f"local + {LATENCY_MS} ms", tasks=BURST)
    return burst(subject="bare"), burst(subject="ours")


def answering_runs() -> tuple[Run, ...]:
    burst = partial(Run, scenario="burst", server="answers only", tasks=BURST)
    return tuple(burst(subject=subject, load=load) for load in ("half-busy", "idle") for subject in ("bare", "ours"))


def placing_runs() -> tuple[Run, ...]:
    """Thread or process, and how long a thread keeps the interpreter."""
    runs = partial(Run, scenario="thread or process", server="answers only", tasks=500)
    intervals = (0.005, 0.001, 0.0005)
    threads = (runs(subject="ours", load=load, switch_interval=one) for load in LOADS for one in intervals)
    return *threads, *(runs(subject="process", load=load) for load in LOADS)


def large_runs(tasks: int) -> tuple[Run, ...]:
    many = partial(Run, subject="ours", server="answers only", tasks=tasks, large=True)
    return many(scenario="churn"), many(scenario="restart")


def sessions(real: bool) -> Iterator[Session]:
    """real: also on the API server of BENCH_KUBECONFIG."""
    if real:
        # A real server on this very machine takes some 40 ms of CPU for a pod's life: 20/s are all of one core.
        yield Session(servers.real, local_runs("real", rate=20, seconds=30))
    yield Session(servers.local, local_runs())
    yield Session(partial(servers.local, LATENCY_MS), slow_runs())
    yield Session(servers.answering, answering_runs())
    yield Session(partial(servers.answering, 0.1), placing_runs())
    forever = partial(servers.answering, 0.0)
    yield Session(forever, large_runs(LARGE), shared=True)
    traced = Run(
        subject="ours", scenario="memory", server="answers only", tasks=LARGE, load="idle", large=True, traced=True
    )
    yield Session(forever, (traced,))
    yield Session(forever, large_runs(VERY_LARGE)[:1])


def sized(session: Session, size: str) -> Session:
    """size: "full", or "small" to see that everything works."""
    if size == "full":
        return session
    return replace(session, runs=tuple(map(_small, session.runs)))


def _small(run: Run) -> Run:
    values = {name: getattr(run, name) for name in run.__struct_fields__}
    return Run(**{**values, "tasks": max(run.tasks // 10, 10)})
