"""What travels from the DAG file to the triggerer: a task's parameters as one JSON text.

One text, because Airflow wraps every nested map of a trigger's arguments in two more (serialization) and cuts long
template fields off; and because a deferred task then costs one string. An XCom of an upstream task is a marker in it,
pulled in the triggerer. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from executor.operators.parameters import BY_NAME, TOLD
from executor.operators.plain import as_json

_XCOM: Final = "__xcom__"
VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class XComMarker:
    """The XCom `key` of the task `task_id` of the same run."""

    task_id: str
    key: str


#: Of a `@task.pod` function.
FUNCTION: Final[Mapping[str, Any]] = {"function": None, "op_args": [], "op_kwargs": {}}

#: BaseOperator's own arguments that the triggerer needs too. execution_timeout: in seconds, from the pod's making.
EXTRA: Final[Mapping[str, Any]] = {"execution_timeout": None, "multiple_outputs": False, **FUNCTION}


class VersionError(ValueError):
    """The text was made by another version of PodOperator."""


def told(values: Mapping[str, Any]) -> dict[str, Any]:
    """What has an effect in the triggerer and differs from its default."""
    defaults = _defaults()
    return {name: values[name] for name, default in defaults.items() if name in values and values[name] != default}


def _defaults() -> dict[str, Any]:
    return {name: BY_NAME[name].default for name in TOLD} | dict(EXTRA)


def of_operator(operator: Any) -> dict[str, Any]:
    """What a task says that is not about its scheduling, as it stands now."""
    defaults = {name: BY_NAME[name].default for name in TOLD} | dict(FUNCTION)
    values = operator.told
    return {name: values.get(name, default) for name, default in defaults.items()}


def pack(values: Mapping[str, Any]) -> str:
    """The text that travels. `values` are plain JSON, or XComMarkers anywhere in it."""
    return as_json({"version": VERSION, "parameters": replaced(told(values), _encoded)})


def unpack(text: str) -> dict[str, Any]:
    """The parameters of `pack`, each of them, with XComMarkers. Raises VersionError for a text of another version."""
    told_values = json.loads(text)
    if told_values.get("version") != VERSION:
        raise VersionError(
            f"the task was stored by version {told_values.get('version')} of PodOperator, and this triggerer has "
            f"{VERSION}: install the same version of airflow-pod-executor everywhere"
        )
    given: dict[str, Any] = _decoded(told_values["parameters"])
    return _defaults() | given


def replaced(value: Any, change: Callable[[Any], Any]) -> Any:
    """`value` with each leaf, and each object that is neither list nor dict, as `change` gives it."""
    if isinstance(value, dict):
        return {key: replaced(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [replaced(item, change) for item in value]
    return change(value)


def markers(value: Any) -> Iterator[XComMarker]:
    """The XComs in `value`."""
    if isinstance(value, XComMarker):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from markers(item)


def _encoded(leaf: Any) -> Any:
    return {_XCOM: [leaf.task_id, leaf.key]} if isinstance(leaf, XComMarker) else leaf


def _decoded(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {_XCOM}:
            return XComMarker(*value[_XCOM])
        return {key: _decoded(item) for key, item in value.items()}
    return [_decoded(item) for item in value] if isinstance(value, list) else value
