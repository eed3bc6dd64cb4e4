"""Kubernetes quantities: ``500m``, ``1Gi``, ``1e3``; read, compared and written in their canonical form.

Source: apimachinery ``pkg/api/resource/quantity.go``. Pure.
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache

FORMAT_SENTENCE = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
SUFFIX_SENTENCE = "unable to parse quantity's suffix"

_SHAPE = re.compile(r"^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$")
_EXPONENT = re.compile(r"^[eE][-+]?[0-9]+$")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_NANO = Decimal("1e-9")


class QuantityError(ValueError):
    """The text is no quantity; the message is the API server's sentence."""


def _read(text: str) -> tuple[Decimal, str]:
    """Value and family (``binary``, ``decimal``, ``exponent``)."""
    match = _SHAPE.match(text)
    if match is None or match[1].count(".") > 1 or not any(char.isdigit() for char in match[1]):
        raise QuantityError(FORMAT_SENTENCE)
    number, suffix = Decimal(match[1]), match[2]
    if suffix in _DECIMAL:
        return number.scaleb(_DECIMAL[suffix]), "decimal"
    if suffix in _BINARY:
        return number * 1024 ** _BINARY[suffix], "binary"
    if _EXPONENT.match(suffix):
        return number.scaleb(int(suffix[1:])), "exponent"
    raise QuantityError(SUFFIX_SENTENCE)


@lru_cache(maxsize=4096)
def parse_quantity(text: str) -> Decimal:
    """The value in base units (cores, bytes, ...); raises :class:`QuantityError`."""
    return _read(text)[0]


@lru_cache(maxsize=4096)
def canonical(text: str) -> str:
    """How the API server writes the quantity back: ``0.5`` is ``500m``, ``1024Mi`` is ``1Gi``."""
    value, family = _read(text)
    value = value.quantize(_NANO, rounding=ROUND_CEILING) if value.as_tuple().exponent < -9 else value  # type: ignore[operator]
    if value == 0:
        return "0"
    if family == "binary" and abs(value) >= 1024 and value == value.to_integral_value():
        return _binary_text(int(value))
    return _decimal_text(value, exponent=family == "exponent")


def _binary_text(value: int) -> str:
    power = 0
    while value % 1024 == 0 and power < len(_BINARY):
        value, power = value // 1024, power + 1
    return f"{value}{next((s for s, p in _BINARY.items() if p == power), '')}"


def _decimal_text(value: Decimal, exponent: bool) -> str:
    for suffix, power in reversed(_DECIMAL.items()):
        scaled = value.scaleb(-power)
        if scaled == scaled.to_integral_value():
            mark = f"e{power}" if exponent and power else suffix
            return f"{int(scaled)}{mark}"
    return f"{int(value.scaleb(9).to_integral_value(rounding=ROUND_CEILING))}n"


def format_quantity(value: Decimal, like: str) -> str:
    """``value`` in the family of the quantity ``like``."""
    if _read(like)[1] == "binary" and value == value.to_integral_value() and abs(value) >= 1024:
        return _binary_text(int(value))
    return _decimal_text(value, exponent=False) if value else "0"
