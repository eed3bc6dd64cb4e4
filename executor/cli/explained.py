"""A pod as YAML, line by line, with the layer that set each value and what that replaced."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from executor.cli.pods import Planned
from executor.manifest.builder import MUTATION_HOOK
from executor.manifest.provenance import Provenance

Keys = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the pod. `layer` is "" where the line only opens a map or list; `path` has elements by name."""

    text: str
    path: str
    layer: str = ""
    replaced: tuple[str, ...] = ()

    @property
    def origin(self) -> str:
        """The layer, and what it replaced, as one text."""
        return self.layer + "".join(f"; replaces {one}" for one in self.replaced)


def explained(planned: Planned, only: str | None = None) -> list[Line]:
    """Return the lines of a planned pod; `only` is a field path, with list elements by name or index."""
    lines = list(_Explainer(planned).lines(planned.manifest, (), 0, ""))
    if only is None:
        return lines
    wanted = Provenance(planned.built.provenance.layers, dict(planned.manifest)).readable(only) or only
    return [line for line in lines if _within(line.path, wanted) or _within(line.path, only)]


def _within(path: str, wanted: str) -> bool:
    return path == wanted or path.startswith((f"{wanted}.", f"{wanted}["))


class _Explainer:
    def __init__(self, planned: Planned) -> None:
        self._before = planned.built.manifest
        self._provenance = Provenance(planned.built.provenance.layers, dict(planned.manifest))

    def lines(self, value: Any, keys: Keys, indent: int, path: str) -> Iterator[Line]:
        """Lines of a map's or list's entries, indented by `indent` blanks."""
        entries = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in entries:
            inner = (*keys, key)
            where = self._path(path, key, item, inner)
            head = f"{_scalar(key)}:" if isinstance(value, dict) else "-"
            if not _opens(item):
                yield self._leaf(f"{' ' * indent}{head} {_flow(item)}", item, inner, where)
            elif isinstance(value, dict):
                yield Line(f"{' ' * indent}{head}", where)
                yield from self.lines(item, inner, indent + 2, where)
            else:
                yield from _on_dash(self.lines(item, inner, indent + 2, where), indent)

    def _path(self, path: str, key: str | int, item: Any, keys: Keys) -> str:
        if isinstance(key, str):
            return f"{path}.{key}" if path else key
        by = self._provenance.element_key(keys)
        return f"{path}[{item[by] if by and isinstance(item, dict) and by in item else key}]"

    def _leaf(self, text: str, value: Any, keys: Keys, path: str) -> Line:
        history = self._provenance.history(keys)
        before = _at(self._before, keys)
        if before != value:
            return Line(text, path, MUTATION_HOOK, (_was(history[-1]),) if before is not None and history else ())
        if not history:
            return Line(text, path, "executor")
        *lower, (layer, _) = history
        different = [one for one in lower if one[1] != value]
        return Line(text, path, layer, tuple(_was(one) for one in reversed(different)))


def _was(one: tuple[str, Any]) -> str:
    layer, value = one
    text = _flow(value)
    return f"{text if len(text) <= 60 else text[:57] + '...'} of {layer}"


def _opens(value: Any) -> bool:
    """Whether a value has lines of its own: lists of plain values are one line."""
    if isinstance(value, dict):
        return bool(value)
    return isinstance(value, list) and any(isinstance(item, dict | list) for item in value)


def _on_dash(lines: Iterator[Line], indent: int) -> Iterator[Line]:
    """The first line of a list's element stands beside its dash."""
    first = next(lines)
    yield Line(f"{' ' * indent}- {first.text.lstrip()}", first.path, first.layer, first.replaced)
    yield from lines


def _scalar(value: Any) -> str:
    return _flow(str(value))


def _flow(value: Any) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, width=float("inf"), allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...").rstrip("\n")


def _at(value: Any, keys: Keys) -> Any:
    for key in keys:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return None
    return value
