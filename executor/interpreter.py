"""What the scheduler's thread and the loop's share: one interpreter, one garbage collector.

Rule (CPython, `gc` and `sys.setswitchinterval`): a collection runs in whatever thread allocated last, and no other
thread runs meanwhile.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def share(switch_interval: float) -> None:
    """The threads take turns every `switch_interval` seconds (0: as Python has it), and never wait for a collection of
    everything there is.

    A full garbage collection walks all of Airflow's modules, some 130 ms in which no thread runs; what is loaded by
    now stays loaded, so it is taken out of the collector's sight.
    """
    if switch_interval > 0:
        sys.setswitchinterval(switch_interval)
    gc.collect()
    gc.freeze()


@contextmanager
def no_collection() -> Iterator[None]:
    """Collections wait until this is over: one of what came after `share` takes some 20 ms."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
