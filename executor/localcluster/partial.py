"""Answers as ``PartialObjectMetadata``: an object, or a list of them, without spec, status and data.

Asked for by the ``Accept`` header (API concepts, "Metadata-only fetches").
"""

from __future__ import annotations

from collections.abc import Sequence

from executor.localcluster.types import Json

API_VERSION = "meta.k8s.io/v1"
_KIND = "PartialObjectMetadata"


def wanted(accept: str, kind: str = _KIND) -> bool:
    """Whether the first of the ``Accept`` header's choices is metadata only."""
    first = accept.split(",")[0].replace(" ", "").split(";")
    return {f"as={kind}", "g=meta.k8s.io", "v=v1"} <= set(first)


def list_wanted(accept: str) -> bool:
    """The same for lists, which have a kind of their own."""
    return wanted(accept, f"{_KIND}List")


def partial(obj: Json) -> Json:
    """The metadata of an object; anything else, such as the Status of a deletion, has none."""
    return {"kind": _KIND, "apiVersion": API_VERSION, "metadata": obj["metadata"]}


def partial_list(objects: Sequence[Json], metadata: Json) -> Json:
    return {
        "kind": f"{_KIND}List",
        "apiVersion": API_VERSION,
        "metadata": metadata,
        "items": [partial(obj) for obj in objects],
    }
