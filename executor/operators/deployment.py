"""This deployment, as a triggerer or a worker knows it: its settings, its mark on pods, the user's pod_mutation_hook.

Neither process may look at the metadata database, so the mark is not the executor's `deployment_id` unless that is set:
it is a hash of what all triggerers of a deployment share.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import airflow
from airflow.configuration import conf

from executor.airflow_config import configured
from executor.options import OPTIONS, UPSTREAM_SECTION
from executor.settings import Settings, build_settings

_CLUSTER_OPTIONS = ("in_cluster", "config_file", "cluster_context", "client_factory", "async_client_factory")


@dataclass(frozen=True, slots=True)
class Deployment:
    """settings: the executor's; names_cluster: somebody set there which cluster pods go to."""

    settings: Settings
    names_cluster: bool
    airflow_version: str


@lru_cache(maxsize=1)
def this_deployment() -> Deployment:
    """Read once per process. Raises SettingsError for a value that cannot be used."""
    raw = {one.key: text for one in OPTIONS if (text := configured(one)) is not None}
    settings = build_settings(raw, default_deployment_id=_mark())
    named = any((UPSTREAM_SECTION, name) in raw for name in _CLUSTER_OPTIONS)
    return Deployment(settings, named, airflow.__version__)


def _mark() -> str:
    """Eight hex digits; nothing can be read out of them."""
    keys = conf.get("core", "fernet_key", fallback="") or ""
    parts = ("pod-operator", keys.split(",")[-1], conf.get("api", "base_url", fallback="") or "")
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]
