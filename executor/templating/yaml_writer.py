"""YAML as sigs.k8s.io/yaml writes it (JSON, then go-yaml v2), and as go-yaml v3 does with an indent of two.

Block style; keys sorted, numbers in them by value; lists not indented under their key (v2); text plain where it reads
back as text, `|` where it has lines, quoted else, folded behind column 80 (v2).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from executor.templating import gojson
from executor.templating.errors import Refusal
from executor.templating.limits import measure
from executor.templating.printing import float_text
from executor.templating.values import NilList, NilStrings, Struct, Value
from executor.templating.yaml_scalars import Pen
from executor.templating.yaml_words import reads_as_text

INDENT = 2
_SAFE = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*")
_ODD = re.compile("[\x7f-\x9f\ufffe\uffff\udc80-\udcff]")
_UNREADABLE = re.compile("[\x7f-\x84\x86-\x9f\ufffe\uffff]")
_LONGEST_KEY = 128  # longer keys are written with `? `


@dataclass(frozen=True, slots=True)
class Style:
    """width: where lines are folded, None: never; nested_lists: a list under a key is indented;
    through_json: values take the way over JSON first, so 1000000.0 is 1000000."""

    width: int | None = 80
    nested_lists: bool = False
    through_json: bool = True
    old_words: frozenset[str] = frozenset()


HELM = Style()
PRETTY = Style(
    width=None,
    nested_lists=True,
    through_json=False,
    old_words=frozenset(
        ["y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "n", "N", "no", "No", "NO", "off", "Off", "OFF"]
    ),
)


def dump(value: Value, style: Style = HELM) -> str:
    """The YAML text, ending in a newline. Raises Refusal for what YAML cannot hold."""
    measure(value)
    writer = _Writer(style)
    writer.node(value, -1, root=True)
    return writer.pen.text() + "\n"


class _Writer:
    """The nodes of one document, in order."""

    def __init__(self, style: Style) -> None:
        self.pen = Pen(style.width, tabs=not style.through_json)
        self._style = style

    def node(self, value: Value, indent: int, *, root: bool = False, in_map: bool = False) -> None:
        """A value; the pen stands behind its `key:` or `-`. indent: the column of the map or list around it."""
        if isinstance(value, Struct) and value.text is not None:
            value = value.text
        elif isinstance(value, Struct):
            value = gojson.fields(value)
        if self._style.through_json and isinstance(value, NilList | NilStrings):
            value = None
        if isinstance(value, dict):
            self._map(value, indent, root, in_map)
        elif isinstance(value, list):
            self._list(value, indent, root, in_map)
        else:
            self._scalar(value, INDENT if root else indent + INDENT)

    def _scalar(self, value: Value, indent: int) -> None:
        if isinstance(value, str):
            value = self._passed(value)
            self.pen.space()
            self.pen.scalar(value, self._plain(value), indent, simple_key=False)
        else:
            self.pen.put(" " + self._word(value) if self.pen.column and not self.pen.blank else self._word(value))

    def _plain(self, text: str) -> bool:
        return reads_as_text(text) and text not in self._style.old_words

    def _passed(self, text: str) -> str:
        """What is left of a text on its way over JSON. Raises Refusal for characters YAML does not read."""
        if not self._style.through_json or not _ODD.search(text):
            return text
        if _UNREADABLE.search(text):
            raise Refusal("this text cannot become YAML: it has control characters")
        return re.sub("[ \t]*\x85[ \t]*", " ", text).encode("utf-8", "surrogateescape").decode("utf-8", "replace")

    def _word(self, value: Value) -> str:
        if value is None:
            return "null"
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int):
            return int.__repr__(value)
        return self._float(value)

    def _float(self, value: float) -> str:
        if not self._style.through_json:
            shown = float_text(value)
            return {"+Inf": ".inf", "-Inf": "-.inf", "NaN": ".nan"}.get(shown, shown)
        text = gojson.number(value) if value else "0"
        if text.lstrip("-").isdigit() and -(2**63) <= int(text) < 2**64:
            return text
        return float_text(value)

    def _list(self, value: list[Value], indent: int, root: bool, in_map: bool) -> None:
        if not value:
            self.pen.space()
            self.pen.put("[]")
            return
        own = 0 if root else indent if in_map and not self._style.nested_lists else indent + INDENT
        first = root or not in_map
        for item in value:
            if not first:
                self.pen.line(own)
            first = False
            self.pen.dash()
            self.node(item, own)

    def _map(self, value: dict[str, Value], indent: int, root: bool, in_map: bool) -> None:
        if not value:
            self.pen.space()
            self.pen.put("{}")
            return
        own = 0 if root else indent + INDENT
        first = root or not in_map
        for key in sorted(value, key=Key):
            if not first:
                self.pen.line(own)
            first = False
            simple = self._key(self._passed(key), own)
            self.node(value[key], own, in_map=simple)

    def _key(self, key: str, indent: int) -> bool:
        """A key and its colon; False if it needed a line of its own."""
        self.pen.space()
        if _SAFE.fullmatch(key) and len(key) <= _LONGEST_KEY and self._plain(key):
            self.pen.put(key + ":")
        elif self.pen.is_simple_key(key):
            self.pen.scalar(key, self._plain(key), indent, simple_key=True)
            self.pen.put(":")
        else:
            self.pen.put("? ")
            self.pen.scalar(key, self._plain(key), indent + INDENT, simple_key=False)
            self.pen.line(indent)
            self.pen.put(":")
            return False
        return True


class Key:
    """go-yaml's order of keys: digits by their number, letters after what is none (sorter.go)."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __lt__(self, other: Key) -> bool:
        return _less(self._text, other._text)


def _less(one: str, other: str) -> bool:
    digits = False
    for at in range(min(len(one), len(other))):
        left, right = one[at], other[at]
        if left == right:
            digits = left.isdecimal()
            continue
        letters = left.isalpha(), right.isalpha()
        if letters[0] and letters[1]:
            return left < right
        if letters[0] or letters[1]:
            return letters[0] if digits else letters[1]
        return _less_numbers(one, other, at)
    return len(one) < len(other)


def _less_numbers(one: str, other: str, at: int) -> bool:
    """At the first difference, neither side being a letter. Digits before it count if a zero follows them."""
    lead = ""
    if "0" in (one[at], other[at]):
        before = one[:at]
        digits = before[len(before.rstrip("0123456789")) :]
        lead = "1" if digits.strip("0") else ""
    first, end_one = _run(one, at, lead)
    second, end_other = _run(other, at, lead)
    if first != second:
        return first < second
    if end_one != end_other:
        return end_one < end_other
    return one[at] < other[at]


def _run(text: str, at: int, lead: str) -> tuple[int, int]:
    """The number at a place, and where it ends."""
    end = at
    while end < len(text) and end - at < 18 and text[end].isdecimal():
        end += 1
    return int(lead + text[at:end] or 0), end
