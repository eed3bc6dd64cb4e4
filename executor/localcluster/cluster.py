"""What the handlers of requests share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from executor.localcluster.authorization import AllowAll, Authorizer
from executor.localcluster.bootstrap import furnish
from executor.localcluster.faults import Faults
from executor.localcluster.rbac import Rbac
from executor.localcluster.registry import Registry
from executor.localcluster.store import Store
from executor.localcluster.tokens import Keys, Tokens, new_keys


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster: its objects, the rules of writing them, who may do what, the faults switched on, pods' files."""

    store: Store
    registry: Registry
    authorizer: Authorizer
    tokens: Tokens
    faults: Faults
    state_dir: Path


def new_cluster(
    state_dir: Path,
    faults: Faults,
    *,
    store: Store | None = None,
    authority: str = "",
    keys: Keys | None = None,
    rbac: bool = False,
) -> Cluster:
    """A cluster with what every cluster has from its start.

    ``store`` may have objects already (read from disk); ``authority`` is PEM text for ``kube-root-ca.crt``; with
    ``rbac`` roles decide what users may do, else everybody with a token may do everything.
    """
    store = store or Store()
    registry = Registry(store, authority)
    furnish(registry)
    authorizer: Authorizer = Rbac(store) if rbac else AllowAll()
    return Cluster(store, registry, authorizer, Tokens(store, keys or new_keys()), faults, state_dir)
