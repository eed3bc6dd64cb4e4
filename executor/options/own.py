"""Section `[kubernetes_pod_executor]`: the options that only this executor has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from executor.options.option import Kind, option
from executor.options.upstream import UpstreamOptions
from executor.secret import Secret

OWN_SECTION = "kubernetes_pod_executor"


@dataclass(frozen=True, slots=True)
class OwnOptions(UpstreamOptions):
    """Our options with their values, beside upstream's; a field's description is in its row."""

    SECTION: ClassVar[str] = OWN_SECTION

    deployment_id: str = option(
        "",
        Kind.TEXT,
        "Marks everything of this Airflow deployment in Kubernetes (label `airflow-deployment`); nothing without it is "
        "ever touched. Must be the same for all its schedulers and API servers, and different from that of any other "
        "deployment in the same cluster.",
        why="Where it is not set it is a hash of the metadata database's address, without credentials.",
        shared=True,
        example="production",
    )

    # What the pod is made of
    env_secrets: tuple[Secret, ...] = option(
        (),
        Kind.ARRAY,
        "Environment variables of every worker from Kubernetes Secrets: a list of objects with `env`, `secret` and "
        "`key`.",
        example='[{"env": "MY_SECRET", "secret": "my-secret", "key": "password"}]',
    )
    workload_delivery: str = option(
        "secret",
        Kind.TEXT,
        "How a pod gets its task, with the token: `secret` mounts a Secret of its own, `args` writes it into the pod's "
        "arguments, where everybody who may read pods sees it.",
        why="`args` is for clusters whose role allows no Secrets.",
        choices=("secret", "args"),
    )
    pod_templates_folder: str | None = option(
        None,
        Kind.TEXT,
        'Folder of the pod templates that tasks choose by name: `executor_config={"pod_template": "gpu"}`.',
        example="/opt/airflow/pod_templates",
    )
    queue_pod_templates: Mapping[str, str] = option(
        {},
        Kind.OBJECT,
        "Pod template of each Airflow queue: a name in `pod_templates_folder`, or a path.",
        example='{"gpu": "gpu", "big": "/opt/airflow/pod_templates/big.yaml"}',
    )
    pod_template_values: tuple[str, ...] = option(
        (),
        Kind.NAMES,
        "YAML files with the values of pod templates (`.Values`); later ones win. `file#a.b` takes the map at `a.b` of "
        "a file, which is how a chart's values are found in those of the chart around it.",
        example="/opt/airflow/values.yaml,/opt/platform/values.yaml#astronomer.houston.config.deployments.helm.airflow",
    )
    pod_template_helpers: tuple[str, ...] = option(
        (),
        Kind.NAMES,
        "Files, or folders such as a chart's `templates`, with the named templates that pod templates include; a "
        "`Chart.yaml` beside such a folder is `.Chart`.",
        example="/opt/chart/templates",
    )
    pod_template_release: str = option(
        "airflow",
        Kind.TEXT,
        "Name of the Helm release that pod templates see as `.Release.Name`. `.Release.Namespace` is where pods go "
        "that name no namespace.",
        example="my-release",
    )
    pod_template_on_error: str = option(
        "fail",
        Kind.TEXT,
        "What a new version of a pod template, or of its values or helpers, that cannot be used does: `fail` the tasks "
        "launched with it, or `keep_last` good version, and say so once.",
        choices=("fail", "keep_last"),
    )

    # How fast
    create_concurrency: int = option(
        64,
        Kind.WHOLE,
        "Pods being created at once.",
        minimum=1,
        maximum=1000,
        why="An API server needs 10 to 300 ms for a create, so 64 at once are 200 to several thousand a second.",
    )
    create_qps: float = option(0.0, Kind.NUMBER, "Pods created in one second. 0: no limit.", minimum=0)
    reconcile_interval: float = option(
        30.0,
        Kind.SECONDS,
        "Seconds between two comparisons of all followed tasks with the database, and of all pods with a list of them.",
        minimum=1,
    )
    confirm_interval: float = option(
        2.0,
        Kind.SECONDS,
        "Seconds after which a result handed to the scheduler is checked in the database, and handed over again where "
        "the scheduler did not take it.",
        minimum=0.1,
    )
    switch_interval: float = option(
        0.001,
        Kind.SECONDS,
        "Python's thread switch interval in the scheduler, in seconds. 0: leave it as it is.",
        minimum=0,
        maximum=1,
        shared=True,
        why="With Python's 5 ms a busy scheduler thread keeps the loop waiting for its turns.",
    )
    max_active_pods: int = option(
        0,
        Kind.WHOLE,
        "Pods of container tasks running at once for one triggerer. 0: no limit.",
        minimum=0,
    )

    # Waiting and failing
    hold_queued_while_waiting: bool = option(
        True,
        Kind.FLAG,
        "Keep a task queued for as long as its pod waits for a place. Otherwise `[scheduler] task_queued_timeout` ends "
        "it.",
    )
    pending_timeout_unschedulable: float = option(
        0.0,
        Kind.SECONDS,
        "Seconds after which a pod that finds no node fails its task. 0: never.",
        minimum=0,
        why="Waiting for a place is what a queue is for; the reason is shown meanwhile.",
    )
    pending_timeout_pulling: float = option(
        1800.0,
        Kind.SECONDS,
        "Seconds after which a pod that cannot get its images fails its task. 0: never. An image that does not exist "
        "fails it at once.",
        minimum=0,
        why="Half an hour is what Airflow's own three queue timeouts give; a registry is seldom away for longer.",
    )
    pending_timeout_config: float = option(
        60.0,
        Kind.SECONDS,
        "Seconds after which a container that cannot be configured (a missing Secret, ConfigMap or key) fails its "
        "task. 0: never.",
        minimum=0,
        why="A Secret made together with the deployment may come a little later; a wrong name should be told soon.",
    )
    disruption_retries: int = option(
        3,
        Kind.WHOLE,
        "How often a task that has retries gets a try back because its pod was evicted, preempted or lost with its "
        "node. -1: without limit.",
        minimum=-1,
        why="Counted over all tries of a task, by the event log, so that a new scheduler does not begin anew.",
    )

    # Keeping ended pods
    pod_ttl_succeeded: float = option(
        0.0,
        Kind.SECONDS,
        "Seconds that a pod which did not fail is kept after its end; then it is deleted. 0: as `delete_worker_pods` "
        "says, at once or never.",
        minimum=0,
        why="Looked at every `reconcile_interval`, whichever scheduler launched the pod.",
    )
    pod_ttl_failed: float = option(
        0.0,
        Kind.SECONDS,
        "Seconds that a failed pod is kept after its end; then it is deleted. 0: as `delete_worker_pods` and "
        "`delete_worker_pods_on_failure` say. A pod failed if its container `base` ended with another code than 0, was "
        "killed, or never started; a task that fails by its own code is no failure of its pod.",
        minimum=0,
    )
    pod_keep_last: int = option(
        0,
        Kind.WHOLE,
        "How many ended pods of this deployment are kept at most: of those that the options above keep, the newest. "
        "0: no limit.",
        minimum=0,
    )
