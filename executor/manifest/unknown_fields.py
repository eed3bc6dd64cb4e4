"""Fields of a pod that the table of known ones lacks, for checks without an API server.

At a launch the API server judges, because clusters are newer than the table. Where nobody has asked it yet, a field
that is not known but resembles one that is was most likely meant to be that one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from executor.manifest.explain import nearest_field
from executor.manifest.model import BuiltPod
from executor.manifest.pod_schema import POD, fields_of


@dataclass(frozen=True, slots=True)
class UnknownField:
    """`path` with list elements by name, the `layer` that set it, and the known field it may mean."""

    layer: str
    path: str
    near: str | None

    def __str__(self) -> str:
        hint = f"; did you mean {self.near}?" if self.near else " (a newer Kubernetes may know it)"
        return f"{self.layer}: {self.path} is a field that is not known{hint}"


def unknown_fields(built: BuiltPod) -> list[UnknownField]:
    """Return the unknown fields of a pod, in its order."""
    found = []
    for path in _unknown(built.manifest, POD, ""):
        provenance = built.provenance
        found.append(UnknownField(provenance.layer_of(path), provenance.readable(path), nearest_field(path)))
    return found


def _unknown(value: Any, model: str | None, path: str) -> Iterator[str]:
    """Paths of what `model` has no field for; what the table does not describe is not walked."""
    known = fields_of(model)
    if not known or not isinstance(value, dict):
        return
    for name, item in value.items():
        here = f"{path}.{name}" if path else name
        if name not in known:
            yield here
            continue
        shape, leaf = known[name]
        if shape == "list" and isinstance(item, list):
            for index, element in enumerate(item):
                yield from _unknown(element, leaf, f"{here}[{index}]")
        elif shape == "object":
            yield from _unknown(item, leaf, here)
