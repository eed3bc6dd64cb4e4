"""The parameters of `PodOperator`: names and defaults of the provider's KubernetesPodOperator, and what each is here.

One table, from which the constructor's signature, what travels to the triggerer, and the documentation are made. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from inspect import Parameter as Argument
from inspect import Signature
from typing import Any, Final

from airflow.configuration import conf


class Use(Enum):
    """What becomes of a parameter."""

    POD = "is part of the pod"
    RUN = "says how the pod is followed and ended"
    CLUSTER = "says which cluster"
    NOTHING = "has no effect, because there is nothing left for it to do"
    WORKER = "needs a worker: the task takes the worker path"
    REFUSED = "cannot be honoured, and is refused when the DAG is parsed"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter. why: for those without effect, those that need a worker and those refused."""

    name: str
    use: Use
    default: Any = None
    why: str = ""


_WATCH = "pods are followed by one watch for all tasks, so nothing is asked at intervals"
_ALWAYS = "the task waits in the triggerer in any case"
_NO_SIDECAR = "results come without a sidecar container"

PARAMETERS: Final = (
    Parameter("kubernetes_conn_id", Use.CLUSTER, "kubernetes_default"),
    Parameter("namespace", Use.POD),
    Parameter("image", Use.POD),
    Parameter("name", Use.POD),
    Parameter("random_name_suffix", Use.POD, True),
    Parameter("cmds", Use.POD),
    Parameter("arguments", Use.POD),
    Parameter("ports", Use.POD),
    Parameter("volume_mounts", Use.POD),
    Parameter("volumes", Use.POD),
    Parameter("env_vars", Use.POD),
    Parameter("env_from", Use.POD),
    Parameter("secrets", Use.POD),
    Parameter("in_cluster", Use.CLUSTER),
    Parameter("cluster_context", Use.CLUSTER),
    Parameter("labels", Use.POD),
    Parameter("reattach_on_restart", Use.RUN),
    Parameter("durable", Use.RUN),
    Parameter("startup_timeout_seconds", Use.RUN, 120),
    Parameter("startup_check_interval_seconds", Use.NOTHING, 5, why=_WATCH),
    Parameter("schedule_timeout_seconds", Use.RUN),
    Parameter("get_logs", Use.RUN, True),
    Parameter("base_container_name", Use.POD),
    Parameter("base_container_status_polling_interval", Use.NOTHING, 1, why=_WATCH),
    Parameter("init_container_logs", Use.RUN),
    Parameter("container_logs", Use.RUN),
    Parameter("image_pull_policy", Use.POD),
    Parameter("annotations", Use.POD),
    Parameter("container_resources", Use.POD),
    Parameter("affinity", Use.POD),
    Parameter("config_file", Use.CLUSTER),
    Parameter("runtime_class_name", Use.POD),
    Parameter("node_selector", Use.POD),
    Parameter("image_pull_secrets", Use.POD),
    Parameter("service_account_name", Use.POD),
    Parameter("automount_service_account_token", Use.POD),
    Parameter("hostnetwork", Use.POD, False),
    Parameter("host_aliases", Use.POD),
    Parameter("tolerations", Use.POD),
    Parameter("security_context", Use.POD),
    Parameter("container_security_context", Use.POD),
    Parameter("xcom_sidecar_container_security_context", Use.NOTHING, why=_NO_SIDECAR),
    Parameter("dnspolicy", Use.POD),
    Parameter("dns_config", Use.POD),
    Parameter("hostname", Use.POD),
    Parameter("subdomain", Use.POD),
    Parameter("schedulername", Use.POD),
    Parameter("full_pod_spec", Use.POD),
    Parameter("init_containers", Use.POD),
    Parameter("log_events_on_failure", Use.RUN, False),
    Parameter("log_events_on_startup", Use.RUN, True),
    Parameter("do_xcom_push", Use.RUN, False),
    Parameter("pod_template_file", Use.POD),
    Parameter("pod_template_dict", Use.POD),
    Parameter("priority_class_name", Use.POD),
    Parameter("pod_runtime_info_envs", Use.POD),
    Parameter("termination_grace_period", Use.POD),
    Parameter("configmaps", Use.POD),
    Parameter("skip_on_exit_code", Use.RUN),
    Parameter(
        "deferrable",
        Use.NOTHING,
        conf.getboolean("operators", "default_deferrable", fallback=False),
        why=_ALWAYS,
    ),
    Parameter("poll_interval", Use.NOTHING, 2, why=_WATCH),
    Parameter("log_pod_spec_on_failure", Use.RUN, True),
    Parameter("on_finish_action", Use.RUN, "delete_pod"),
    Parameter("on_kill_action", Use.RUN, "delete_pod"),
    Parameter(
        "is_delete_operator_pod",
        Use.REFUSED,
        why="the provider ignores it since version 10; write on_finish_action='delete_pod' or 'keep_pod'",
    ),
    Parameter("termination_message_policy", Use.POD, "File"),
    Parameter("active_deadline_seconds", Use.POD),
    Parameter("callbacks", Use.WORKER, why="callbacks are Python code of the DAG, and the triggerer has no DAG files"),
    Parameter("progress_callback", Use.WORKER, why="progress_callback is Python code of the DAG"),
    Parameter("logging_interval", Use.NOTHING, why="the log is in the task's log while the container writes it"),
    Parameter(
        "trigger_kwargs",
        Use.REFUSED,
        why="it holds arguments for the provider's own trigger, which is not used here; leave it out",
    ),
    Parameter("container_name_log_prefix_enabled", Use.RUN, True),
    Parameter("log_formatter", Use.WORKER, why="log_formatter is Python code of the DAG"),
)

BY_NAME: Final = {one.name: one for one in PARAMETERS}

#: The provider's template fields, in its order (`KubernetesPodOperator.template_fields`).
TEMPLATE_FIELDS: Final = (
    "image",
    "name",
    "hostname",
    "cmds",
    "annotations",
    "arguments",
    "env_vars",
    "labels",
    "config_file",
    "pod_template_file",
    "pod_template_dict",
    "namespace",
    "container_resources",
    "volumes",
    "volume_mounts",
    "cluster_context",
    "env_from",
    "configmaps",
    "node_selector",
    "kubernetes_conn_id",
    "base_container_name",
    "trigger_kwargs",
)

#: What the triggerer is told: everything that has an effect there.
TOLD: Final = tuple(one.name for one in PARAMETERS if one.use in (Use.POD, Use.RUN, Use.CLUSTER))


def signature() -> Signature:
    """The constructor's signature: each parameter by keyword, with the provider's default, and BaseOperator's own."""
    own = [Argument(one.name, Argument.KEYWORD_ONLY, default=one.default, annotation=Any) for one in PARAMETERS]
    first = Argument("self", Argument.POSITIONAL_OR_KEYWORD)
    return Signature([first, *own, Argument("kwargs", Argument.VAR_KEYWORD, annotation=Any)])
