"""Tokens: the two that are made at the start, and those of service accounts, which are signed and expire.

Invariant: a token of a service account is good as long as the account, and the pod or Secret it is bound to, exist with
the same uid. Source: Kubernetes pages "Authenticating" and "Service Accounts", bound tokens. Excluded: tokens in
Secrets of type ``kubernetes.io/service-account-token``. Tokens appear in no log and no error.
"""

from __future__ import annotations

import hmac
import secrets
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt

from executor.localcluster.resources import PODS, SECRETS, SERVICE_ACCOUNTS, Resource
from executor.localcluster.store import Store
from executor.localcluster.types import Json
from executor.localcluster.users import ADMINISTRATOR, INNER, User, service_account_user

AUDIENCE = "https://kubernetes.default.svc"
_ISSUER = "https://kubernetes.default.svc.cluster.local"
_ALGORITHM = "HS256"
_PRIVATE = "kubernetes.io"
BOUND_KINDS: Mapping[str, Resource] = {"Pod": PODS, "Secret": SECRETS}


@dataclass(frozen=True, slots=True)
class Keys:
    """The tokens of the administrator and of the cluster's own parts, and the key that signs all others."""

    administrator: str = field(repr=False)
    inner: str = field(repr=False)
    signing: str = field(repr=False)


def new_keys() -> Keys:
    """Random ones."""
    return Keys(*(secrets.token_urlsafe(32) for _ in range(3)))


class Tokens:
    """Issues and recognises tokens."""

    def __init__(self, store: Store, keys: Keys) -> None:
        self._store = store
        self._keys = keys

    def user(self, token: str) -> User | None:
        """Whose token it is; ``None`` for a token that is not (or no longer) good."""
        if hmac.compare_digest(token.encode(), self._keys.inner.encode()):
            return INNER
        if hmac.compare_digest(token.encode(), self._keys.administrator.encode()):
            return ADMINISTRATOR
        claims = self._claims(token)
        return self._account(claims) if claims is not None else None

    def issue(self, account: Json, seconds: int, bound: Json | None, audiences: list[str]) -> tuple[str, float]:
        """A token of a service account object, and the moment it expires (seconds since the epoch).

        ``bound`` is the object, with its kind, whose end is the token's end.
        """
        metadata, now = account["metadata"], int(time.time())
        private: Json = {"namespace": metadata["namespace"]}
        private["serviceaccount"] = {"name": metadata["name"], "uid": metadata["uid"]}
        if bound is not None:
            private[bound["kind"].lower()] = {"name": bound["metadata"]["name"], "uid": bound["metadata"]["uid"]}
        claims: dict[str, Any] = {
            "iss": _ISSUER,
            "sub": f"system:serviceaccount:{metadata['namespace']}:{metadata['name']}",
            "aud": audiences or [AUDIENCE],
            "iat": now,
            "nbf": now,
            "exp": now + seconds,
            "jti": str(uuid.uuid4()),
            _PRIVATE: private,
        }
        return jwt.encode(claims, self._keys.signing, algorithm=_ALGORITHM), float(claims["exp"])

    def _claims(self, token: str) -> dict[str, Any] | None:
        try:
            return jwt.decode(token, self._keys.signing, algorithms=[_ALGORITHM], audience=AUDIENCE, issuer=_ISSUER)
        except jwt.InvalidTokenError:
            return None

    def _account(self, claims: dict[str, Any]) -> User | None:
        private = claims[_PRIVATE]
        namespace, account = private["namespace"], private["serviceaccount"]
        if not self._lives(SERVICE_ACCOUNTS, namespace, account):
            return None
        extra = {"authentication.kubernetes.io/credential-id": (f"JTI={claims['jti']}",)}
        for kind, resource in BOUND_KINDS.items():
            bound = private.get(kind.lower())
            if bound is not None and not self._lives(resource, namespace, bound):
                return None
        if pod := private.get("pod"):
            extra["authentication.kubernetes.io/pod-name"] = (pod["name"],)
            extra["authentication.kubernetes.io/pod-uid"] = (pod["uid"],)
        return service_account_user(namespace, account["name"], account["uid"], extra)

    def _lives(self, resource: Resource, namespace: str, reference: Json) -> bool:
        found = self._store.find(resource, (namespace, reference["name"]))
        return found is not None and found.uid == reference["uid"]
