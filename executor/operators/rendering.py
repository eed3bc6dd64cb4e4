"""A deferred task's parameters, made ready in the triggerer: mapped arguments chosen, XComs pulled, templates rendered.

Nothing of this is done by Airflow for a task that starts in the triggerer and is mapped, and for other tasks only where
template fields are arguments of the trigger. Blocking calls, which give way to the loop within a trigger.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import jinja2
from airflow.sdk.definitions._internal.templater import NativeEnvironment, SandboxedEnvironment

from executor.operators.carried import FUNCTION, XComMarker, replaced
from executor.operators.function_arguments import ADVICE
from executor.operators.function_container import PICKLE
from executor.operators.in_pod import NotPlainError, argument_names, encoded
from executor.operators.parameters import BY_NAME, TEMPLATE_FIELDS
from executor.operators.plain import plain_value
from executor.operators.upstream_values import Upstream


class Renders(Protocol):
    """Airflow's Templater, as far as it is used."""

    def render_template(self, content: Any, context: Any, jinja_env: Any = None) -> Any: ...


class RenderingError(ValueError):
    """A template, or what it is to be filled with, cannot be used; says which parameter."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """What another task gave: no template, whatever it looks like."""

    value: Any


def ready(
    parameters: Mapping[str, Any], task: Any, upstream: Upstream, context: Any, renderer: Renders
) -> dict[str, Any]:
    """The parameters as they go into the pod. task: the operator as the DAG was stored. Raises RenderingError."""
    filling = _Filling(upstream, context, renderer, _environment(task))
    mapped = _mapped(task, context, upstream)
    if parameters.get("function"):
        given = {**parameters, "op_kwargs": {**parameters["op_kwargs"], **mapped}}
        return filling.parameters(given, TEMPLATE_FIELDS) | filling.arguments(given)
    return filling.parameters({**parameters, **mapped}, {*TEMPLATE_FIELDS, *mapped})


@dataclass(frozen=True, slots=True)
class _Filling:
    """Where values come from."""

    upstream: Upstream
    context: Any
    renderer: Renders
    environment: jinja2.Environment

    def parameters(self, given: Mapping[str, Any], changing: Collection[str]) -> dict[str, Any]:
        """Those of the pod. changing: which may be something else than in the DAG file. Raises RenderingError."""
        found = {name: self._filled(value) if name not in FUNCTION else value for name, value in given.items()}
        for name in changing:
            if found.get(name):
                found[name] = self._plain(name, given[name])
        return found

    def _plain(self, name: str, value: Any) -> Any:
        with _naming(name):
            rendered = self._rendered(value) if name in TEMPLATE_FIELDS else value
            filled = self._filled(rendered)
            return plain_value(name, filled) if name in BY_NAME else filled

    def arguments(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Those of a function, ready to travel. Raises RenderingError."""
        function = given["function"]
        names = argument_names(function, given["op_args"])
        args = [self._argument(name, value, function) for name, value in zip(names, given["op_args"], strict=True)]
        kwargs = {name: self._argument(name, value, function) for name, value in given["op_kwargs"].items()}
        return {"op_args": args, "op_kwargs": kwargs}

    def _argument(self, name: str, value: Any, function: Mapping[str, Any]) -> Any:
        where, may_pickle = f"argument {name}", function["serializer"] == PICKLE

        def fill(leaf: Any) -> Any:
            found = self._rendered(leaf) if isinstance(leaf, str) else self._pulled(leaf)
            return encoded(found, where, may_pickle)

        try:
            with _naming(where):
                return replaced(value, fill)
        except NotPlainError as error:
            raise RenderingError(f"{error}. {ADVICE[function['serializer']]}") from None

    def _rendered(self, value: Any) -> Any:
        """What is neither text nor a collection stays what it is."""
        return self.renderer.render_template(value, self.context, self.environment)

    def _filled(self, value: Any) -> Any:
        return replaced(value, self._pulled)

    def _pulled(self, leaf: Any) -> Any:
        if isinstance(leaf, XComMarker):
            return self.upstream.pull(leaf.task_id, leaf.key)
        return leaf.value if isinstance(leaf, Pulled) else leaf


@contextmanager
def _naming(name: str) -> Iterator[None]:
    try:
        yield
    except NotPlainError:
        raise
    except (jinja2.TemplateError, TypeError, KeyError, ValueError) as error:
        raise RenderingError(f"{name} cannot be rendered: {error}") from error


def _environment(task: Any) -> jinja2.Environment:
    """As the DAG's own (Airflow `sdk/definitions/dag.py`, `get_template_env`), without what is not stored with it."""
    return _environment_of(bool(getattr(getattr(task, "dag", None), "render_template_as_native_obj", False)))


@lru_cache(maxsize=2)
def _environment_of(native: bool) -> jinja2.Environment:
    """One for all tasks: nothing of a task is kept in it."""
    kind = NativeEnvironment if native else SandboxedEnvironment
    made: jinja2.Environment = kind(undefined=jinja2.StrictUndefined, cache_size=0)
    return made


def _mapped(task: Any, context: Any, upstream: Upstream) -> dict[str, Any]:
    """The arguments of one instance of a mapped task; what comes out of XComs is Pulled, or a marker."""
    expanded = getattr(task, getattr(task, "_expand_input_attr", "expand_input"), None)
    if expanded is None:
        return {}
    index = context["ti"].map_index
    try:
        if isinstance(expanded.value, Mapping):
            found = _of_lists({name: _items(one, upstream) for name, one in expanded.value.items()}, index)
        else:
            found = _of_maps(_items(expanded.value, upstream)[index], upstream)
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise RenderingError(f"the arguments of map index {index} cannot be found: {error}") from error
    return {name: replaced(value, _marked) for name, value in found.items()}


def _is_stored_xcom(value: Any) -> bool:
    """An XCom of the stored DAG (`serialization/definitions/xcom_arg.py`, SchedulerPlainXComArg)."""
    return hasattr(value, "operator") and hasattr(value, "key")


def _marked(leaf: Any) -> Any:
    return XComMarker(leaf.operator.task_id, leaf.key) if _is_stored_xcom(leaf) else leaf


def _of_maps(one: Any, upstream: Upstream) -> dict[str, Any]:
    if _is_stored_xcom(one):
        one = Pulled(upstream.pull(one.operator.task_id, one.key))
    if isinstance(one, Pulled):
        return {name: Pulled(value) for name, value in dict(one.value).items()}
    return dict(one)


def _of_lists(lists: Mapping[str, Sequence[Any]], map_index: int) -> dict[str, Any]:
    """One of the combinations, the last argument moving fastest (Airflow `DictOfListsExpandInput`)."""
    chosen: dict[str, Any] = {}
    rest = map_index
    for name in reversed(list(lists)):
        chosen[name] = lists[name][rest % len(lists[name])]
        rest //= len(lists[name])
    return chosen


def _items(value: Any, upstream: Upstream) -> Sequence[Any]:
    if _is_stored_xcom(value):
        return [Pulled(one) for one in _items(upstream.pull(value.operator.task_id, value.key), upstream)]
    if isinstance(value, dict):
        return list(value.items())
    if isinstance(value, list | tuple) and value:
        return value
    raise ValueError(f"cannot map over a {type(value).__name__}" + ("" if value else " without elements"))
