"""Airflow cluster policy (entry point group `airflow.policy`): judges `executor_config` when a DAG is parsed.

Airflow stores a DAG as JSON and turns every object it does not know into `str(object)` without a word; a non-dict
`executor_config` makes the scheduler itself raise later (airflow/executors/workloads/task.py). Here the DAG author
learns of both at once. Objects that have a plain form (upstream's `Secret`, client models inside a dict) are rewritten.

Only our own keys are looked at: tasks of other executors pass unchanged. Types of fields are not judged here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.policies import hookimpl

OUR_OBJECTS = ("pod_override", "pod_template_file", "secrets")


@hookimpl
def task_policy(task: Any) -> None:
    """Rewrite or refuse the `executor_config` of `task` (mapped or not). Raises AirflowClusterPolicyViolation."""
    arguments = getattr(task, "partial_kwargs", None)
    config = arguments.get("executor_config") if arguments is not None else getattr(task, "executor_config", None)
    if config is None or config == {}:
        return
    if not isinstance(config, dict):
        raise _violation(task, "", f"is a {type(config).__name__}", "write a dict")
    if config.keys().isdisjoint(OUR_OBJECTS):
        return
    plain = _storable(task, config)
    if arguments is not None:
        arguments["executor_config"] = plain
    else:
        task.executor_config = plain


def _storable(task: Any, config: dict[str, Any]) -> dict[str, Any]:
    from executor.manifest.errors import ManifestError

    rewrite = {"pod_override": _override, "secrets": _secrets, "pod_template_file": _path}
    try:
        return {key: rewrite[key](value) if key in rewrite else value for key, value in config.items()}
    except ManifestError as error:
        raise _violation(task, error.layer, f"{error.path} {error.problem}".strip(), error.advice) from None


def _override(value: Any) -> Any:
    """A `V1Pod` of the official client is stored by Airflow as it is; anything else must be plain."""
    from executor.manifest.checks import require_pod
    from executor.manifest.errors import ManifestError
    from executor.manifest.plain import is_pod_model, to_plain
    from executor.manifest.yaml_text import parse_yaml

    if not value or _is_official_pod(value):
        return value
    layer = "pod_override"
    if isinstance(value, str):
        require_pod(parse_yaml(value, layer), layer)
        return value
    if not (is_pod_model(value) or isinstance(value, Mapping)):
        advice = "write a V1Pod, a dict or YAML text"
        raise ManifestError(layer, "", f"is a {type(value).__name__}, which would become text", advice)
    return require_pod(to_plain(value, layer), layer)


def _is_official_pod(value: Any) -> bool:
    kind = type(value)
    return kind.__name__ == "V1Pod" and kind.__module__.startswith("kubernetes.client.")


def _secrets(value: Any) -> Any:
    """Objects with the attributes of a secret become dicts; what is plain already is judged at launch."""
    from executor.manifest.executor_config import SECRETS, secret_fields
    from executor.manifest.plain import to_plain

    if isinstance(value, list | tuple):
        value = [item if isinstance(item, str) else secret_fields(item) or item for item in value]
    return to_plain(value, SECRETS)


def _path(value: Any) -> Any:
    return value if value is None else str(value)


def _violation(task: Any, place: str, problem: str, advice: str) -> Exception:
    from airflow.exceptions import AirflowClusterPolicyViolation

    where = f"executor_config of task {task.task_id!r} in DAG {getattr(task, 'dag_id', '?')!r}"
    return AirflowClusterPolicyViolation(f"{where}: {place}{': ' if place else ''}{problem}; {advice}")
