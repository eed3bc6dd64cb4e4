"""What the scheduler's thread and the loop's share: one interpreter, one garbage collector.

Rule (CPython, `gc` and `sys.setswitchinterval`): a collection runs in whatever thread allocated last, and no other
thread runs meanwhile.
"""

from __future__ import annotations

import gc
import sys


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


def pause_collection() -> bool:
    """No collection starts until `resume_collection`, to which goes what this returns: was there one to pause?

    One of what came after `share` takes some 20 ms. No context manager: leaving one makes objects, and with them the
    collection that was put off, before its caller has returned.
    """
    collecting = gc.isenabled()
    gc.disable()
    return collecting


def resume_collection(collecting: bool) -> None:
    """Collections may start again, at the earliest in what runs after the caller."""
    if collecting:
        gc.enable()
