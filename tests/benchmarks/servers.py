"""The API servers that runs go against, each in processes of its own, on the other core where there are two."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from executor.demo.cluster import Cluster, LocalCluster
from tests.benchmarks.spec import Place

NAMESPACE = "bench"
REAL, REAL_PIDS = "BENCH_KUBECONFIG", "BENCH_SERVER_PIDS"
_tags = count(1)


class Server:
    """Somewhere to run: a new place for each run, so that runs do not meet."""

    def __init__(self, kubeconfig: Path, ended: Path, pids: Sequence[int], core: int | None) -> None:
        self.kubeconfig, self._ended, self._pids, self._core = kubeconfig, ended, tuple(pids), core

    def place(self, tag: str = "") -> Place:
        return Place(
            kubeconfig=str(self.kubeconfig),
            namespace=NAMESPACE,
            tag=tag or f"bench{os.getpid()}x{next(_tags)}",
            ended=str(self._ended),
            pids=self._pids,
            core=self._core,
        )


@contextmanager
def local(latency: int = 0) -> Iterator[Server]:
    """The local cluster, and the pods' player. latency: ms added to each of its answers to clients."""
    first, last = _cores()
    with TemporaryDirectory(prefix="bench-") as folder, LocalCluster(Path(folder), "--no-nodes") as cluster:
        _pin(cluster.child.pid, first)
        cluster.ensure_namespace(NAMESPACE)
        if latency:
            cluster.admin("latency", milliseconds=latency)
        with _player(cluster.kubeconfig, Path(folder), first) as ended:
            yield Server(cluster.kubeconfig, ended, (cluster.child.pid,), last)


@contextmanager
def answering(run_seconds: float = 1.0) -> Iterator[Server]:
    """The server that only answers; it plays the pods itself. run_seconds 0: they never end."""
    first, last = _cores()
    with TemporaryDirectory(prefix="bench-") as folder:
        path, ended = Path(folder) / "kubeconfig", Path(folder) / "ended"
        module = "tests.benchmarks.answering"
        with _child(module, str(path), str(ended), str(run_seconds), core=first) as pid:
            yield Server(path, ended, (pid,), last)


@contextmanager
def real() -> Iterator[Server]:
    """The API server that BENCH_KUBECONFIG names. BENCH_SERVER_PIDS: its processes, where they are on this machine;
    they get a core of their own, as the local cluster does."""
    path = Path(os.environ[REAL])
    cluster = Cluster(path)
    cluster.ensure_namespace(NAMESPACE)
    pids = [int(pid) for pid in os.environ.get(REAL_PIDS, "").split(",") if pid]
    first, last = _cores() if pids else (None, None)
    for pid in pids:
        _pin(pid, first)
    try:
        with TemporaryDirectory(prefix="bench-") as folder, _player(path, Path(folder), first) as ended:
            yield Server(path, ended, pids, last)
    finally:
        cluster.core.delete_namespace(NAMESPACE)
        cluster.close()


@contextmanager
def _player(kubeconfig: Path, folder: Path, core: int | None) -> Iterator[Path]:
    ended = folder / "ended"
    with _child("tests.benchmarks.player", str(kubeconfig), NAMESPACE, str(ended), core=core):
        yield ended


@contextmanager
def _child(module: str, *arguments: str, core: int | None) -> Iterator[int]:
    """A Python process that says "ready" and ends with its stdin."""
    command = [sys.executable, "-m", module, *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        _pin(process.pid, core)
        if process.stdout.readline() != "ready\n":
            raise RuntimeError(f"{module} did not start")
        yield process.pid
    finally:
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def _cores() -> tuple[int | None, int | None]:
    """(servers', client's): None where there is only one."""
    cores = sorted(os.sched_getaffinity(0))
    return (cores[0], cores[-1]) if len(cores) > 1 else (None, None)


def _pin(pid: int, core: int | None) -> None:
    """All threads that the process has; those that it starts later follow."""
    if core is not None:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {core})
