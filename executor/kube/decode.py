"""Bytes to values, in one typed pass; what is not named in a view is never built.

A pod that does not fit the view (a null where Go promises none) is read again leniently, so that one odd pod does not
hide the others.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

import msgspec

from executor.kube.port import PodEvent, SecretRef
from executor.observe.pod_view import ListMeta, PodList, PodView, View

log = logging.getLogger(__name__)


class MetadataOnly(View, frozen=True):
    """An object of which only name, namespace and uid matter."""

    class Meta(View, frozen=True):
        name: str = ""
        namespace: str = ""
        uid: str = ""

    metadata: Meta = Meta()


class _SecretMeta(View, frozen=True):
    name: str = ""
    namespace: str = ""
    creation_timestamp: datetime | None = None


class _Secret(View, frozen=True):
    metadata: _SecretMeta = _SecretMeta()


class SecretList(View, frozen=True):
    metadata: ListMeta = ListMeta()
    items: tuple[_Secret, ...] | None = None


class _Series(View, frozen=True):
    count: int | None = None
    last_observed_time: datetime | None = None


class _Event(View, frozen=True):
    reason: str | None = None
    message: str | None = None
    type: str | None = None
    count: int | None = None
    last_timestamp: datetime | None = None
    event_time: datetime | None = None
    series: _Series | None = None


class _EventList(View, frozen=True):
    items: tuple[_Event, ...] | None = None


class Review(View, frozen=True):
    """The answer to a SelfSubjectAccessReview."""

    class Status(View, frozen=True):
        allowed: bool = False

    status: Status = Status()


class _LooseList(View, frozen=True):
    metadata: ListMeta = ListMeta()
    items: list[Any] | None = None


_pod = msgspec.json.Decoder(PodView)
_pods = msgspec.json.Decoder(PodList)
_loose_list = msgspec.json.Decoder(_LooseList)
_secrets = msgspec.json.Decoder(SecretList)
_events = msgspec.json.Decoder(_EventList)
_metadata = msgspec.json.Decoder(MetadataOnly)
_review = msgspec.json.Decoder(Review)


def pod(body: bytes) -> PodView:
    """One pod. Raises msgspec.MsgspecError when it is none."""
    try:
        return _pod.decode(body)
    except msgspec.ValidationError:
        return lenient_pod(msgspec.json.decode(body))


def pod_list(body: bytes) -> PodList:
    """One page of pods. Raises msgspec.MsgspecError when it is none."""
    try:
        return _pods.decode(body)
    except msgspec.ValidationError:
        page = _loose_list.decode(body)
        return PodList(metadata=page.metadata, items=tuple(_readable(page.items or [])))


def lenient_pod(raw: object) -> PodView:
    """A decoded pod with nulls taken out, which is how Kubernetes reads them too. Raises msgspec.ValidationError."""
    return msgspec.convert(_without_nulls(raw), PodView, strict=False)


def secret_list(body: bytes) -> SecretList:
    """One page of Secrets, without their data."""
    return _secrets.decode(body)


def secret_ref(secret: _Secret) -> SecretRef:
    """A Secret of a page as the port shows it."""
    meta = secret.metadata
    return SecretRef(meta.namespace, meta.name, meta.creation_timestamp)


def pod_events(body: bytes) -> list[PodEvent]:
    """Events, oldest first; those without any time come first."""
    events = [_pod_event(event) for event in _events.decode(body).items or ()]
    return sorted(events, key=lambda event: event.last_seen.timestamp() if event.last_seen else 0.0)


def metadata(body: bytes) -> MetadataOnly.Meta:
    """Name, namespace and uid of any object."""
    return _metadata.decode(body).metadata


def allowed(body: bytes) -> bool:
    """Whether an access review says yes."""
    return _review.decode(body).status.allowed


def _pod_event(event: _Event) -> PodEvent:
    series = event.series or _Series()
    return PodEvent(
        reason=event.reason or "",
        message=event.message or "",
        type=event.type or "",
        count=series.count or event.count or 1,
        last_seen=series.last_observed_time or event.last_timestamp or event.event_time,
    )


def _readable(items: list[Any]) -> list[PodView]:
    pods = []
    for item in items:
        try:
            pods.append(lenient_pod(item))
        except msgspec.ValidationError as error:
            log.warning("A pod in a list could not be read and is left out: %s", error)
    return pods


def _without_nulls(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value if item is not None]
    return value
