"""The faults between the executors and Kubernetes: they hit one namespace's requests, never the node's.

Of 100 watch events 10 are lost, of 100 answers to creates 5, 2 of 100 requests are answered with 500 or 503; every few
seconds all creates are answered with 429 for a moment, and the watches' history is lost (410) twice a minute.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from executor.demo.cluster import LocalCluster

_REQUESTS = (
    ("create", "pods"),
    ("get", "pods"),
    ("list", "pods"),
    ("delete", "pods"),
    ("watch", "pods"),
    ("create", "secrets"),
    ("patch", "secrets"),
    ("delete", "secrets"),
    ("list", "secrets"),
)


@dataclass(frozen=True, slots=True)
class Climate:
    """Probabilities, and seconds: between two bursts of 429, how long one is, between two losses of history."""

    events: float = 0.10
    answers: float = 0.05
    errors: float = 0.02
    burst_every: float = 10.0
    burst: float = 1.0
    history_every: float = 30.0


@dataclass(slots=True)
class Weather:
    """Call `blow` every now and then. `requests` are those that were hit or spared, by verb and resource."""

    cluster: LocalCluster
    namespace: str
    climate: Climate = field(default_factory=Climate)
    bursts: int = 0
    losses: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    _burst_at: float = 0.0
    _calm_at: float = 0.0
    _loss_at: float = 0.0

    def begin(self) -> None:
        now = time.monotonic()
        self._burst_at, self._loss_at = now + self.climate.burst_every, now + self.climate.history_every
        self._constant()

    def blow(self) -> None:
        now = time.monotonic()
        if self._calm_at and now >= self._calm_at:
            self._calm_at = 0.0
            self.end()
            self._constant()
        if now >= self._burst_at:
            self._burst_at, self._calm_at = now + self.climate.burst_every, now + self.climate.burst
            self._fault(verb="create", status=429, retry_after=1)
            self.bursts += 1
        if now >= self._loss_at:
            self._loss_at = now + self.climate.history_every
            self.lose_history()

    def lose_history(self) -> None:
        """Every watch of the namespace is cut, and where it left off is forgotten."""
        self.cluster.admin("compact")
        self.cluster.admin("drop-watches", resource="pods", namespace=self.namespace)
        self.losses += 1

    def end(self) -> None:
        self.requests.update(self.cluster.requests())
        self.cluster.admin("reset")

    def _constant(self) -> None:
        self._fault(effect="drop-event", verb="watch", resource="pods", probability=self.climate.events)
        for resource in ("pods", "secrets"):
            self._fault(effect="drop-answer", verb="create", resource=resource, probability=self.climate.answers)
        for verb, resource in _REQUESTS:
            for status in (500, 503):
                probability = self.climate.errors / 2
                self._fault(verb=verb, resource=resource, status=status, probability=probability, retry_after=1)

    def _fault(self, **rule: Any) -> None:
        self.cluster.admin("fault", namespace=self.namespace, **rule)
