"""Facts about the cluster, by the executor's own credentials. Reads only; pods are posted with `dryRun=All`.

Nobody's Secret is read: whether one exists is asked by a list of its name that leaves the content out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import Any, Final

import msgspec

from executor.cli.doctor.facts import (
    LimitRange,
    Looked,
    Namespace,
    Permissions,
    PlannedPod,
    Quota,
    Reference,
    Server,
    Unread,
)
from executor.cli.doctor.references import CLAIM, CONFIG_MAP, PRIORITY_CLASS, PULL_SECRET, SECRET, SERVICE_ACCOUNT
from executor.cli.pods import Planned
from executor.cli.server_check import dry_run, judgement
from executor.errors import ApiError, Forbidden, NotFound, Transient
from executor.kube.check import VERBS, missing_permissions
from executor.kube.client import KubeApi
from executor.kube.requests import METADATA_LIST, Request, core_path
from executor.kube.transport import Transport

Json = Mapping[str, Any]
_CORE: Final = {CONFIG_MAP: "configmaps", SERVICE_ACCOUNT: "serviceaccounts", CLAIM: "persistentvolumeclaims"}
_PRIORITY_CLASSES: Final = "/apis/scheduling.k8s.io/v1/priorityclasses"
_WHO_AM_I: Final = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
VERSION: Final = Request("get", "version", "GET", "/version")


class Reader:
    """Asks one API server. Methods raise ApiError only where the answer is needed to go on."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def server(self) -> Server:
        """Raises ApiError where it does not answer or does not take the credentials."""
        user = await self._user()
        started = time.time()
        headers = await self._transport.headers(VERSION)
        now = (started + time.time()) / 2
        version = await self._try(VERSION)
        said = "" if isinstance(version, Unread | None) else str(version.get("gitVersion", ""))
        return Server(self._transport.host, said, user, _skew(headers.get("Date"), now))

    async def _user(self) -> str | Unread:
        """Who we are; served by Kubernetes 1.28 and later (page "Authenticating", SelfSubjectReview)."""
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        try:
            answer = await self._send(Request("create", "selfsubjectreviews", "POST", _WHO_AM_I, body=review))
        except (NotFound, Forbidden) as error:
            return Unread(str(error))
        return str(answer.get("status", {}).get("userInfo", {}).get("username", ""))

    async def permissions(self, namespace: str | None, *, secrets: bool) -> Permissions:
        """What is denied; secrets: they are used."""
        verbs = {resource: verbs for resource, verbs in VERBS.items() if secrets or resource != "secrets"}
        api = KubeApi(self._transport)
        try:
            await api.may("get", "pods", namespace)
            return Permissions(namespace, tuple(await missing_permissions(api, [namespace], verbs)))
        except ApiError as error:
            return Permissions(namespace, _unread(error))

    async def namespace(self, name: str) -> Namespace:
        """Whether it is there, and what it limits."""
        path = core_path(None, "namespaces", name)
        found = await self._try(Request("get", "namespaces", "GET", path))
        quotas = await self._list(name, "resourcequotas")
        limits = await self._list(name, "limitranges")
        return Namespace(
            name,
            found if isinstance(found, Unread | None) else str(found.get("status", {}).get("phase", "Active")),
            quotas if isinstance(quotas, Unread) else tuple(map(_quota, quotas)),
            limits if isinstance(limits, Unread) else tuple(map(_limit_range, limits)),
        )

    async def judged(self, where: str, planned: Planned) -> PlannedPod:
        """The pod, and what the API server thinks of it."""
        said: str | Unread | None = None
        try:
            await dry_run(self._transport, planned)
        except Transient as error:  # among them a quota that is full
            said = _unread(error)
        except ApiError as error:
            said = judgement(error, planned)
        return PlannedPod(where, planned.manifest, said)

    async def looked_up(self, references: Iterable[Reference]) -> list[Looked]:
        """Whether the objects exist."""
        wanted = list(references)
        found = await asyncio.gather(*map(self._exists, wanted))
        return [Looked(one, exists) for one, exists in zip(wanted, found, strict=True)]

    async def _exists(self, one: Reference) -> bool | Unread:
        if one.kind in (SECRET, PULL_SECRET):
            return await self._has_secret(one)
        if one.kind == PRIORITY_CLASS:
            resource, path = "priorityclasses", f"{_PRIORITY_CLASSES}/{one.name}"
        else:
            resource = _CORE[one.kind]
            path = core_path(one.namespace, resource, one.name)
        found = await self._try(Request("get", resource, "GET", path))
        return found if isinstance(found, Unread) else found is not None

    async def _has_secret(self, one: Reference) -> bool | Unread:
        query = {"fieldSelector": f"metadata.name={one.name}"}
        path = core_path(one.namespace, "secrets")
        found = await self._try(Request("list", "secrets", "GET", path, query, accept=METADATA_LIST))
        return found if isinstance(found, Unread) else bool((found or {}).get("items"))

    async def _list(self, namespace: str, resource: str) -> Sequence[Json] | Unread:
        found = await self._try(Request("list", resource, "GET", core_path(namespace, resource)))
        return found if isinstance(found, Unread) else (found or {}).get("items") or ()

    async def _try(self, request: Request) -> Json | Unread | None:
        """The answer; None for 404."""
        try:
            return await self._send(request)
        except NotFound:
            return None
        except Forbidden:
            return Unread(f"these credentials may not {request.verb} {request.resource}", forbidden=True)
        except ApiError as error:
            return _unread(error)

    async def _send(self, request: Request) -> Json:
        body = await self._transport.send(request)
        try:
            answer: Json = msgspec.json.decode(body, type=dict[str, Any])
        except msgspec.MsgspecError:
            raise ApiError(f"{self._transport.where(request)}: the answer is no JSON object") from None
        return answer


def _unread(error: ApiError) -> Unread:
    return Unread(str(error), isinstance(error, Forbidden))


def _skew(date: str | None, now: float) -> float | None:
    """Seconds that a Date header is ahead of now; half a second is what it leaves out on average."""
    try:
        return parsedate_to_datetime(date).timestamp() + 0.5 - now if date else None
    except ValueError:
        return None


def _quota(raw: Json) -> Quota:
    spec, status = raw.get("spec") or {}, raw.get("status") or {}
    scoped = bool(spec.get("scopes") or spec.get("scopeSelector"))
    hard = spec.get("hard") or {}
    return Quota(raw["metadata"]["name"], hard, status.get("used") or {}, scoped)


def _limit_range(raw: Json) -> LimitRange:
    """Only what concerns containers (Kubernetes page "Limit Ranges")."""
    limits = [one for one in (raw.get("spec") or {}).get("limits") or () if one.get("type") == "Container"]
    merged = LimitRange(raw["metadata"]["name"])
    for one in limits:
        merged = replace(
            merged,
            default={**merged.default, **(one.get("default") or {})},
            most={**merged.most, **(one.get("max") or {})},
        )
    return merged
