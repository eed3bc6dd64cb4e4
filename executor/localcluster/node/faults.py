"""Mishaps of a node on demand: a control file that tests write, ``<state>/node/<name>/faults.json``.

``{"evict": ["<pod uid>"]}`` evicts pods for lack of memory, each once. ``{"stop": true}`` switches the node off: its
containers are killed and it says nothing any more, until the file says otherwise; then it is a node that was started
again. ``{"lose": true}`` cuts it off from the API server while its containers go on. No file: all is well.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import msgspec

log = logging.getLogger(__name__)


class NodeFaults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """See the module."""

    evict: tuple[str, ...] = ()
    stop: bool = False
    lose: bool = False


def faults_file(state_dir: Path, node: str) -> Path:
    return state_dir / "node" / node / "faults.json"


def read_faults(path: Path) -> NodeFaults:
    """Raises ValueError that names the file and the field."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=NodeFaults)
    except FileNotFoundError:
        return NodeFaults()
    except msgspec.DecodeError as error:
        raise ValueError(f'{path}: {error}; expected such as {{"evict": ["<pod uid>"], "stop": true}}') from error


async def follow_faults(path: Path, seconds: float, changed: Callable[[NodeFaults], None]) -> None:
    """Tell what the file says, at first and whenever it changes; for ever. An unreadable file changes nothing."""
    seen: object = ()
    while True:
        stamp = _stamp(path)
        if stamp != seen:
            seen = stamp
            try:
                changed(read_faults(path))
            except ValueError as error:
                log.warning("node faults stay as they are: %s", error)
        await asyncio.sleep(seconds)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return (stat.st_mtime_ns, stat.st_size)
