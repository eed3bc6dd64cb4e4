"""Names for the plain values that this package passes around."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]
"""A Kubernetes object as decoded JSON. Objects in the store are never changed in place."""

ReadOnlyJson = Mapping[str, Any]
