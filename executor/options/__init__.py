"""The configuration options, one row each: the single source of reading, validation, defaults and documentation.

An option is a field of `UpstreamOptions` (section `[kubernetes_executor]`, the names Airflow's own Kubernetes provider
reads) or of `OwnOptions` (section `[kubernetes_pod_executor]`), or, where an upstream option has no meaning here, a row
of `NOT_NEEDED` with the reason. No option is read from both sections.

Invariant: nothing here imports Airflow or anything heavy, since every process that imports Airflow reads these rows.
"""

from __future__ import annotations

from executor.options.option import Effect, Kind, Option, SettingsError, options_of
from executor.options.own import OWN_SECTION, OwnOptions
from executor.options.parsing import parse
from executor.options.upstream import NOT_NEEDED, UPSTREAM_SECTION, UpstreamOptions

__all__ = [
    "NOT_NEEDED",
    "OPTIONS",
    "OWN_SECTION",
    "UPSTREAM_SECTION",
    "Effect",
    "Kind",
    "Option",
    "OwnOptions",
    "SettingsError",
    "UpstreamOptions",
    "options_of",
    "parse",
]

OPTIONS: tuple[Option, ...] = (*options_of(UpstreamOptions), *NOT_NEEDED, *options_of(OwnOptions))
