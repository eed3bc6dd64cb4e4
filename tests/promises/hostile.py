"""A Kubernetes client that breaks at random: what `async_client_factory` names in a test.

The real client of the kubeconfig in HOSTILE_KUBECONFIG, whose requests raise, before they are sent or after they were
carried out, and whose answers break off: `RATE[0]` of all requests (0 heals it), and before that those of `NEXT`.
"""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import random
import ssl
from collections import Counter
from typing import Any

import aiohttp
import msgspec
from kubernetes.aio import client, config
from kubernetes.aio.client import ApiException

KUBECONFIG = "HOSTILE_KUBECONFIG"
BROKEN: list[Exception] = [
    ConnectionResetError("reset"),
    BrokenPipeError("pipe"),
    OSError(24, "Too many open files"),
    TimeoutError("late"),
    ssl.SSLError("bad record mac"),
    EOFError("the end"),
    asyncio.IncompleteReadError(b"", 5),
    aiohttp.ClientPayloadError("broke off"),
    aiohttp.ServerDisconnectedError(),
    ApiException(status=500, reason="raw"),
    json.JSONDecodeError("no JSON", "", 0),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no text"),
    msgspec.DecodeError("truncated"),
    pickle.PicklingError("cannot pickle"),
    RuntimeError("Session is closed"),
    KeyError("metadata"),
    IndexError("list index out of range"),
    AttributeError("no such attribute"),
    AssertionError("cannot be"),
    RecursionError("too deep"),
    MemoryError("no memory"),
    NotImplementedError("not here"),
    ValueError("odd"),
    Exception("nothing more is known"),
]
RATE = [0.0]
NEXT: list[Exception] = []
DICE = random.Random(19)
thrown: Counter[str] = Counter()


def befalls() -> Exception | None:
    """What happens now."""
    if NEXT:
        return NEXT.pop()
    if DICE.random() >= RATE[0]:
        return None
    error = DICE.choice(BROKEN)
    thrown[type(error).__name__] += 1
    return error


class HostileContent:
    """A body that breaks off."""

    def __init__(self, content: Any) -> None:
        self._content = content

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)

    async def iter_any(self) -> Any:
        async for chunk in self._content.iter_any():
            yield chunk
            error = befalls()
            if error is not None:
                raise error


async def make_client() -> client.ApiClient:
    configuration = client.Configuration()
    await config.load_kube_config(config_file=os.environ[KUBECONFIG], client_configuration=configuration)
    made = client.ApiClient(configuration)
    session = made.rest_client.pool_manager
    request = session.request

    async def hostile(*args: Any, **kwargs: Any) -> Any:
        error = befalls()
        if error is not None:
            raise error
        answer = await request(*args, **kwargs)
        error = befalls()
        if error is not None:
            answer.close()
            raise error
        answer.content = HostileContent(answer.content)
        return answer

    session.request = hostile
    return made
