"""A bare client: what a server answers is compared as it came, without a library in between."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml

Json = dict[str, Any]
PATIENCE = 60.0
"""Seconds, wherever a limit is only reached when something is wrong; a process may stand still for some of them."""
PATCH_TYPES = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}


@dataclass(frozen=True, slots=True)
class Access:
    """Where an API server is and how to be let in; read from a kubeconfig's current context."""

    url: str
    token: str
    context: ssl.SSLContext | bool

    @classmethod
    def from_kubeconfig(cls, path: Path) -> Access:
        config = yaml.safe_load(path.read_text())
        context = _named(config["contexts"], config["current-context"])["context"]
        cluster = _named(config["clusters"], context["cluster"])["cluster"]
        user = _named(config["users"], context["user"])["user"]
        return cls(cluster["server"], user.get("token", ""), _ssl_context(cluster, user, path.parent))


def _named(entries: list[Json], name: str) -> Json:
    return next(entry for entry in entries if entry["name"] == name)


def _ssl_context(cluster: Json, user: Json, folder: Path) -> ssl.SSLContext | bool:
    if not cluster["server"].startswith("https"):
        return True
    authority = cluster.get("certificate-authority-data")
    context = (
        ssl.create_default_context(cadata=base64.b64decode(authority).decode())
        if authority
        else ssl.create_default_context(cafile=cluster.get("certificate-authority"))
    )
    if "client-certificate-data" in user:
        pem = base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"])
        path = folder / "contract-client.pem"
        path.touch(mode=0o600)
        path.write_bytes(pem)
        context.load_cert_chain(path)
        path.unlink()
    return context


@dataclass(frozen=True, slots=True)
class Answer:
    """Status code, decoded body and headers of an answer."""

    code: int
    body: Json
    headers: Mapping[str, Any]
    text: str = ""

    @property
    def message(self) -> str:
        return str(self.body.get("message", ""))

    @property
    def causes(self) -> list[tuple[str, str, str]]:
        """(reason, field, message) of each cause."""
        details = self.body.get("details") or {}
        return [(c.get("reason", ""), c.get("field", ""), c.get("message", "")) for c in details.get("causes") or ()]


class Api:
    """Requests to one server; ``namespace`` is the test's own."""

    def __init__(self, session: aiohttp.ClientSession, access: Access, namespace: str = "") -> None:
        self.session = session
        self.access = access
        self.namespace = namespace

    def path(self, plural: str, name: str = "") -> str:
        path = f"/api/v1/namespaces/{self.namespace}/{plural}"
        return f"{path}/{name}" if name else path

    async def call(self, method: str, path: str, body: Any = None, content_type: str = "", **query: str) -> Answer:
        data = None
        if body is not None:
            data = io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
        headers = {"Content-Type": content_type or "application/json"}
        url = f"{self.access.url}{path}"
        async with self.session.request(method, url, data=data, params=query, headers=headers) as answer:
            text = await answer.text()
            parsed = json.loads(text) if text.startswith("{") else {}
            return Answer(answer.status, parsed, answer.headers.copy(), text)

    async def get(self, path: str, **query: str) -> Answer:
        return await self.call("GET", path, **query)

    async def create(self, plural: str, body: Any, **query: str) -> Answer:
        return await self.call("POST", self.path(plural), body, **query)

    async def created(self, plural: str, body: Json, **query: str) -> Json:
        """Create and insist that it worked."""
        answer = await self.create(plural, body, **query)
        assert answer.code == 201, answer.text
        return answer.body

    async def patch(self, path: str, kind: str, body: Any, **query: str) -> Answer:
        return await self.call("PATCH", path, body, PATCH_TYPES[kind], **query)

    async def delete(self, path: str, options: Json | None = None, **query: str) -> Answer:
        return await self.call("DELETE", path, options, **query)

    async def is_full(self) -> bool:
        """Whether a quota keeps pods out; admission knows a new one only once a controller has taken it up."""
        return (await self.create("pods", pod("probe"), dryRun="All")).code == 403

    async def version(self, plural: str = "pods") -> str:
        """The newest resourceVersion, from a list."""
        answer = await self.get(self.path(plural))
        return str(answer.body["metadata"]["resourceVersion"])

    @asynccontextmanager
    async def watch(self, plural: str, **query: str) -> AsyncIterator[Watch]:
        """Events of a watch in the test's namespace."""
        params = {"watch": "true", "timeoutSeconds": "60", **query}
        async with self.session.get(f"{self.access.url}{self.path(plural)}", params=params) as answer:
            assert answer.status == 200, await answer.text()
            yield Watch(answer)


class Watch:
    """An open watch; every wait for an event is bounded."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def next(self, seconds: float = PATIENCE) -> tuple[str, Json]:
        """The next event as (type, object)."""
        async with asyncio.timeout(seconds):
            line = await self._answer.content.readline()
        assert line, "the watch ended"
        event = json.loads(line)
        return event["type"], event["object"]

    async def names(self, count: int) -> list[tuple[str, str]]:
        """(type, name) of the next events."""
        events = [await self.next() for _ in range(count)]
        return [(kind, obj["metadata"]["name"]) for kind, obj in events]

    async def rest(self, seconds: float = PATIENCE) -> list[tuple[str, Json]]:
        """All events until the server ends the watch."""
        async with asyncio.timeout(seconds):
            text = await self._answer.content.read()
        events = [json.loads(line) for line in text.splitlines()]
        return [(event["type"], event["object"]) for event in events]


async def eventually(check: Any, seconds: float = PATIENCE) -> Any:
    """Wait until an async check gives something true; what it gave last otherwise fails the test."""
    async with asyncio.timeout(seconds):
        while not (found := await check()):  # noqa: ASYNC110, the state is another process's
            await asyncio.sleep(0.05)
    return found


def pod(name: str = "", **spec: Any) -> Json:
    """A pod that no scheduler takes (a gate holds it), so that it behaves alike with and without nodes."""
    base: Json = {
        "containers": [{"name": "base", "image": "registry.example/none:1"}],
        "schedulingGates": [{"name": "example.com/contract"}],
        **spec,
    }
    base = {key: value for key, value in base.items() if value is not None}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name} if name else {}, "spec": base}


def container(name: str = "base", **fields: Any) -> Json:
    return {"name": name, "image": "registry.example/none:1", **fields}


def config_map(name: str, labels: Mapping[str, str] | None = None, **data: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": dict(labels or {})},
        "data": data,
    }


def event(name: str, namespace: str, **fields: Any) -> Json:
    """An event about a pod ``p``."""
    subject = {"kind": "Pod", "namespace": namespace, "name": "p", "uid": "u-1"}
    return {"metadata": {"name": name}, "involvedObject": subject, "reason": "Because", "type": "Normal", **fields}
