"""A plain asyncio client of an API server, by kubeconfig with a token: the peer that load is measured with."""

from __future__ import annotations

import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml


def _named(document: dict[str, Any], plural: str, singular: str) -> dict[str, Any]:
    contexts = {one["name"]: one["context"] for one in document["contexts"]}
    name = contexts[document["current-context"]][singular]
    found: dict[str, Any] = next(one[singular] for one in document[plural] if one["name"] == name)
    return found


def read(kubeconfig: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(Path(kubeconfig).read_text())
    return document


@asynccontextmanager
async def connect(kubeconfig: str) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    """(session with credentials, base URL)."""
    document = read(kubeconfig)
    cluster, user = _named(document, "clusters", "cluster"), _named(document, "users", "user")
    trust: ssl.SSLContext | bool = True
    if "certificate-authority-data" in cluster:
        trust = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
    connector = aiohttp.TCPConnector(ssl=trust, limit=100)
    timeout = aiohttp.ClientTimeout(total=None, sock_read=None)
    async with aiohttp.ClientSession(connector=connector, headers=headers, timeout=timeout) as session:
        yield session, cluster["server"]
