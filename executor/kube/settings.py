"""How to reach the API server: one frozen value, from the `[kubernetes_executor]` options of the same names.

Excluded: reading Airflow's configuration (the facade does that) and anything about pods.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

_DELETE_OPTIONS = {
    "grace_period_seconds": "gracePeriodSeconds",
    "propagation_policy": "propagationPolicy",
    "orphan_dependents": "orphanDependents",
    "dry_run": "dryRun",
    "preconditions": "preconditions",
}


@dataclass(frozen=True, slots=True)
class KubeSettings:
    """Connection settings; upstream's option names and meanings (kube_client.py of the cncf.kubernetes provider).

    Times are seconds. Raises ValueError, naming the option, when a value cannot be used.
    """

    in_cluster: bool = True
    cluster_context: str | None = None
    config_file: str | None = None
    verify_ssl: bool = True
    ssl_ca_cert: str | None = None
    enable_tcp_keepalive: bool = True
    tcp_keep_idle: int = 120
    tcp_keep_intvl: int = 30
    tcp_keep_cnt: int = 6
    client_factory: str | None = None  # import path; its result's configuration is used
    async_client_factory: str | None = None  # import path; wins over client_factory
    kube_client_request_args: Mapping[str, Any] = field(default_factory=dict)
    api_client_retry_configuration: Mapping[str, Any] = field(default_factory=dict)
    delete_option_kwargs: Mapping[str, Any] = field(default_factory=dict)
    connection_pool_size: int = 100
    small_buffers: bool = False  # for many connections that say little: see session.with_small_buffer
    request_timeout: float = 60.0
    list_page_size: int = 500
    watch_seconds: float = 300.0  # asked of the server, shortened at random by up to a third
    watch_idle_seconds: float = 90.0  # bookmarks come about once a minute: silence for longer is a dead socket

    def __post_init__(self) -> None:
        for name in ("kube_client_request_args", "api_client_retry_configuration", "delete_option_kwargs"):
            if not isinstance(getattr(self, name), Mapping):
                raise ValueError(f"[kubernetes_executor] {name} must be a JSON object, for example {{}}")
        self.timeout()
        self.delete_options()

    def timeout(self) -> aiohttp.ClientTimeout:
        """The limits of one request: `_request_timeout` of kube_client_request_args (total, or [connect, read]),
        else `request_timeout`."""
        given = self.kube_client_request_args.get("_request_timeout")
        if given is None:
            return aiohttp.ClientTimeout(total=self.request_timeout, sock_connect=min(10.0, self.request_timeout))
        if _is_seconds(given):
            return aiohttp.ClientTimeout(total=float(given))
        if isinstance(given, list | tuple) and len(given) == 2 and all(map(_is_seconds, given)):
            return aiohttp.ClientTimeout(sock_connect=float(given[0]), sock_read=float(given[1]))
        raise ValueError(
            "[kubernetes_executor] kube_client_request_args: _request_timeout must be a number of seconds > 0, "
            "or [connect, read]"
        )

    def delete_options(self) -> dict[str, Any]:
        """`delete_option_kwargs` as the body of a DELETE (DeleteOptions, API reference); snake_case or camelCase."""
        known = {**_DELETE_OPTIONS, **{wire: wire for wire in _DELETE_OPTIONS.values()}}
        unknown = sorted(set(self.delete_option_kwargs) - set(known))
        if unknown:
            raise ValueError(
                f"[kubernetes_executor] delete_option_kwargs: unknown option {unknown[0]!r}; "
                f"known are {', '.join(_DELETE_OPTIONS)}"
            )
        return {known[name]: value for name, value in self.delete_option_kwargs.items()}

    def notes(self) -> tuple[str, ...]:
        """Options that are set and have no effect here, one sentence each, for the start-up log."""
        ignored = sorted(set(self.kube_client_request_args) - {"_request_timeout"})
        notes = []
        if ignored:
            notes.append(f"kube_client_request_args: {', '.join(ignored)} ignored, only _request_timeout is used")
        if self.api_client_retry_configuration:
            notes.append(
                "api_client_retry_configuration is not needed: every transient error is repeated with back-off, "
                "Retry-After and jitter while the task stays queued"
            )
        return tuple(notes)


def _is_seconds(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
