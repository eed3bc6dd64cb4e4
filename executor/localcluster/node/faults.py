"""Mishaps of a node on demand: a control file that tests write, ``<state>/node/<name>/faults.json``.

``{"evict": ["<pod uid>"]}`` evicts pods for lack of memory, each once. ``{"oom": ["<pod uid>"]}`` kills the running
first container of a pod as the kernel does at its memory limit, each once; ``<pod uid>/<container>`` another one.
``{"images": {"name:1": {"error": "..."}}}`` are entries that go before those of the images file (see `images`).
``{"stop": true}`` switches the node off: its containers are killed and it says nothing any more, until the file says
otherwise; then it is a node that was started again. ``{"lose": true}`` cuts it off from the API server while its
containers go on. No file: all is well.

When the node does as the file says, ``faults.done`` beside it has the same text.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from executor.localcluster.node.images import ImageEntry

log = logging.getLogger(__name__)


class NodeFaults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """See the module."""

    evict: tuple[str, ...] = ()
    oom: tuple[str, ...] = ()
    images: Mapping[str, ImageEntry] = msgspec.field(default_factory=dict)
    stop: bool = False
    lose: bool = False


def faults_file(state_dir: Path, node: str) -> Path:
    return state_dir / "node" / node / "faults.json"


def done_file(state_dir: Path, node: str) -> Path:
    return faults_file(state_dir, node).with_suffix(".done")


def read_faults(path: Path) -> tuple[NodeFaults, bytes]:
    """What a control file says, and its text. Raises ValueError that names the file and the field."""
    try:
        text = path.read_bytes()
        return msgspec.json.decode(text, type=NodeFaults), text
    except FileNotFoundError:
        return NodeFaults(), b""
    except msgspec.DecodeError as error:
        raise ValueError(f'{path}: {error}; expected such as {{"evict": ["<pod uid>"], "stop": true}}') from error


async def follow_faults(path: Path, seconds: float, changed: Callable[[NodeFaults], None]) -> None:
    """Tell what the file says, at first and whenever it changes; for ever. An unreadable file changes nothing."""
    seen: object = ()
    while True:
        stamp = _stamp(path)
        if stamp != seen:
            seen = stamp
            _tell(path, changed)
        await asyncio.sleep(seconds)


def _tell(path: Path, changed: Callable[[NodeFaults], None]) -> None:
    try:
        faults, text = read_faults(path)
    except ValueError as error:
        log.warning("node faults stay as they are: %s", error)
        return
    changed(faults)
    if text:
        path.with_suffix(".done").write_bytes(text)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return (stat.st_mtime_ns, stat.st_size)
