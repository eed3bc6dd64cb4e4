"""Whether our credentials may do what we do: asked once at start, and by `doctor`.

VERBS is exactly what `requests` sends; the chart's Role grants exactly this.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from executor.errors import NotFound, Refused
from executor.kube.client import KubeApi

VERBS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "pods": ("create", "get", "list", "watch", "delete", "patch"),
        "pods/log": ("get",),
        "secrets": ("create", "patch", "list", "delete"),
        "events": ("list",),
    }
)


@dataclass(frozen=True, slots=True)
class Missing:
    """A permission the API server denies us. A namespace of None means all namespaces."""

    verb: str
    resource: str
    namespace: str | None

    def __str__(self) -> str:
        where = "in every namespace (ClusterRole)" if self.namespace is None else f"in namespace {self.namespace}"
        return f"{self.verb} {self.resource} {where}"


async def missing_permissions(
    api: KubeApi, namespaces: Sequence[str | None], verbs: Mapping[str, Sequence[str]] = VERBS
) -> list[Missing]:
    """What is missing, in the order of `namespaces` and `verbs`; empty where the API serves no access reviews.

    One SelfSubjectAccessReview (Authorization, Kubernetes docs) per namespace, resource and verb. Raises Transient
    errors of the API.
    """
    wanted = [Missing(verb, resource, ns) for ns in namespaces for resource, some in verbs.items() for verb in some]
    try:
        answers = await asyncio.gather(*(_may(api, one) for one in wanted))
    except NotFound:
        return []
    return [one for one, granted in zip(wanted, answers, strict=True) if not granted]


async def _may(api: KubeApi, one: Missing) -> bool:
    try:
        return await api.may(one.verb, one.resource, one.namespace)
    except NotFound:
        raise
    except Refused:
        return True  # it may not even be asked; the first real request will say
