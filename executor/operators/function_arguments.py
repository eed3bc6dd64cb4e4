"""The arguments of a `@task.pod` function, from the DAG file to the triggerer: JSON, or pickled, with XComs in them.

What cannot travel is refused when the DAG is parsed, with its name and what to do.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from airflow.sdk.definitions._internal.mixins import ResolveMixin
from airflow.sdk.definitions.context import KNOWN_CONTEXT_KEYS

from executor.operators.carried import replaced
from executor.operators.function_container import JSON, LIMIT, PICKLE, TooLargeError, payload
from executor.operators.in_pod import NotPlainError, argument_names, encoded
from executor.operators.plain import RefusedParameterError

_XCOMS: Final = (ResolveMixin,)
#: For an argument that cannot travel, by serializer.
ADVICE: Final = {
    JSON: "Give text, numbers, lists and dicts with text keys, or write serializer='pickle'",
    PICKLE: "Give what it is made of, and make it in the function",
}


def travelling(function: Mapping[str, Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """op_args and op_kwargs as they travel. Raises RefusedParameterError."""
    names = argument_names(function, args)
    found = {
        "op_args": [_encoded(function, name, one) for name, one in zip(names, args, strict=True)],
        "op_kwargs": {name: _encoded(function, name, one) for name, one in kwargs.items()},
    }
    _refuse_too_large(function, found)
    return found


def travelling_input(function: Mapping[str, Any], value: Any) -> Any:
    """What a task is mapped over: of `expand` a map of lists, of `expand_kwargs` a list of maps. Raises as above."""
    if isinstance(value, Mapping):
        return {name: _each(function, name, given) for name, given in value.items()}
    if isinstance(value, Sequence):
        return [_map(function, one) if isinstance(one, Mapping) else one for one in value]
    return value


def _each(function: Mapping[str, Any], name: str, given: Any) -> Any:
    if isinstance(given, Mapping):
        return {key: _encoded(function, name, one) for key, one in given.items()}
    if isinstance(given, list | tuple):
        return [_encoded(function, name, one) for one in given]
    return given


def _map(function: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _encoded(function, name, one) for name, one in given.items()}


def _encoded(function: Mapping[str, Any], name: str, value: Any) -> Any:
    serializer = function["serializer"]
    try:
        return encoded(value, f"argument {name}", serializer == PICKLE, _XCOMS)
    except NotPlainError as error:
        raise RefusedParameterError(f"{error}. {ADVICE[serializer]}") from None


def _refuse_too_large(function: Mapping[str, Any], arguments: Mapping[str, Any]) -> None:
    """As far as it is known before XComs are."""
    known = replaced(arguments, lambda leaf: None if isinstance(leaf, ResolveMixin) else leaf)
    if len(json.dumps(known)) + len(function["source"]) < LIMIT // 2:
        return  # without the time that compressing takes
    try:
        payload({"function": function, **known}, "")
    except TooLargeError as error:
        raise RefusedParameterError(str(error)) from None


def refuse_context(function: Callable[..., Any], given: Collection[str], positional: int) -> None:
    """Refuse parameters that Airflow would fill from a worker's context. Raises RefusedParameterError."""
    parameters = list(inspect.signature(function).parameters.values())[positional:]
    left = [one.name for one in parameters if one.name in KNOWN_CONTEXT_KEYS and one.name not in given]
    if left:
        raise RefusedParameterError(
            f"argument {left[0]} is of Airflow's context, which is not there in the pod: give what you need of it as a "
            f"template, such as {function.__name__}({left[0]}='{{{{ {left[0]} }}}}')"
        )
