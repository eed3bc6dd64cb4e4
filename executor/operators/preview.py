"""The pod that a PodOperator would make, without a task instance and without a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from executor.identity import Identity
from executor.manifest.model import JsonMap
from executor.manifest.yaml_text import parse_yaml
from executor.operators.carried import of_operator
from executor.operators.deployment import this_deployment
from executor.operators.function_container import in_container, without_payload
from executor.operators.manifest import Wanted, build

_NOBODY: Final = "00000000-0000-0000-0000-000000000000"


def pod_text(operator: Any) -> str:
    """YAML of the pod, with its templates as they are written. Raises ManifestError."""
    who = _identity(operator)
    parameters = in_container(of_operator(operator) | {"op_args": [], "op_kwargs": {}}, who)
    path = parameters.get("pod_template_file")
    template: JsonMap | None = (
        parse_yaml(Path(path).read_text(encoding="utf-8"), f"podTemplate {path}") if path else None
    )
    pod = build(Wanted(who, parameters, template))
    return str(yaml.safe_dump(without_payload(pod), sort_keys=False))


def _identity(operator: Any) -> Identity:
    here = this_deployment()
    return Identity(
        launch_id=_NOBODY,
        attempt=1,
        ti_id=_NOBODY,
        dag_id=operator.dag_id,
        task_id=operator.task_id,
        run_id="dry_run",
        try_number=1,
        map_index=-1,
        deployment=here.settings.deployment_id,
        job_id="",
        airflow_version=here.airflow_version,
    )
