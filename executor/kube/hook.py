"""Airflow's pod_mutation_hook wants a real V1Pod: from dict to model, through the hook, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kubernetes.client import ApiClient, Configuration, V1Pod


def apply_hook(hook: Callable[[Any], None], manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest as the hook leaves it; fields that the installed client does not know are lost.

    Raises whatever the hook raises. The conversion is the generated client's own (`ApiClient`), without a connection.
    """
    client = ApiClient(Configuration())
    pod: V1Pod = client._ApiClient__deserialize_model(dict(manifest), V1Pod)
    hook(pod)
    changed: dict[str, Any] = client.sanitize_for_serialization(pod)
    return changed
