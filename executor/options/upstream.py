"""Section `[kubernetes_executor]`: the options of Airflow's own Kubernetes executor, provider 10.25.0.

All 31 are here: a field where the option has its meaning, a row of `NOT_NEEDED` where it has none any more. Source of
names, meanings and upstream's defaults: `airflow/providers/cncf/kubernetes/get_provider_info.py` and its readers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from executor.options.option import Effect, Kind, Option, option

UPSTREAM_SECTION = "kubernetes_executor"


@dataclass(frozen=True, slots=True)
class UpstreamOptions:
    """Upstream's options with their values; a field's description is in its row."""

    SECTION: ClassVar[str] = UPSTREAM_SECTION

    # What the pod is made of
    pod_template_file: str | None = option(
        None,
        Kind.TEXT,
        "Path of the pod template that worker pods are made from. Without it the template shipped with the executor.",
        example="/opt/airflow/pod_templates/pod_template.yaml",
    )
    worker_container_repository: str | None = option(
        None, Kind.TEXT, "Repository of the worker image. Has effect only together with `worker_container_tag`."
    )
    worker_container_tag: str | None = option(
        None, Kind.TEXT, "Tag of the worker image. Has effect only together with `worker_container_repository`."
    )
    namespace: str | None = option(
        None,
        Kind.TEXT,
        "Namespace of the worker pods.",
        why="Counts only where it is really set: then it goes before a pod template's namespace. Where it is not set, "
        "a template's namespace is respected, and pods go to `default` where the template names none.",
        example="airflow",
    )
    multi_namespace_mode: bool = option(
        False,
        Kind.FLAG,
        "Follow pods in several namespaces: those of `multi_namespace_mode_namespace_list`, or all of the cluster, "
        "which needs a ClusterRole.",
    )
    multi_namespace_mode_namespace_list: tuple[str, ...] = option(
        (),
        Kind.NAMES,
        "The namespaces of `multi_namespace_mode`. Pods for others are refused.",
        example="team-a,team-b",
    )

    # What happens to it
    delete_worker_pods: bool = option(True, Kind.FLAG, "Delete worker pods when their task has ended.")
    delete_worker_pods_on_failure: bool = option(
        True,
        Kind.FLAG,
        "Delete also the pods that failed. A task that fails by its own code is no failure of its pod.",
        why="Upstream keeps failed pods (False). Here the reason and the end of the log are saved before the pod goes.",
    )
    worker_pod_pending_fatal_container_state_reasons: tuple[str, ...] = option(
        ("CreateContainerConfigError", "ErrImagePull", "CreateContainerError", "ImageInspectError", "InvalidImageName"),
        Kind.NAMES,
        "Waiting reasons of a container that mean that the pod cannot start, and fail the task. `ErrImagePull` stands "
        "for `ImagePullBackOff` too. A container that waits for another reason is waited for.",
        why="Same list as upstream, but not at once: after a grace that fits the cause. An invalid name or a missing "
        "image is final, a registry that does not answer is waited for (`pending_timeout_pulling`), a missing Secret "
        "or ConfigMap has `pending_timeout_config`.",
    )
    pod_launch_failure_retries: int = option(
        3,
        Kind.WHOLE,
        "How often a pod that ended or vanished before its task began is replaced, without costing a retry of the "
        "task. -1: without limit.",
        minimum=-1,
        why="Upstream's default is 1: one drain of a node can meet a task twice.",
    )
    pod_launch_failure_excluded_container_reasons: tuple[str, ...] = option(
        ("Error",),
        Kind.NAMES,
        "Reasons of a container's end for which the pod is not replaced. `OOMKilled` never is. Empty: no reason.",
    )
    task_publish_max_retries: int = option(
        -1,
        Kind.WHOLE,
        "How often creating a pod is tried again after an answer that may change: quota exceeded, 429, 5xx, a "
        "connection error. -1: without limit.",
        minimum=-1,
        why="Upstream's default is 0, which fails the task on the first of them. Here the task stays queued and says "
        "what it waits for.",
    )
    pod_creation_max_concurrency: int = option(
        0,
        Kind.WHOLE,
        "At most this many creates at once, whatever `[kubernetes_pod_executor] create_concurrency` says. 0: no "
        "further limit.",
        minimum=0,
        why="Upstream heeds it only with `async_pod_creation`.",
    )
    running_pod_log_lines: int = option(
        0,
        Kind.WHOLE,
        "How many lines of a running pod's log the UI shows, the last ones. 0: all of them.",
        minimum=0,
        why="Upstream shows 100. Airflow's log page goes on after as many lines as it has, so that with a limit it "
        "shows nothing new once the log is longer.",
    )
    delete_option_kwargs: Mapping[str, Any] = option(
        {},
        Kind.OBJECT,
        "DeleteOptions sent with each delete of a pod.",
        example='{"grace_period_seconds": 10}',
    )

    # How the API server is reached
    in_cluster: bool = option(
        True, Kind.FLAG, "Connect as the pod's service account. Otherwise by a kubeconfig file.", shared=True
    )
    cluster_context: str | None = option(None, Kind.TEXT, "Context of the kubeconfig file.", shared=True)
    config_file: str | None = option(None, Kind.TEXT, "Path of the kubeconfig file.", shared=True)
    client_factory: str | None = option(
        None,
        Kind.IMPORT,
        "Callable without arguments that returns the synchronous `kubernetes.client` API object whose host and "
        "credentials are used. Replaces the options of the connection.",
        example="my_company.kube.make_client",
    )
    async_client_factory: str | None = option(
        None,
        Kind.IMPORT,
        "Callable without arguments that returns the asynchronous `kubernetes.aio` API object to use.",
        why="Not required beside `client_factory`, from which the asynchronous client is made as well.",
        example="my_company.kube.make_async_client",
    )
    kube_client_request_args: Mapping[str, Any] = option(
        {},
        Kind.OBJECT,
        "Arguments of every request, above all its time limit in seconds.",
        example='{"_request_timeout": [10, 60]}',
    )
    verify_ssl: bool = option(True, Kind.FLAG, "Verify the API server's certificate.", shared=True)
    ssl_ca_cert: str | None = option(
        None, Kind.TEXT, "Path of the certificate authority that signed the API server's certificate.", shared=True
    )
    enable_tcp_keepalive: bool = option(
        True, Kind.FLAG, "Probe idle connections, so that a firewall that drops them is noticed.", shared=True
    )
    tcp_keep_idle: int = option(
        120, Kind.WHOLE, "Seconds a connection is idle before it is probed.", minimum=1, shared=True
    )
    tcp_keep_intvl: int = option(30, Kind.WHOLE, "Seconds between two probes.", minimum=1, shared=True)
    tcp_keep_cnt: int = option(
        6, Kind.WHOLE, "Unanswered probes after which a connection is broken.", minimum=1, shared=True
    )


def _not_needed(name: str, kind: Kind, default: Any, description: str, why: str) -> Option:
    return Option(UPSTREAM_SECTION, name, kind, default, description, effect=Effect.NOT_NEEDED, why=why)


NOT_NEEDED: tuple[Option, ...] = (
    _not_needed(
        "worker_pods_creation_batch_size",
        Kind.WHOLE,
        1,
        "Pods created in one loop of the scheduler.",
        "pods are created beside the scheduler's loop, which never waits for them; the limit is "
        "[kubernetes_pod_executor] create_concurrency",
    ),
    _not_needed(
        "async_pod_creation",
        Kind.FLAG,
        False,
        "Create the pods of one loop concurrently.",
        "creates are always concurrent and never hold up the scheduler",
    ),
    _not_needed(
        "api_client_retry_configuration",
        Kind.OBJECT,
        {},
        "Arguments of the client's retries, as `urllib3.util.Retry` takes them.",
        "every answer that may change is asked for again, with back-off, jitter and Retry-After, while the task stays "
        "queued; task_publish_max_retries limits it",
    ),
    _not_needed(
        "logs_task_metadata",
        Kind.FLAG,
        False,
        "Add the task's data to log lines about its pod.",
        "every log line about a single pod names its task, run and try",
    ),
)
