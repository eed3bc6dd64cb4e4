"""Quantities: values and canonical texts."""

from __future__ import annotations

from decimal import Decimal

import pytest

from executor.localcluster.quantity import QuantityError, canonical, format_quantity, parse_quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [("500m", "0.5"), ("1Gi", "1073741824"), ("1e3", "1000"), ("1E3", "1000"), ("1E", "1e18"), ("-2k", "-2000")],
)
def test_values(text: str, value: str) -> None:
    assert parse_quantity(text) == Decimal(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.5", "500m"),
        ("0.10", "100m"),
        ("1000m", "1"),
        ("1500m", "1500m"),
        ("1024Mi", "1Gi"),
        ("1536Mi", "1536Mi"),
        ("512", "512"),
        ("2000", "2k"),
        ("0", "0"),
        ("0Gi", "0"),
        ("100Ki", "100Ki"),
        ("1e3", "1e3"),
        ("0.0000000001", "1n"),
    ],
)
def test_canonical(text: str, expected: str) -> None:
    assert canonical(text) == expected


@pytest.mark.parametrize("text", ["", "lots", "1.2.3", "1 Gi", "1Gib", "--1", ".", "Mi"])
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(QuantityError):
        parse_quantity(text)


def test_formatting_follows_the_family() -> None:
    assert format_quantity(Decimal(2**31), "1Gi") == "2Gi"
    assert format_quantity(Decimal("1.5"), "1") == "1500m"
    assert format_quantity(Decimal(0), "1Gi") == "0"
