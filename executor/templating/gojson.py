"""JSON as Go's encoding/json writes and reads it."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from executor.templating.errors import Refusal
from executor.templating.limits import measure
from executor.templating.printing import quote_rune, shortest_digits, sorted_keys
from executor.templating.values import Int64, NilList, NilStrings, Struct, Value

_UNSAFE = re.compile(r'["\\\x00-\x1f\u2028\u2029\udc80-\udcff]')
_UNSAFE_HTML = re.compile(r'["\\\x00-\x1f\u2028\u2029\udc80-\udcff<>&]')
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}


def dumps(value: Value, *, html: bool = True, indent: str | None = None) -> str:
    """The JSON text. html: escape `<`, `>` and `&`. Raises Refusal for what JSON cannot hold."""
    measure(value)
    return _encode(value, html, indent, "\n")


def _encode(value: Value, html: bool, indent: str | None, newline: str) -> str:
    if isinstance(value, Struct) and value.text is not None:
        return string(value.text, html)
    if isinstance(value, list | dict | Struct) and not isinstance(value, NilList | NilStrings):
        return _container(value, html, indent, newline)
    return string(value, html) if isinstance(value, str) else _word(value)


def _word(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    return number(value) if isinstance(value, float) else "null"


def _container(value: Value, html: bool, indent: str | None, newline: str) -> str:
    inner = "" if indent is None else newline + indent
    if isinstance(value, list):
        items = [_encode(item, html, indent, inner) for item in value]
        return _enclose("[", items, "]", inner, "" if indent is None else newline)
    by_key = fields(value)
    colon = ":" if indent is None else ": "
    items = [f"{string(k, html)}{colon}{_encode(by_key[k], html, indent, inner)}" for k in sorted_keys(by_key)]
    return _enclose("{", items, "}", inner, "" if indent is None else newline)


def fields(value: Value) -> dict[str, Value]:
    """A map, or what a struct shows of itself. Raises Refusal for what JSON cannot hold."""
    if isinstance(value, dict):
        return value
    if isinstance(value, Struct):
        return dict(value.fields)
    raise Refusal("this value cannot become JSON")


def _enclose(start: str, items: list[str], end: str, inner: str, newline: str) -> str:
    return start + inner + ("," + inner).join(items) + newline + end if items else start + end


def string(text: str, html: bool = True) -> str:
    """A JSON string."""
    return '"' + (_UNSAFE_HTML if html else _UNSAFE).sub(_escape, text) + '"'


def _escape(match: re.Match[str]) -> str:
    char = match.group()
    if "\udc80" <= char <= "\udcff":
        return "\\ufffd"
    return _SHORT.get(char) or f"\\u{ord(char):04x}"


def number(value: float) -> str:
    """A float64 as encoding/json writes it: with an exponent only below 1e-6 and from 1e21."""
    if not math.isfinite(value):
        raise Refusal(f"json: unsupported value: {value}")
    digits, point = shortest_digits(value)
    sign = "-" if math.copysign(1, value) < 0 else ""
    if value and not 1e-6 <= abs(value) < 1e21:
        exponent = point - 1
        fraction = "." + digits[1:] if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{fraction}e{'-' if exponent < 0 else '+'}{abs(exponent)}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if point >= len(digits):
        return sign + digits + "0" * (point - len(digits))
    return f"{sign}{digits[:point]}.{digits[point:]}"


def loads(text: str, *, floats: bool) -> Value:
    """The value of a JSON text; floats makes every number a float64. Raises Refusal with Go's words for a fault."""

    def whole(digits: str) -> Value:
        if floats or len(digits) > 19:
            return float(digits)
        number = int(digits)
        return Int64(number) if -(2**63) <= number < 2**63 else float(digits)

    try:
        return json.loads(text, parse_int=whole, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise Refusal(_go_words(error)) from None
    except RecursionError:
        raise Refusal("the JSON is nested too deep") from None


def _no_constant(name: str) -> Any:
    raise Refusal(f"invalid character {name[0]!r} looking for beginning of value")


def _go_words(error: json.JSONDecodeError) -> str:
    rest = error.doc[error.pos :].lstrip(" \t\r\n")
    if not rest:
        return "unexpected end of JSON input"
    in_list = error.doc.rfind("[", 0, error.pos) > error.doc.rfind("{", 0, error.pos)
    after = {
        "Extra data": "after top-level value",
        "Expecting ',' delimiter": "after array element" if in_list else "after object key:value pair",
        "Expecting ':' delimiter": "after object key",
        "Expecting property name enclosed in double quotes": "looking for beginning of object key string",
    }
    if rest[0] == "-" and len(rest) > 1 and error.msg == "Expecting value":
        return f"invalid character {quote_rune(ord(rest[1]))} in numeric literal"
    char = quote_rune(rest[0].encode("utf-8", "surrogatepass")[0])
    return f"invalid character {char} {after.get(error.msg, 'looking for beginning of value')}"
