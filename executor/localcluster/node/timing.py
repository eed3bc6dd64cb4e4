"""How often and how long nodes and their controllers do things, in seconds.

Tests shorten it (``--time``); the defaults are near those of a real cluster where a test can wait for them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timings:
    """What the agent does. first_backoff, longest_backoff: of restarts and image pulls, doubling. pull_failure: how
    long a failed pull is shown as ErrImagePull before it is ImagePullBackOff. config_retry: between attempts at a
    container whose Secret or ConfigMap is missing, doubling to ten seconds. lease: between renewals of the node's
    Lease. refresh: between looks at the Secrets and ConfigMaps in volumes. faults: between looks at the control file
    (see `faults`)."""

    first_backoff: float = 10.0
    longest_backoff: float = 300.0
    pull_failure: float = 1.0
    config_retry: float = 1.0
    lease: float = 3.0
    refresh: float = 5.0
    faults: float = 0.2


@dataclass(frozen=True, slots=True)
class LifecycleTimes:
    """What controllers do about nodes. tick: between looks; silence: of a node that makes it NotReady; out_of_service:
    further silence after which it is taken for dead; quarantine: how long a Node object may be gone before its pods
    are removed."""

    tick: float = 2.0
    silence: float = 12.0
    out_of_service: float = 60.0
    quarantine: float = 20.0
