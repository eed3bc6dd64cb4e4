"""Budgets of time that hold on any machine: how much slower than the one they were set on is this one just now?"""

from __future__ import annotations

import copy
import json
import time
from typing import Any

REFERENCE_MS = 0.4  # what the yardstick takes on the machine on which the budgets were set, and nothing else runs
ROUNDS = 50


def slowness() -> float:
    """A factor for a budget, 1 at least. To be asked right after what was measured, which is the best of some, too."""
    return max(1.0, min(_yardstick_ms() for _ in range(ROUNDS)) / REFERENCE_MS)


def _yardstick_ms() -> float:
    """Work of the kind that is measured: dicts, lists and texts."""
    started = time.perf_counter()
    for number in range(5):
        pod = copy.deepcopy(_POD)
        pod["metadata"]["name"] = f"pod-{number}"
        text = json.dumps(pod, sort_keys=True)
        assert len("".join(word.title() for word in text.split(" "))) > number
    return (time.perf_counter() - started) * 1000


_POD: dict[str, Any] = {
    "metadata": {"labels": {f"label-{number}": str(number) for number in range(20)}},
    "spec": {"containers": [{"name": f"c{number}", "env": [{"name": "A", "value": "b"}] * 9} for number in range(5)]},
}
