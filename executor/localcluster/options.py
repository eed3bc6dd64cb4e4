"""The command line of the local cluster as frozen values."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path


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
    parser.add_argument("--images", type=Path, help="YAML map: image name -> {missing: true} or {root: DIR}")
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
    )
