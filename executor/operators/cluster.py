"""Which cluster a container task's pod goes to, as connection settings: parameters > connection > configuration.

`in_cluster=None`, a connection that says nothing and no kubeconfig mean: the cluster of this deployment, by the
executor's own `[kubernetes_executor]` options where they are set; else the cluster this process runs in; else
the kubeconfig of this process's user. Pure, but for looking whether this process runs in a pod.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from executor.kube.settings import KubeSettings

_IN_A_POD: Final = "KUBERNETES_SERVICE_HOST"  # set by the kubelet in every container
_PREFIX: Final = "extra__kubernetes__"


class ClusterChoiceError(ValueError):
    """What the task and its connection say about the cluster contradicts itself."""


@dataclass(frozen=True, slots=True)
class ClusterChoice:
    """A cluster, and the namespace its connection names. `kubeconfig`: the text of one, to be kept in a file."""

    settings: KubeSettings
    namespace: str | None = None
    kubeconfig: str | None = field(default=None, repr=False)

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for the same cluster reached in the same way."""
        one = self.settings
        return (one.in_cluster, one.cluster_context, one.config_file, one.verify_ssl, self.kubeconfig)


def choose(
    parameters: Mapping[str, Any], extra: Mapping[str, Any], deployment: KubeSettings, ours: bool
) -> ClusterChoice:
    """extra: the connection's; deployment: `[kubernetes_executor]`; ours: somebody set that.

    Raises ClusterChoiceError where more than one way into a cluster is named, as the provider does.
    """
    found = {name: _field(extra, name) for name in ("in_cluster", "cluster_context", "kube_config_path", "kube_config")}
    in_cluster = _first(parameters.get("in_cluster"), found["in_cluster"])
    context = _first(parameters.get("cluster_context"), found["cluster_context"])
    path = _first(parameters.get("config_file"), found["kube_config_path"])
    text = found["kube_config"]
    if sum(map(bool, (in_cluster, path, text))) > 1:
        raise ClusterChoiceError(
            "in_cluster, config_file (kube_config_path of the connection) and the connection's kube_config exclude one "
            "another: keep one of them"
        )
    settings = _settings(deployment, in_cluster, path, text, ours)
    if _true(_field(extra, "disable_verify_ssl")):
        settings = replace(settings, verify_ssl=False)
    if _true(_field(extra, "disable_tcp_keepalive")):
        settings = replace(settings, enable_tcp_keepalive=False)
    if context and not settings.in_cluster:
        settings = replace(settings, cluster_context=context)
    kubeconfig = json.dumps(text) if isinstance(text, dict) else text
    return ClusterChoice(settings, _field(extra, "namespace"), kubeconfig or None)


def _settings(deployment: KubeSettings, in_cluster: Any, path: str | None, text: Any, ours: bool) -> KubeSettings:
    elsewhere = replace(
        deployment, in_cluster=False, cluster_context=None, client_factory=None, async_client_factory=None
    )
    if in_cluster:
        return replace(elsewhere, in_cluster=True, config_file=None)
    if path or text:
        return replace(elsewhere, config_file=path)
    if ours:
        return deployment
    return replace(elsewhere, in_cluster=in_cluster is None and _IN_A_POD in os.environ, config_file=None)


def _field(extra: Mapping[str, Any], name: str) -> Any:
    """As the provider reads it, also under its old name."""
    return (extra[name] if name in extra else extra.get(_PREFIX + name)) or None


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _true(value: Any) -> bool:
    return value is True or str(value).lower() in ("true", "1")
