"""The command line of the local cluster as frozen values."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from executor.localcluster.node.timing import LifecycleTimes, Timings

Times = TypeVar("Times", Timings, LifecycleTimes)


@dataclass(frozen=True, slots=True)
class NodeOption:
    """One node to run: its name, and its capacity as Kubernetes quantities."""

    name: str
    cpu: str
    memory: str


@dataclass(frozen=True, slots=True)
class Options:
    """How to run; ``latency`` in milliseconds, ``history`` in changes a resource."""

    port: int = 0
    kubeconfig: Path | None = None
    nodes: tuple[NodeOption, ...] = ()
    images: Path | None = None
    state: Path | None = None
    forbid: frozenset[str] = field(default_factory=frozenset)
    latency: float = 0
    plain_http: bool = False
    with_parent: bool = False
    history: int = 20_000
    rbac: bool = False
    faults: bool = False
    data: Path | None = None
    timings: Timings = field(default_factory=Timings)
    lifecycle: LifecycleTimes = field(default_factory=LifecycleTimes)


def machine_node() -> NodeOption:
    """This machine as a node named ``local``: all its processors and memory."""
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return NodeOption("local", str(os.cpu_count() or 1), f"{pages * size // 1024}Ki")


def parse_node(text: str) -> NodeOption:
    """``NAME=cpu:memory``, such as ``big=4:8Gi``."""
    name, separator, capacity = text.partition("=")
    cpu, colon, memory = capacity.partition(":")
    if not (name and separator and cpu and colon and memory):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=cpu:memory, such as big=4:8Gi")
    return NodeOption(name, cpu, memory)


def _times() -> dict[str, float]:
    """Every time that ``--time`` sets, by its name there, with its default in seconds."""
    times = {**asdict(Timings()), **asdict(LifecycleTimes())}
    return {name.replace("_", "-"): seconds for name, seconds in times.items()}


def parse_time(text: str) -> tuple[str, float]:
    """``NAME=SECONDS``, such as ``silence=2``, as a field's name and seconds."""
    name, _, seconds = text.partition("=")
    try:
        if name in _times() and float(seconds) > 0:
            return name.replace("-", "_"), float(seconds)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is not NAME=SECONDS with one of {', '.join(_times())}")


def _with(times: Times, given: Iterable[tuple[str, float]]) -> Times:
    """Those of the given times that belong there."""
    names = asdict(times)
    return replace(times, **{name: seconds for name, seconds in given if name in names})


IMAGES_HELP = """YAML map: image name -> what it is; an image that is not listed is this machine's files, and present.
How a pull goes: {missing: true} is never found, {error: TEXT} fails with that text (with failures: N only N times, then
it is found), {delay: SECONDS} takes its time, {pullSecret: NAME} wants that Secret in imagePullSecrets. What runs:
{root: DIR, mounts: {PATH: DIR}} instead of this machine's files; entrypoint, cmd, env, workdir as in an image"""
TIME_HELP = "how long nodes take for something; may be repeated; the defaults: "


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m executor.localcluster",
        description="A Kubernetes API for this machine, for demos and tests, on loopback only. Never for production.",
    )
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0, the default, takes a free one")
    parser.add_argument("--kubeconfig", type=Path, help="file to write as soon as the server listens")
    parser.add_argument(
        "--node",
        type=parse_node,
        action="append",
        default=[],
        metavar="NAME=cpu:memory",
        help="a node to run; may be repeated; default: this machine as 'local'",
    )
    parser.add_argument("--no-nodes", action="store_true", help="neither nodes nor a scheduler: pods stay Pending")
    parser.add_argument("--images", type=Path, metavar="FILE", help=IMAGES_HELP)
    parser.add_argument("--state", type=Path, help="folder for logs and volumes of pods; default: a temporary one")
    parser.add_argument("--forbid", action="append", default=[], metavar="NAMESPACE", help="answer 403 there")
    parser.add_argument("--latency", type=float, default=0, metavar="MS", help="delay of each answer, milliseconds")
    parser.add_argument(
        "--rbac", action="store_true", help="roles decide; without it whoever has a token may do everything"
    )
    parser.add_argument(
        "--faults", action="store_true", help="switches that make the server misbehave, under /localcluster/"
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder that keeps the objects over a restart")
    parser.add_argument("--plain-http", action="store_true", help="no TLS")
    parser.add_argument("--with-parent", action="store_true", help="end when the process that started this one ends")
    parser.add_argument(
        "--history",
        type=int,
        default=20_000,
        metavar="N",
        help="changes kept for watches, a resource; older versions are answered with 410",
    )
    parser.add_argument(
        "--time",
        type=parse_time,
        action="append",
        default=[],
        metavar="NAME=SECONDS",
        help=TIME_HELP + ", ".join(f"{name}={seconds:g}" for name, seconds in _times().items()),
    )
    return parser


def parse_options(arguments: Sequence[str] | None = None) -> Options:
    """Options from the command line; ends the process with a usage message when they cannot be read."""
    given = _parser().parse_args(arguments)
    return Options(
        port=given.port,
        kubeconfig=given.kubeconfig,
        nodes=() if given.no_nodes else tuple(given.node) or (machine_node(),),
        images=given.images,
        state=given.state,
        forbid=frozenset(given.forbid),
        latency=given.latency,
        plain_http=given.plain_http,
        with_parent=given.with_parent,
        history=given.history,
        rbac=given.rbac,
        faults=given.faults,
        data=given.data,
        timings=_with(Timings(), given.time),
        lifecycle=_with(LifecycleTimes(), given.time),
    )
