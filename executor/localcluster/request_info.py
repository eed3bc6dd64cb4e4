"""A URL and a method, read as the API reads them (apiserver ``pkg/endpoints/request/requestinfo.go``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from executor.localcluster.resources import Resource, find_resource
from executor.localcluster.status import bad_request, method_not_allowed, unknown_resource
from executor.localcluster.users import ADMINISTRATOR, User

_NAMED = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_COLLECTION = {"GET": "list", "POST": "create", "DELETE": "deletecollection"}
_TRUE = frozenset({"", "1", "t", "T", "true", "TRUE", "True"})


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """What a request asks for: ``verb`` as RBAC names it, ``query`` the parameters as text, ``user`` who asks."""

    verb: str
    resource: Resource
    namespace: str
    name: str
    subresource: str
    query: Mapping[str, str]
    user: User = ADMINISTRATOR

    def flag(self, name: str) -> bool:
        """A boolean parameter; given without a value it is true, as in Go."""
        return name in self.query and self.query[name] in _TRUE

    def number(self, name: str) -> int | None:
        """A whole number, or ``None`` when absent or empty; raises a 400."""
        text = self.query.get(name, "")
        if not text:
            return None
        try:
            return int(text)
        except ValueError:
            message = f'strconv.ParseInt: parsing "{text}": invalid syntax'
            raise bad_request(f'Invalid value for parameter "{name}": {message}') from None

    def version(self) -> int | None:
        """The parameter ``resourceVersion``; ``None`` when unset; raises a 400."""
        text = self.query.get("resourceVersion", "")
        if text and not text.isdigit():
            raise bad_request(f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: invalid syntax')
        return int(text) if text else None

    @property
    def dry_run(self) -> bool:
        return self.query.get("dryRun", "") == "All"

    @property
    def attribute(self) -> str:
        """``pods`` or ``pods/log``: the resource as authorization sentences name it."""
        return f"{self.resource.plural}/{self.subresource}" if self.subresource else self.resource.plural


def _group_version(parts: list[str]) -> tuple[str, str, list[str]]:
    if len(parts) >= 2 and parts[0] == "api":
        return "", parts[1], parts[2:]
    if len(parts) >= 3 and parts[0] == "apis":
        return parts[1], parts[2], parts[3:]
    raise unknown_resource()


def _namespace(rest: list[str]) -> tuple[str, list[str]]:
    """``namespaces/x/pods/...`` is about pods in x; ``namespaces/x`` and ``namespaces/x/status`` about x itself."""
    if len(rest) >= 3 and rest[0] == "namespaces" and rest[2] not in ("status", "finalize"):
        return rest[1], rest[2:]
    return "", rest


def parse(method: str, path: str, query: Mapping[str, str], user: User = ADMINISTRATOR) -> RequestInfo:
    """The request of a resource path; raises 404 for what is no resource and 405 for what it does not offer."""
    group, version, rest = _group_version([part for part in path.split("/") if part])
    namespace, rest = _namespace(rest)
    plural, name, subresource, *deeper = [*rest, "", "", ""]
    resource = find_resource(group, version, plural)
    if resource is None or any(deeper) or subresource not in ("", *resource.subresources):
        raise unknown_resource()
    if namespace and not resource.namespaced:
        raise unknown_resource()
    info = RequestInfo(_verb(method, name, subresource, query), resource, namespace, name, subresource, query, user)
    if info.verb not in resource.verbs or not _has_its_place(info):
        raise method_not_allowed()
    return info


def _has_its_place(info: RequestInfo) -> bool:
    """Objects of a namespace are created and deleted together only in one that is named."""
    return bool(info.namespace) or not info.resource.namespaced or info.verb in ("list", "watch")


def _verb(method: str, name: str, subresource: str, query: Mapping[str, str]) -> str:
    """The verb as RBAC names it; empty for a method that says nothing here."""
    if subresource and method == "POST":
        return "create"
    verb = (_NAMED if name else _COLLECTION).get(method, "")
    if verb == "list" and query.get("watch", "false") in _TRUE:
        return "watch"
    return verb
