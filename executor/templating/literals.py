"""Go's constants: numbers, characters and quoted strings, as strconv reads them."""

from __future__ import annotations

import re

from executor.templating import nodes
from executor.templating.errors import Refusal

_INTEGER = re.compile(
    r"[+-]?(?:0[xX](?:_?[0-9a-fA-F])+|0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|0(?:_?[0-7])*|[1-9](?:_?[0-9])*)"
)
_REAL = re.compile(r"[+-]?(?:[0-9](?:_?[0-9])*(?:\.(?:[0-9](?:_?[0-9])*)?)?|\.[0-9](?:_?[0-9])*)(?:[eE][+-]?[0-9]+)?")
_HEX_REAL = re.compile(r"[+-]?0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?[pP][+-]?[0-9]+")
_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\'\"])|([0-7]{3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.?))", re.DOTALL
)
_PLAIN = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    "'": "'",
    '"': '"',
}


def parse_int(text: str) -> int | None:
    """strconv.ParseInt(text, 0, ...) without its range check; None where the text is no integer."""
    if not _INTEGER.fullmatch(text):
        return None
    digits = text.replace("_", "")
    bare = digits.lstrip("+-")
    if len(bare) > 1 and bare[0] == "0" and bare[1].isdigit():
        return int(digits, 8)
    return int(digits, 0) if len(digits) < 80 else None


def parse_float(text: str) -> float | None:
    """strconv.ParseFloat of a decimal or hexadecimal number; None where it is none or out of range."""
    if not _REAL.fullmatch(text):
        return float.fromhex(text.replace("_", "")) if _HEX_REAL.fullmatch(text) else None
    number = float(text.replace("_", ""))
    return None if number in (float("inf"), float("-inf")) else number


def number(pos: int, text: str) -> nodes.Number:
    """A number node, as parse.newNumber makes it. Raises Refusal."""
    if text.endswith("i") and not text.lower().startswith("0x"):
        raise Refusal(f"complex number {text} is not supported")
    whole = parse_int(text)
    if whole is not None and -(2**63) <= whole < 2**64:
        if not -(2**63) <= whole < 2**63:
            raise Refusal(f"{text} overflows int")
        return nodes.Number(pos, text, whole, float(whole), whole)
    real = parse_float(text)
    if whole is not None or (real is not None and not set(text) & set(".eEpP")):
        raise Refusal(f"integer overflow: {text!r}")
    if real is None:
        raise Refusal(f"illegal number syntax: {text!r}")
    return nodes.Number(pos, text, int(real) if real.is_integer() and abs(real) < 2**63 else None, real, real)


def character(pos: int, text: str) -> nodes.Number:
    """A character constant, which is its code point. Raises Refusal."""
    inner = unquote('"' + text[1:-1].replace('"', '\\"').replace("\\'", "'") + '"')
    if len(inner) != 1:
        raise Refusal(f"malformed character constant: {text}")
    return nodes.Number(pos, text, ord(inner), float(ord(inner)), ord(inner))


def unquote(text: str) -> str:
    """The value of a double-quoted Go string. Raises Refusal for an escape Go does not know."""
    inner = text[1:-1]
    if "\\" not in inner:
        return inner
    if "\\x" in inner or re.search(r"\\[0-7]", inner):
        return _unquote_bytes(inner)
    return _ESCAPE.sub(_unescape, inner)


def _unescape(match: re.Match[str]) -> str:
    plain, octal, hexadecimal, short, long, unknown = match.groups()
    if plain:
        return _PLAIN[plain]
    if unknown is not None:
        raise Refusal(f"unknown escape \\{unknown} in a string", "Double the backslash, or use a `raw` string.")
    code = int(octal, 8) if octal else int(hexadecimal or short or long, 16)
    if code > 0x10FFFF or 0xD800 <= code < 0xE000 or (octal and code > 255):
        raise Refusal(f"{match.group()} is no character")
    return chr(code)


def _unquote_bytes(inner: str) -> str:
    """\\xff and \\377 are bytes, not characters."""
    pieces: list[bytes] = []
    at = 0
    for match in _ESCAPE.finditer(inner):
        pieces.append(inner[at : match.start()].encode("utf-8", "surrogateescape"))
        value = _unescape(match)
        is_byte = match.group(2) or match.group(3)
        pieces.append(bytes([ord(value)]) if is_byte else value.encode("utf-8", "surrogateescape"))
        at = match.end()
    pieces.append(inner[at:].encode("utf-8", "surrogateescape"))
    return b"".join(pieces).decode("utf-8", "surrogateescape")
