"""What the handlers of requests share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from executor.localcluster.faults import Faults
from executor.localcluster.registry import Registry
from executor.localcluster.resources import NAMESPACES
from executor.localcluster.store import Store

FIRST_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster: its objects, the rules of writing them, the faults switched on, and the folder of pods' files."""

    store: Store
    registry: Registry
    faults: Faults
    state_dir: Path


def new_cluster(state_dir: Path, faults: Faults, history: int = 20_000, authority: str = "") -> Cluster:
    """A cluster with what every cluster has from its start; ``authority`` is PEM text for ``kube-root-ca.crt``."""
    store = Store(history)
    registry = Registry(store, authority)
    for name in FIRST_NAMESPACES:
        registry.create(NAMESPACES, "", {"metadata": {"name": name}})
    return Cluster(store, registry, faults, state_dir)
