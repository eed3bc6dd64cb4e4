"""What a plain YAML scalar means to go-yaml v2 (resolve.go): the reader and the writer must agree on it."""

from __future__ import annotations

import datetime
import re

from executor.templating.literals import parse_float, parse_int

_WORDS: dict[str, object] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
}
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_TIMESTAMP = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:(?P<mark>[Tt ])([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:[.,][0-9]+)?"
    r"(?P<zone>Z|[-+][0-9]{2}:[0-9]{2})?)?"
)
_MAYBE = frozenset("+-0123456789.yYnNtTfFoO~")


def resolve(text: str) -> object:
    """The value of a plain scalar: bool, None, int, float, or the text itself (timestamps too)."""
    if text and text[0] not in _MAYBE:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if text[0] == ".":
        number = parse_float(text) if _FLOAT.fullmatch(text) else None
        return text if number is None else number
    return _number(text) if text[0] in "+-0123456789" else text


def _number(text: str) -> object:
    plain = text.replace("_", "")
    whole = parse_int(plain)
    if whole is not None and -(2**63) <= whole < 2**64 and not (plain[0] == "+" and whole >= 2**63):
        return whole
    if _FLOAT.fullmatch(plain):
        real = parse_float(plain)
        return text if real is None else real
    return text


def reads_as_text(text: str) -> bool:
    """Whether the text, written plain, would come back as the same text."""
    if not text:
        return False
    if text[0] not in _MAYBE:
        return True
    if _BASE_60.fullmatch(text) or _is_timestamp(text):
        return False
    return resolve(text) is text


def _is_timestamp(text: str) -> bool:
    """A date, or a date and time with a zone after `T` and without after a blank, that the calendar knows."""
    match = _TIMESTAMP.fullmatch(text)
    if match is None or (match["mark"] is not None and (match["mark"] == " ") == (match["zone"] is not None)):
        return False
    year, month, day, hour, minute, second = (int(part or 0) for part in match.group(1, 2, 3, 5, 6, 7))
    try:
        datetime.datetime(year or 4, month, day, hour, minute, second)
    except ValueError:
        return False
    return True
