"""Who asks: names and groups as authentication gives them and authorization reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from executor.localcluster.types import Json

AUTHENTICATED = "system:authenticated"
MASTERS = "system:masters"
_SERVICE_ACCOUNT = "system:serviceaccount"


@dataclass(frozen=True, slots=True)
class User:
    """A caller. ``inner`` marks the cluster's own node agents and scheduler, whom no switch and no role concerns."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    inner: bool = False

    def info(self) -> Json:
        """The user as ``UserInfo`` of reviews."""
        found: Json = {"username": self.name}
        if self.uid:
            found["uid"] = self.uid
        found["groups"] = list(self.groups)
        if self.extra:
            found["extra"] = {key: list(values) for key, values in self.extra.items()}
        return found


ADMINISTRATOR = User("local", (MASTERS, AUTHENTICATED))
"""Whom the kubeconfig's token stands for."""

INNER = User("system:localcluster", (MASTERS, AUTHENTICATED), inner=True)


def service_account_user(namespace: str, name: str, uid: str, extra: Mapping[str, tuple[str, ...]]) -> User:
    """A service account as a user (Kubernetes page "Authenticating", service account tokens)."""
    groups = (f"{_SERVICE_ACCOUNT}s", f"{_SERVICE_ACCOUNT}s:{namespace}", AUTHENTICATED)
    return User(service_account_name(namespace, name), groups, uid, extra)


def service_account_name(namespace: str, name: str) -> str:
    return f"{_SERVICE_ACCOUNT}:{namespace}:{name}"
