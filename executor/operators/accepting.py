"""What a DAG author gives becomes what is kept and what travels: plain JSON, with the XComs of other tasks in it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from airflow.sdk.definitions._internal.mixins import ResolveMixin
from airflow.sdk.definitions.xcom_arg import PlainXComArg
from airflow.triggers.base import StartTriggerArgs

from executor.operators import parameters as table
from executor.operators.carried import FUNCTION, XComMarker, pack, replaced
from executor.operators.plain import RefusedParameterError, plain_value

TRIGGER: Final = "executor.operators.trigger.PodTrigger"
RESUME: Final = "resumed"
_TRAVELS: Final = (*table.TOLD, *FUNCTION)


def start_args(values: Mapping[str, Any], timeout: timedelta | None) -> StartTriggerArgs:
    """What the trigger of a task with these parameters is told."""
    seconds = timeout.total_seconds() if timeout is not None else None
    told = marked(values) | {
        "execution_timeout": seconds,
        "multiple_outputs": bool(values.get("multiple_outputs", False)),
    }
    return StartTriggerArgs(trigger_cls=TRIGGER, next_method=RESUME, trigger_kwargs={"parameters": pack(told)})


def marked(values: Mapping[str, Any]) -> dict[str, Any]:
    """XComs of other tasks as markers; one that is computed from others needs a worker anyway."""
    told = {name: values[name] for name in _TRAVELS if name in values}
    return dict(replaced(told, lambda leaf: XComMarker(leaf.operator.task_id, leaf.key) if _plain_xcom(leaf) else leaf))


def _plain_xcom(leaf: Any) -> bool:
    return isinstance(leaf, PlainXComArg)


def accepted(who: str, name: str, value: Any) -> Any:
    """The value as it is kept: plain JSON, and XComs in it. Raises RefusedParameterError."""
    one = table.BY_NAME[name]
    if one.use is table.Use.REFUSED and value != one.default:
        raise RefusedParameterError(f"{who}: {name} cannot be honoured: {one.why}")
    if one.use in (table.Use.WORKER, table.Use.NOTHING) or isinstance(value, ResolveMixin):
        return value
    try:
        return _around_xcoms(name, value)
    except RefusedParameterError as error:
        raise RefusedParameterError(f"{who}: {error}") from None


def _around_xcoms(name: str, value: Any) -> Any:
    """XComs in lists and maps stay what they are until the task runs."""
    found: list[Any] = []

    def hide(leaf: Any) -> Any:
        if not isinstance(leaf, ResolveMixin):
            return leaf
        found.append(leaf)
        return f"\0{len(found) - 1}"

    plain = plain_value(name, replaced(value, hide) if isinstance(value, list | dict) else value)
    if not found:
        return plain
    hidden = {f"\0{index}": leaf for index, leaf in enumerate(found)}
    return replaced(plain, lambda leaf: hidden.get(leaf, leaf) if isinstance(leaf, str) else leaf)


def computed_xcoms(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Arguments that only a worker can compute: `.map()`, `.zip()`, and those of a mapped task group."""
    names = [name for name in _TRAVELS if any(map(_computed, _leaves(values.get(name))))]
    return tuple(f"{name} is computed from XComs, which a worker does" for name in names)


def _leaves(value: Any) -> list[Any]:
    found: list[Any] = []
    replaced(value, found.append)
    return found


def _computed(leaf: Any) -> bool:
    return isinstance(leaf, ResolveMixin) and not _plain_xcom(leaf)
