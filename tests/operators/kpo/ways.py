"""With which operator and executor the table's rows are played, and which rows each of them leaves out, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.operators.kpo.row import slug
from tests.operators.kpo.table import ROWS

KPO = "airflow.providers.cncf.kubernetes.operators.pod.KubernetesPodOperator"
POD_OPERATOR = "executor.operators.PodOperator"
HERE, LOCAL = "executor.KubernetesExecutor", "LocalExecutor"

_NOT_IN_A_POD = "the triggerer of this stage is not in a pod"
_DECORATOR = "a decorator of the provider's operator"
_NO_WORKER = "there is no worker that waits, dies or goes on"
_NO_POLLING = "nothing is polled"
_OTHER_NAMES = "names end in a hash of the try"
_OTHER_WORDS = "says it in words of its own"
_NO_SIDECAR = "results come without a sidecar"
_BY_WORKER = "takes the worker path, where its worker waits"
_REFUSED = "is refused when the DAG is parsed"

LEFT_OUT_BY_POD_OPERATOR: dict[str, str] = {
    **dict.fromkeys(("in_cluster", "a namespace without rights"), _NOT_IN_A_POD),
    **dict.fromkeys(("@task.kubernetes", "@task.kubernetes_cmd", "the ETL pipeline"), _DECORATOR),
    **dict.fromkeys(("deferrable", "execute", "trigger_reentry"), _NO_WORKER),
    **dict.fromkeys(("reattach_on_restart", "find_pod, get_or_create_pod", "process_duplicate_label_pods"), _NO_WORKER),
    **dict.fromkeys(("on_kill", "termination_grace_period"), _NO_WORKER),
    **dict.fromkeys(("poll_interval", "startup_check_interval_seconds", "logging_interval"), _NO_POLLING),
    "name": _OTHER_NAMES,
    **dict.fromkeys(("startup_timeout_seconds", "log_pod_spec_on_failure", "log_events_on_failure"), _OTHER_WORDS),
    **dict.fromkeys(("a private registry, without the pull secret", "patch_already_checked"), _OTHER_WORDS),
    **dict.fromkeys(("termination_message_policy",), _OTHER_WORDS),
    "extract_xcom": _NO_SIDECAR,
    **dict.fromkeys(("callbacks", "progress_callback", "post_complete_action, cleanup"), _BY_WORKER),
    "is_delete_operator_pod": _REFUSED,
}


@dataclass(frozen=True, slots=True)
class Way:
    """An operator and an executor. left_out: rows that mean nothing there, with the reason."""

    name: str
    operator: str = KPO
    executor: str = HERE
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def singly(self) -> dict[str, tuple[str, ...]]:
        """Every row that means something here, with a task of its own."""
        return {slug(row): (row,) for row in ROWS if row not in self.left_out}


WAYS = (
    Way("KubernetesPodOperator"),
    Way("PodOperator", POD_OPERATOR, left_out=LEFT_OUT_BY_POD_OPERATOR),
    Way("PodOperator under LocalExecutor", POD_OPERATOR, LOCAL, LEFT_OUT_BY_POD_OPERATOR),
)
