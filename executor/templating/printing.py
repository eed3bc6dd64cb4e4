"""How Go prints values: `%v`, `%q`, print, println."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence

from executor.templating.limits import measure
from executor.templating.values import Struct, Value, kind

NO_VALUE = "<no value>"  # what Go prints for a missing value; Helm removes it
_ESCAPES = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
}


def print_value(value: Value) -> str:
    """What an action prints: `%v`, but a lone nil is `<no value>`."""
    if isinstance(value, str):
        return value
    return NO_VALUE if value is None else show(value)


def show(value: Value) -> str:
    """What `%v` prints. Raises Refusal for a value too large to print."""
    if isinstance(value, list | dict):
        measure(value)
    return _show(value)


def _show(value: Value) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return float_text(value)
    if isinstance(value, list):
        return "[" + " ".join([_show(item) for item in value]) + "]"
    if isinstance(value, dict):
        return "map[" + " ".join([f"{key}:{_show(value[key])}" for key in sorted_keys(value)]) + "]"
    if isinstance(value, Struct):
        return _struct(value)
    return "<nil>"


def _struct(value: Struct) -> str:
    if value.shown is not None:
        return value.shown
    sign = "&" if value.type_name.startswith("*") else ""
    return sign + "{" + " ".join(_show(item) for item in value.fields.values()) + "}"


def sorted_keys(value: dict[str, Value]) -> list[str]:
    """Keys in the order of their bytes."""
    keys = list(value)
    return sorted(keys) if all(map(str.isascii, keys)) else sorted(keys, key=bytes_order)


def bytes_order(key: str) -> bytes:
    """Sorts as Go does, by bytes."""
    return key.encode("utf-8", "surrogatepass")


def shortest_digits(value: float) -> tuple[str, int]:
    """The fewest digits that give back this positive number, and where the point is among them."""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = whole + fraction
    point = len(whole) + int(exponent or 0)
    stripped = digits.lstrip("0")
    point -= len(digits) - len(stripped)
    return stripped.rstrip("0") or "0", point if stripped.strip("0") else 1


def float_text(value: float, switch: int = 6) -> str:
    """strconv.FormatFloat(value, 'g', -1, 64) as fmt prints it: with an exponent from 10**switch on."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    sign = "-" if math.copysign(1, value) < 0 else ""
    digits, point = shortest_digits(value)
    exponent = point - 1
    if exponent < -4 or exponent >= switch:
        fraction = "." + digits[1:] if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{fraction}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if point >= len(digits):
        return sign + digits + "0" * (point - len(digits))
    return f"{sign}{digits[:point]}.{digits[point:]}"


def quote(text: str) -> str:
    """strconv.Quote."""
    return '"' + "".join([_escaped(char, '"') for char in text]) + '"'


def quote_ascii(text: str) -> str:
    """strconv.QuoteToASCII."""
    return '"' + "".join([_escaped(char, '"') if char < "\x7f" else _code(char) for char in text]) + '"'


def quote_rune(code: int) -> str:
    """strconv.QuoteRune."""
    return "'" + _escaped(chr(code) if 0 <= code <= 0x10FFFF else "�", "'") + "'"


def _escaped(char: str, mark: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char == mark:
        return "\\" + char
    if " " <= char < "\x7f" or is_print(char):
        return char
    return _code(char)


def _code(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def is_print(char: str) -> bool:
    """unicode.IsPrint: letters, marks, numbers, punctuation, symbols, and the ASCII space."""
    return char == " " or unicodedata.category(char)[0] in "LMNPS"


def sprint(values: Sequence[Value]) -> str:
    """fmt.Sprint: a blank between two operands neither of which is a string."""
    pieces: list[str] = []
    for at, value in enumerate(values):
        if at and not isinstance(value, str) and not isinstance(values[at - 1], str):
            pieces.append(" ")
        pieces.append(show(value))
    return "".join(pieces)


def sprintln(values: Sequence[Value]) -> str:
    """fmt.Sprintln: blanks between all, and a newline."""
    return " ".join([show(value) for value in values]) + "\n"


def is_container(value: Value) -> bool:
    """A list or a map."""
    return kind(value) in ("slice", "map")
