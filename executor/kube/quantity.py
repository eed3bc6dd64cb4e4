"""Amounts of a resource as Kubernetes writes them: 500m, 0.5, 2Gi."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from kubernetes.utils.quantity import parse_quantity


def quantity(value: object) -> Decimal:
    """The amount in its own unit: cores, bytes, pieces. Raises ValueError for what is no quantity."""
    amount: Any = parse_quantity(value)
    return Decimal(amount)
