"""YAML as sigs.k8s.io/yaml reads it (go-yaml v2, then JSON): `y` is true, `0o12` is 10, a date is text, keys are text.

Built from PyYAML's events with a stack of its own, so that neither depth nor aliases can exhaust the process; of
several documents the first counts.
"""

from __future__ import annotations

import base64
import binascii
import math
import struct
from dataclasses import dataclass, field
from typing import Any

import yaml

from executor.templating.errors import Refusal
from executor.templating.limits import MAX_DEPTH, MAX_ITEMS, MAX_OUTPUT
from executor.templating.printing import float_text
from executor.templating.values import Int64, Value
from executor.templating.yaml_words import resolve

_Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_TAG = "tag:yaml.org,2002:"
_MERGE = object()


class YamlFault(Refusal):
    """A text that is not YAML. line and column: from 1, in that text; plain: the problem without Helm's own place."""

    def __init__(self, problem: str, line: int, column: int, go_line: int = 0) -> None:
        where = f"line {go_line}: " if go_line else ""
        super().__init__(f"error converting YAML to JSON: yaml: {where}{problem}")
        self.plain = f"yaml: {problem}"
        self.line = line
        self.column = column


@dataclass(slots=True)
class _Open:
    """A map or list whose end has not been read."""

    value: dict[str, Value] | list[Value]
    anchor: str | None
    key: Any = field(default=None)
    has_key: bool = False


def load(text: str, *, floats: bool) -> Value:
    """The value of the first document, None if there is none. floats: every number becomes a float64.

    Raises YamlFault for a text that is not YAML, Refusal for one that JSON cannot hold.
    """
    documents = load_all(text, floats=floats, most=1)
    return documents[0] if documents else None


def load_all(text: str, *, floats: bool, most: int = MAX_ITEMS) -> list[Value]:
    """The values of the first documents; see load."""
    if len(text) > MAX_OUTPUT:
        raise Refusal(f"the YAML is longer than {MAX_OUTPUT} characters")
    builder = _Builder(floats)
    try:
        for event in yaml.parse(text, Loader=_Loader):
            if builder.take(event) and len(builder.results) >= most:
                break
    except yaml.MarkedYAMLError as error:
        raise _fault(error) from None
    except (yaml.YAMLError, UnicodeError) as error:
        position = getattr(error, "position", 0)
        line = text.count("\n", 0, position) + 1 if isinstance(position, int) else 1
        raise YamlFault("control characters are not allowed", line, 1) from None
    return builder.results


def _fault(error: yaml.MarkedYAMLError) -> YamlFault:
    """go-yaml names the line of the context, and only a scanner's counts from 1."""
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    go_mark = error.context_mark if error.context_mark and error.context_mark.line else error.problem_mark
    go_line = go_mark.line if go_mark else 0
    if go_line and isinstance(error, yaml.scanner.ScannerError):
        go_line += 1
    return YamlFault(error.problem or "this is not YAML", line, column, go_line)


class _Builder:
    """Values out of events."""

    def __init__(self, floats: bool) -> None:
        self.results: list[Value] = []
        self._floats = floats
        self._stack: list[_Open] = []
        self._anchors: dict[str, Value] = {}
        self._left = MAX_ITEMS

    def take(self, event: yaml.Event) -> bool:
        """Take one event; True when the first document is complete."""
        if isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event)
            self._remember(event.anchor, value)
            self._add(value)
        elif isinstance(event, yaml.AliasEvent):
            self._add(self._alias(event))
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._open(event)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            done = self._stack.pop()
            self._remember(done.anchor, done.value)
            self._add(done.value)
        return isinstance(event, yaml.DocumentEndEvent)

    def _open(self, event: Any) -> None:
        if len(self._stack) >= MAX_DEPTH:
            raise YamlFault(f"nested deeper than {MAX_DEPTH} levels", event.start_mark.line + 1, 1)
        self._stack.append(_Open({} if isinstance(event, yaml.MappingStartEvent) else [], event.anchor))

    def _remember(self, anchor: str | None, value: Value) -> None:
        if anchor is not None:
            self._anchors[anchor] = value

    def _alias(self, event: Any) -> Value:
        if event.anchor not in self._anchors:
            raise YamlFault(f"unknown anchor '{event.anchor}' referenced", event.start_mark.line + 1, 1)
        return self._copy(self._anchors[event.anchor])

    def _copy(self, value: Value) -> Value:
        self._count()
        if isinstance(value, dict):
            return {key: self._copy(item) for key, item in value.items()}
        return [self._copy(item) for item in value] if isinstance(value, list) else value

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Refusal(f"the YAML has more than {MAX_ITEMS} parts")

    def _scalar(self, event: Any) -> Value:
        if event.tag is not None and event.tag != "!":
            return self._tagged(event)
        if event.tag is None and ((event.implicit[0] and event.style is None) or event.style == ""):
            return _MERGE if event.value == "<<" else resolve(event.value)
        return event.value

    def _tagged(self, event: Any) -> Value:
        tag = event.tag.removeprefix(_TAG)
        value = resolve(event.value)
        if tag == "float" and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        kinds: dict[str, type] = {"int": int, "float": float, "bool": bool, "null": type(None)}
        if tag in kinds and type(value) is not kinds[tag]:
            raise YamlFault(f"cannot decode !!str `{event.value}` as a !!{tag}", event.start_mark.line + 1, 1)
        if tag == "binary":
            return _binary(event)
        return value if tag in kinds else event.value

    def _add(self, value: Value) -> None:
        self._count()
        if not self._stack:
            self.results.append(self._final(value))
            return
        top = self._stack[-1]
        if isinstance(top.value, list):
            top.value.append(self._final(value))
        elif not top.has_key:
            top.key, top.has_key = value, True
        else:
            self._put(top.value, top.key, value)
            top.has_key = False

    def _put(self, target: dict[str, Value], key: Any, value: Value) -> None:
        if key is _MERGE:
            for one in reversed(value) if isinstance(value, list) else [value]:
                if not isinstance(one, dict):
                    raise Refusal("map merge requires map or sequence of maps as the value")
                target.update(one)
            return
        target[key_text(key)] = self._final(value)

    def _final(self, value: Value) -> Value:
        if value is _MERGE:
            return "<<"
        if isinstance(value, float) and not math.isfinite(value):
            raise Refusal(f"error converting YAML to JSON: json: unsupported value: {float_text(value)}")
        if isinstance(value, int) and not isinstance(value, bool):
            return float(value) if self._floats or value >= 2**63 else Int64(value)
        return value


def key_text(key: Any) -> str:
    """A map's key as JSON has it. Raises Refusal for keys that JSON cannot have."""
    if isinstance(key, str):
        return key
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, int):
        return str(int(key))
    if isinstance(key, float):
        return {"+Inf": ".inf", "-Inf": "-.inf", "NaN": ".nan"}.get(float_text(key)) or float_text(_single(key))
    raise Refusal(f"unsupported map key of type: {type(key).__name__}", "Quote the key.")


def _single(key: float) -> float:
    """The shortest number that is the same float32: keys are printed in single precision."""
    try:
        narrow = struct.pack("f", key)
    except OverflowError:
        return math.inf if key > 0 else -math.inf
    digits = (float(f"{key:.{precision}g}") for precision in range(1, 10))
    return next((one for one in digits if struct.pack("f", one) == narrow), key)


def _binary(event: Any) -> str:
    try:
        return base64.b64decode(event.value).decode("utf-8", "surrogateescape")
    except binascii.Error:
        raise YamlFault("!!binary value contains invalid base64 data", event.start_mark.line + 1, 1) from None
