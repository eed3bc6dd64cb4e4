"""Who a pod is: its name, labels and annotations, computed from the launch it belongs to.

Invariants: the same launch and attempt always give the same name, so that a second create of it is a 409; different
tasks get different label values; every label value is valid, whatever text the ids are. Labels and annotations carry
what Airflow's own Kubernetes executor writes (cncf-kubernetes, `pod_generator.py`), so that tools that select on them
go on working. Excluded: which launch is whose, and anything that needs the cluster.
"""

# No `from __future__ import annotations` here: `annotations` is this module's own name for a pod's annotations.
import re
from dataclasses import dataclass
from functools import lru_cache
from hashlib import md5, sha256
from typing import Final, Literal

from slugify import slugify

MAX_LABEL: Final = 63
MAX_NAME: Final = 63

DEPLOYMENT_LABEL: Final = "airflow-deployment"
LAUNCH_LABEL: Final = "airflow-launch"
SECRET_ANNOTATION: Final = "airflow-workload-secret"
KIND_LABEL: Final = "airflow-kind"
TI_LABEL: Final = "ti_id"
ATTEMPT_ANNOTATION: Final = "attempt"

# Ours also where this pod does not have them: nobody else may give them to it.
OPTIONAL_LABELS: Final = frozenset({"map_index", KIND_LABEL})
OPTIONAL_ANNOTATIONS: Final = frozenset({"map_index", SECRET_ANNOTATION})


@dataclass(frozen=True, slots=True)
class Identity:
    """One attempt of one launch: everything the pod is labelled with.

    `launch_id` is the row's external_executor_id (for a callback: its id), `attempt` counts the launch's pods from 1,
    `deployment` is the hash that all schedulers of one metadata database share, `job_id` the scheduler's job.
    `map_index` is -1 for a task that is not mapped.
    """

    launch_id: str
    attempt: int
    ti_id: str
    dag_id: str
    task_id: str
    run_id: str
    try_number: int
    map_index: int
    deployment: str
    job_id: str
    airflow_version: str
    kind: Literal["task", "callback"] = "task"


def pod_name(identity: Identity) -> str:
    """Return the pod's name: a DNS-1123 label of at most 63 characters, readable first, unique by its hash."""
    digest = sha256(f"{identity.launch_id}\0{identity.attempt}".encode()).hexdigest()[:_DIGEST]
    return f"{_prefix(identity.dag_id, identity.task_id)}-{digest}"


def may_be_pod_of(name: str, dag_id: str, task_id: str) -> bool:
    """Return whether some launch of this task may have had a pod of this name."""
    prefix, _, digest = name.rpartition("-")
    return prefix == _prefix(dag_id, task_id) and _HEX.fullmatch(digest) is not None


def _prefix(dag_id: str, task_id: str) -> str:
    return _readable(f"{dag_id}-{task_id}", MAX_NAME - _DIGEST - 1)


def labels(identity: Identity) -> dict[str, str]:
    """Return the labels that are the executor's. `airflow_executor_done` keeps upstream's executor off the pod."""
    found = {
        "dag_id": safe_label_value(identity.dag_id),
        "task_id": safe_label_value(identity.task_id),
        "run_id": safe_label_value(identity.run_id),
        "try_number": str(identity.try_number),
        "kubernetes_executor": "True",
        "airflow_version": safe_label_value(identity.airflow_version.replace("+", "-")),
        "airflow-worker": safe_label_value(identity.job_id),
        "airflow_executor_done": "True",
        DEPLOYMENT_LABEL: safe_label_value(identity.deployment),
        LAUNCH_LABEL: safe_label_value(identity.launch_id),
        TI_LABEL: safe_label_value(identity.ti_id),
    }
    if identity.map_index >= 0:
        found["map_index"] = str(identity.map_index)
    if identity.kind == "callback":
        found[KIND_LABEL] = "callback"
    return found


def annotations(identity: Identity) -> dict[str, str]:
    """Return the annotations that are the executor's: the ids as they are, without a label's limits."""
    found = {
        "dag_id": identity.dag_id,
        "task_id": identity.task_id,
        "run_id": identity.run_id,
        "try_number": str(identity.try_number),
        "task_instance_id": identity.ti_id,
        ATTEMPT_ANNOTATION: str(identity.attempt),
    }
    if identity.map_index >= 0:
        found["map_index"] = str(identity.map_index)
    return found


def task_selector(ti_id: str) -> str:
    """Return the label selector for the pods of one task instance, whichever launch they were made for."""
    return f"{TI_LABEL}={safe_label_value(ti_id)}"


def deployment_selector(deployment: str) -> str:
    """Return the label selector for everything that belongs to one metadata database."""
    return f"{DEPLOYMENT_LABEL}={safe_label_value(deployment)}"


_ILLEGAL = re.compile(r"^[^a-z0-9A-Z]*|[^a-zA-Z0-9_\-\.]|[^a-z0-9A-Z]*$")
_HASH = 9
_DIGEST = 16
_HEX = re.compile(f"[0-9a-f]{{{_DIGEST}}}")
_START = re.compile(r"[a-zA-Z0-9]")


@lru_cache(maxsize=8192)
def safe_label_value(text: str) -> str:
    """Return `text` as a valid label value.

    Equal to upstream's `make_safe_label_value` (cncf-kubernetes `pod_generator.py`) wherever that one is valid: the
    text itself if it is one, else 53 characters of what is left of it, `-` and 9 hexadecimal digits of its MD5. Where
    nothing is left (`группа`), upstream's begins with `-`, which no API server takes; ours is `x-` and the hash.
    """
    safe = _ILLEGAL.sub("", text)
    if len(safe) <= MAX_LABEL and safe == text:
        return text
    digest = md5(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()[:_HASH]
    shortened = safe[: MAX_LABEL - _HASH - 1] + "-" + digest
    return shortened if _START.match(shortened) else "x" + shortened


@lru_cache(maxsize=8192)
def _readable(text: str, limit: int) -> str:
    """Return what a DNS label can show of `text`, in Latin letters."""
    return slugify(text, lowercase=True)[:limit].strip("-") or "task"
