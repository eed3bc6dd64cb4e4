"""The question whether somebody may do something, and its two answers: everything, or what roles grant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from executor.localcluster.request_info import RequestInfo
from executor.localcluster.status import ApiError, forbidden
from executor.localcluster.types import Json
from executor.localcluster.users import AUTHENTICATED, User


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is asked for, in the words of RBAC; ``path`` only for what is no resource."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def full_resource(self) -> str:
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether it is allowed; ``reason`` as reviews and refusals give it, often empty."""

    allowed: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Grants:
    """Rules as RBAC objects have them, for resources and for other paths; ``errors`` of roles that are not there."""

    resource_rules: list[Json]
    path_rules: list[Json]
    errors: list[str]


class Authorizer(Protocol):
    """Decides about requests."""

    def decide(self, user: User, asked: Attributes) -> Decision: ...

    def grants(self, user: User, namespace: str) -> Grants:
        """Everything the user may do in a namespace."""
        ...


class AllowAll:
    """Without ``--rbac`` whoever has a token may do everything."""

    def decide(self, user: User, asked: Attributes) -> Decision:
        return Decision(True)

    def grants(self, user: User, namespace: str) -> Grants:
        every = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
        return Grants([every], [{"verbs": ["*"], "nonResourceURLs": ["*"]}], [])


def attributes_of(info: RequestInfo) -> Attributes:
    """The question that a request stands for (apiserver ``pkg/endpoints/request/requestinfo.go``)."""
    return Attributes(
        info.verb, info.resource.group, info.resource.plural, info.subresource, _namespace(info), _name(info)
    )


def _namespace(info: RequestInfo) -> str:
    """A namespace itself counts as being in itself."""
    return info.name if info.resource.kind == "Namespace" else info.namespace


def _name(info: RequestInfo) -> str:
    """The name in the path, or the one that a field selector insists on."""
    selector = info.query.get("fieldSelector", "")
    if info.name or info.verb not in ("list", "watch", "deletecollection"):
        return info.name
    names = [part.removeprefix("metadata.name=") for part in selector.split(",") if part.startswith("metadata.name=")]
    return names[0].removeprefix("=") if names else ""


def require(authorizer: Authorizer, info: RequestInfo) -> None:
    """Raise the 403 of a request that is not allowed.

    Exec and attach over a websocket are GET requests and need ``create`` all the same
    (``pkg/registry/core/pod/rest/subresources.go``; its refusal gives no reason).
    """
    if info.user.inner:
        return
    asked = attributes_of(info)
    decision = authorizer.decide(info.user, asked)
    if not decision.allowed:
        raise refusal(info, asked.namespace, decision.reason)
    if info.verb == "get" and info.subresource in ("exec", "attach"):
        create = Attributes("create", asked.group, asked.resource, asked.subresource, asked.namespace, asked.name)
        if not authorizer.decide(info.user, create).allowed:
            raise forbidden(info.resource, info.name, "")


def impersonated(authorizer: Authorizer, user: User, headers: Mapping[str, str]) -> User:
    """Whom the caller asks to be treated as (``kubectl --as``); raises the 403 of who may not.

    Source: Kubernetes page "User Impersonation". Excluded: the headers of uid and extra fields.
    """
    name = headers.get("Impersonate-User", "")
    groups = tuple(value for key, value in headers.items() if key.lower() == "impersonate-group")
    if not name:
        return user
    for resource, wanted in [("users", name), *(("groups", group) for group in groups)]:
        if not authorizer.decide(user, Attributes("impersonate", resource=resource, name=wanted)).allowed:
            what = f'resource "{resource}" in API group "" at the cluster scope'
            message = f'{resource} "{wanted}" is forbidden: User "{user.name}" cannot impersonate {what}'
            raise ApiError(403, "Forbidden", message, {"name": wanted, "kind": resource})
    return User(name, (*groups, AUTHENTICATED))


def refusal(info: RequestInfo, namespace: str, reason: str = "") -> ApiError:
    """The 403 with its sentence (apiserver ``pkg/endpoints/handlers/responsewriters/errors.go``)."""
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    what = f'resource "{info.attribute}" in API group "{info.resource.group}"'
    sentence = f'User "{info.user.name}" cannot {info.verb} {what} {where}'
    return forbidden(info.resource, info.name, f"{sentence}: {reason}" if reason else sentence)
