"""Which layer set a field of a built pod. Costs nothing at build time: the layers are kept and walked when asked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from executor.manifest.merge_rules import merge_key
from executor.manifest.model import JsonMap
from executor.manifest.pod_schema import POD, fields_of

# Maps that every layer adds to. The API server names them as a whole where one key or value in them is wrong.
SHARED_MAPS = frozenset({"metadata.labels", "metadata.annotations"})

_STEP = re.compile(r"\[([^\]]*)\]|([^.\[\]]+)")


@dataclass(frozen=True, slots=True)
class Layer:
    """A source of fields: its name in messages and what it said, as a patch."""

    name: str
    data: JsonMap = field(repr=False)


@dataclass(frozen=True, slots=True)
class Provenance:
    """The layers of one pod, lowest first, and the pod they gave."""

    layers: tuple[Layer, ...]
    manifest: JsonMap = field(repr=False)

    def layer_of(self, path: str) -> str:
        """Return the name of the layer that set `path`; of the nearest field above if no layer names the field itself.

        `path` is a field path with list elements by name or index: `spec.containers[base].env[0].value`.
        Of all labels, or all annotations, together it names every layer that wrote some.
        """
        steps = self.steps(path)
        if path in SHARED_MAPS:
            return self._whose_map(steps)
        while steps:
            for layer in reversed(self.layers):
                if _has(layer.data, steps):
                    return layer.name
            steps = steps[:-1]
        return self.layers[0].name if self.layers else ""

    def _whose_map(self, steps: list[Step]) -> str:
        """All layers that a person wrote it in; the executor's own, the last one, only if there is no other."""
        names = [layer.name for layer in self.layers if _has(layer.data, steps)]
        return " or ".join(names[:-1] or names)

    def history(self, keys: Sequence[str | int]) -> tuple[tuple[str, Any], ...]:
        """Return (layer, value) for each layer that has a value at `keys`, lowest first: the last one set it.

        `keys` are field names and list indexes; nothing in a name has a meaning, unlike in a path.
        """
        steps = self._steps([(str(key), "") if isinstance(key, int) else ("", key) for key in keys])
        found = [(layer.name, _get(layer.data, steps)) for layer in self.layers]
        return tuple((name, value) for name, value in found if value is not None)

    def element_key(self, keys: Sequence[str | int]) -> str | None:
        """Return the field by which the list element at `keys` is known; None for one known by its index."""
        return self._steps([(str(key), "") if isinstance(key, int) else ("", key) for key in keys])[-1].by

    def steps(self, path: str) -> list[Step]:
        """Return `path` as steps, elements of keyed lists found by key instead of by index."""
        return self._steps(_STEP.findall(path))

    def _steps(self, parts: Iterable[tuple[str, str]]) -> list[Step]:
        """Each part is an element of a list, or a field."""
        steps: list[Step] = []
        value: Any = self.manifest
        model: str | None = POD
        by: str | None = None
        for element, name in parts:
            if name:
                steps.append(Step(name, None))
                by = merge_key(model, name)
                known = fields_of(model).get(name)
                model = known.leaf if known else None
                value = value.get(name) if isinstance(value, dict) else None
            else:
                value = _element(value, element, by)
                key = value.get(by) if by and isinstance(value, dict) else None
                steps.append(Step(element if key is None else str(key), by if key is not None else None))
        return steps

    def readable(self, path: str) -> str:
        """Return `path` with the elements of keyed lists by their key."""
        text = "".join(f"[{s.name}]" if s.element else f".{s.name}" for s in _with_kind(path, self.steps(path)))
        return text.removeprefix(".")


@dataclass(frozen=True, slots=True)
class Step:
    """A field, or a list element: by the value `name` of key `by`, or by index where `by` is None."""

    name: str
    by: str | None
    element: bool = False


def _with_kind(path: str, steps: list[Step]) -> list[Step]:
    kinds = [bool(element) for element, _ in _STEP.findall(path)]
    return [Step(step.name, step.by, kind) for step, kind in zip(steps, kinds, strict=True)]


def _element(value: Any, name: str, by: str | None) -> Any:
    if not isinstance(value, list):
        return None
    if by:
        for item in value:
            if isinstance(item, dict) and str(item.get(by)) == name:
                return item
    return value[int(name)] if name.isdigit() and int(name) < len(value) else None


def _has(value: Any, steps: list[Step]) -> bool:
    return _get(value, steps) is not None


def _get(value: Any, steps: list[Step]) -> Any:
    for step in steps:
        if isinstance(value, list):
            value = _element(value, step.name, step.by)
        else:
            value = value.get(step.name) if isinstance(value, dict) else None
        if value is None:
            return None
    return value
