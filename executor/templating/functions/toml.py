"""TOML as BurntSushi/toml writes it: plain keys first, then tables, indented by two per level."""

from __future__ import annotations

import re
import tomllib

from executor.templating.errors import Refusal
from executor.templating.limits import MAX_OUTPUT, measure
from executor.templating.printing import float_text, sorted_keys
from executor.templating.values import Int64, Struct, Value

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SHORT = {"\t": "\\t", "\n": "\\n", "\r": "\\r", '"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f"}


def dumps(value: Value) -> str:
    """The TOML text of a map, the inline form of anything else. Raises Refusal."""
    measure(value)
    if value is None:
        raise Refusal("reflect: call of reflect.Value.Type on zero Value", "toToml takes no nil.")
    if not isinstance(value, dict):
        if _is_table(value):
            raise Refusal("toml: top-level values must be Go maps or structs")
        return _inline(value)
    lines: list[str] = []
    _table(value, (), lines)
    return "".join(line + "\n" for line in lines)


def _table(table: dict[str, Value], path: tuple[str, ...], lines: list[str]) -> None:
    pad = "  " * len(path)
    plain = [key for key in sorted_keys(table) if not _is_table(table[key])]
    lines.extend(f"{pad}{_key(key)} = {_inline(table[key])}" for key in plain if table[key] is not None)
    for key in sorted_keys(table):
        if _is_table(table[key]):
            _sub_table(table[key], (*path, key), lines)


def _is_table(value: Value) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)
    )


def _sub_table(value: Value, path: tuple[str, ...], lines: list[str]) -> None:
    name = ".".join(map(_key, path))
    pad = "  " * (len(path) - 1)
    for item in value if isinstance(value, list) else [value]:
        if len(path) == 1 and lines:
            lines.append("")
        lines.append(f"{pad}[[{name}]]" if isinstance(value, list) else f"{pad}[{name}]")
        _table(item, path, lines)


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _string(key)


def _string(text: str) -> str:
    escaped = (_SHORT.get(char) or (f"\\u{ord(char):04x}" if char < " " or char == "\x7f" else char) for char in text)
    return '"' + "".join(escaped) + '"'


def _inline(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        text = float_text(value).lower()
        return text if any(char in text for char in ".en") else text + ".0"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)} = {_inline(value[key])}" for key in sorted_keys(value)) + "}"
    if isinstance(value, Struct) and value.text is not None:
        return _string(value.text)
    raise Refusal("toml: cannot encode array with nil element")


def loads(text: str) -> dict[str, Value]:
    """A map; a fault's text under `Error`."""
    if len(text) > MAX_OUTPUT:
        raise Refusal("the TOML is too long")
    try:
        return {key: _adopted(item) for key, item in tomllib.loads(text).items()}
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        return {"Error": f"toml: {error}"}


def _adopted(value: object) -> Value:
    if isinstance(value, dict):
        return {key: _adopted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_adopted(item) for item in value]
    if isinstance(value, bool | str | float):
        return value
    return Int64(value) if isinstance(value, int) else str(value)
