"""Service account tokens for volumes, asked of the API as the kubelet does (Kubernetes: "Managing Service Accounts",
bound tokens): for the pod only, and a new one when four fifths of its life are over.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from executor.localcluster.node.api import ApiClient, Json

TOKEN_SECONDS = 3600
RENEW_AT = 0.8


@dataclass(frozen=True, slots=True)
class TokenKey:
    """What a serviceAccountToken source asks for. audience: "" for the API's own."""

    audience: str
    seconds: int


@dataclass(frozen=True, slots=True)
class Token:
    """renew_at: on the clock of `time.monotonic`."""

    text: str = field(repr=False)
    renew_at: float


def token_key(source: Json) -> TokenKey:
    return TokenKey(source.get("audience") or "", source.get("expirationSeconds") or TOKEN_SECONDS)


def token_keys(volumes: Iterable[Json]) -> set[TokenKey]:
    sources = [source for volume in volumes for source in (volume.get("projected") or {}).get("sources") or ()]
    return {token_key(source["serviceAccountToken"]) for source in sources if source.get("serviceAccountToken")}


async def request_token(api: ApiClient, pod: Json, key: TokenKey) -> Token:
    """Raises ApiError, one of `api.UNREACHABLE`."""
    metadata = pod["metadata"]
    bound = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
    spec: Json = {"expirationSeconds": key.seconds, "boundObjectRef": bound}
    if key.audience:
        spec["audiences"] = [key.audience]
    account = pod["spec"].get("serviceAccountName") or "default"
    path = f"/api/v1/namespaces/{metadata['namespace']}/serviceaccounts/{account}/token"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    status = (await api.post(path, body))["status"]
    life = datetime.fromisoformat(status["expirationTimestamp"]).timestamp() - time.time()
    return Token(status["token"], time.monotonic() + RENEW_AT * life)
