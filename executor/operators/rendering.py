"""A deferred task's parameters, made ready in the triggerer: mapped arguments chosen, XComs pulled, templates rendered.

Nothing of this is done by Airflow for a task that starts in the triggerer and is mapped, and for other tasks only where
template fields are arguments of the trigger. Blocking calls, which give way to the loop within a trigger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import jinja2
from airflow.sdk.definitions._internal.templater import NativeEnvironment, SandboxedEnvironment

from executor.operators.carried import XComMarker, replaced
from executor.operators.parameters import BY_NAME, TEMPLATE_FIELDS
from executor.operators.plain import RefusedParameterError, plain_value
from executor.operators.upstream_values import Upstream


class Renders(Protocol):
    """Airflow's Templater, as far as it is used."""

    def render_template(self, content: Any, context: Any, jinja_env: Any = None) -> Any: ...


class RenderingError(ValueError):
    """A template, or what it is to be filled with, cannot be used; says which parameter."""


def ready(
    parameters: Mapping[str, Any], task: Any, upstream: Upstream, context: Any, renderer: Renders
) -> dict[str, Any]:
    """The parameters as they go into the pod. task: the operator as the DAG was stored. Raises RenderingError."""
    chosen = dict(parameters)
    if getattr(task, "expand_input", None) is not None:
        chosen |= _mapped(task.expand_input.value, context["ti"].map_index, upstream)
    pulled: dict[str, Any] = replaced(
        chosen, lambda leaf: upstream.pull(leaf.task_id, leaf.key) if _is_xcom(leaf) else leaf
    )
    environment = _environment(task)
    for name in TEMPLATE_FIELDS:
        if pulled.get(name):
            pulled[name] = _rendered(name, pulled[name], context, renderer, environment)
    return pulled


def _is_xcom(leaf: Any) -> bool:
    return isinstance(leaf, XComMarker)


def _rendered(name: str, value: Any, context: Any, renderer: Renders, environment: jinja2.Environment) -> Any:
    try:
        return plain_value(name, renderer.render_template(value, context, environment))
    except (jinja2.TemplateError, RefusedParameterError, TypeError, KeyError, ValueError) as error:
        raise RenderingError(f"{name} cannot be rendered: {error}") from error


def _environment(task: Any) -> jinja2.Environment:
    """As the DAG's own (Airflow `sdk/definitions/dag.py`, `get_template_env`), without what is not stored with it."""
    native = bool(getattr(getattr(task, "dag", None), "render_template_as_native_obj", False))
    kind = NativeEnvironment if native else SandboxedEnvironment
    made: jinja2.Environment = kind(undefined=jinja2.StrictUndefined, cache_size=0)
    return made


def _mapped(value: Any, map_index: int, upstream: Upstream) -> dict[str, Any]:
    """The arguments of one instance of a mapped task."""
    try:
        if isinstance(value, Mapping):
            found = _of_lists({name: _pulled(one, upstream) for name, one in value.items()}, map_index)
        else:
            found = _pulled(_pulled(value, upstream)[map_index], upstream)
        return {name: _plain_argument(name, _pulled(one, upstream)) for name, one in dict(found).items()}
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise RenderingError(f"the arguments of map index {map_index} cannot be found: {error}") from error


def _plain_argument(name: str, value: Any) -> Any:
    return plain_value(name, value) if name in BY_NAME else value


def _pulled(value: Any, upstream: Upstream) -> Any:
    """An XCom of the stored DAG (`serialization/definitions/xcom_arg.py`, SchedulerPlainXComArg), or the value."""
    if hasattr(value, "operator") and hasattr(value, "key"):
        return upstream.pull(value.operator.task_id, value.key)
    return value


def _of_lists(lists: Mapping[str, Any], map_index: int) -> dict[str, Any]:
    """One of the combinations, the last argument moving fastest (Airflow `DictOfListsExpandInput`)."""
    chosen: dict[str, Any] = {}
    rest = map_index
    for name in reversed(list(lists)):
        items = _items(lists[name])
        chosen[name] = items[rest % len(items)]
        rest //= len(items)
    return chosen


def _items(value: Any) -> Sequence[Any]:
    if isinstance(value, dict):
        return list(value.items())
    if isinstance(value, list | tuple) and value:
        return value
    raise ValueError(f"cannot map over a {type(value).__name__}" + ("" if value else " without elements"))
