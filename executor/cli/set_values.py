"""`--set a.b=c`, as Helm reads it: dots lead into maps, `[0]` into lists, commas separate, a backslash takes one away.

`true`, `false`, `null` and whole numbers are what they look like, `{a,b}` is a list, all else is text (Helm's docs,
"The Format and Limitations of --set").
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, Final

_PART: Final = re.compile(r"((?:\\.|\{(?:\\.|[^}])*\}|[^,\\{])*)(?:,|$)")
_KEY: Final = re.compile(r"((?:\\.|[^.\[\\])+)|\[(\d+)\]|\.")
_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)")
_LONGEST_LIST: Final = 1000
_WORDS: Final[dict[str, Any]] = {"true": True, "false": False, "null": None}


def set_values(texts: Iterable[str]) -> dict[str, Any]:
    """Return the values that the texts of `--set` give. Raises ValueError for what is no `key=value`."""
    values: dict[str, Any] = {}
    for text in texts:
        for part in _parts(text):
            key, equals, value = part.partition("=")
            if not equals or not key.strip():
                raise ValueError(f"--set {text}: {part or text!r} is no key=value")
            _put(values, _keys(key.strip(), text), _value(value))
    return values


def _parts(text: str) -> list[str]:
    return [part for part in (match[1] for match in _PART.finditer(text)) if part]


def _keys(key: str, text: str) -> list[str | int]:
    keys: list[str | int] = []
    for name, index in _KEY.findall(key):
        if name:
            keys.append(_plain(name))
        elif index:
            keys.append(int(index))
    if not keys or not isinstance(keys[0], str):
        raise ValueError(f"--set {text}: {key!r} is no key")
    if any(isinstance(one, int) and one >= _LONGEST_LIST for one in keys):
        raise ValueError(f"--set {text}: an index must be below {_LONGEST_LIST}")
    return keys


def _value(text: str) -> Any:
    if text.startswith("{") and text.endswith("}"):
        return [_scalar(item) for item in _parts(text[1:-1])]
    return _scalar(text)


def _scalar(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    return int(text) if _INTEGER.fullmatch(text) else _plain(text)


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _put(values: Any, keys: list[str | int], value: Any) -> None:
    """Put a value where the keys lead, making maps and lists on the way."""
    for key, following in pairwise(keys):
        empty: Any = [] if isinstance(following, int) else {}
        _grow(values, key)
        inner = values[key] if isinstance(key, int) else values.get(key)
        if not isinstance(inner, type(empty)):
            values[key] = inner = empty
        values = inner
    _grow(values, keys[-1])
    values[keys[-1]] = value


def _grow(values: Any, key: str | int) -> None:
    if isinstance(key, int):
        values.extend([None] * (key + 1 - len(values)))
