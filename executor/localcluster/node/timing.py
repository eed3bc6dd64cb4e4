"""How often and how long the agent does things, in seconds. Tests shorten it; the defaults are near the kubelet's."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timings:
    """first_backoff, longest_backoff: of restarts and image pulls, doubling. pull_failure: how long a failed pull is
    shown as ErrImagePull before it is ImagePullBackOff. lease: between renewals of the node's Lease. refresh: between
    looks at the Secrets and ConfigMaps in volumes. faults: between looks at the control file (see `faults`)."""

    first_backoff: float = 10.0
    longest_backoff: float = 300.0
    pull_failure: float = 1.0
    lease: float = 3.0
    refresh: float = 5.0
    faults: float = 0.5
