"""What a DAG author hands over becomes plain JSON: client objects, the provider's Secret, ranges, enums.

Only plain JSON reaches the triggerer: an operator's other attributes do not survive the storing of a DAG (Airflow
`serialization/serialized_objects.py`). What is not plain after all is refused with the parameter's name. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterable
from enum import Enum
from typing import Any, Final

from executor.manifest.errors import ManifestError
from executor.manifest.executor_config import read_secrets
from executor.manifest.plain import to_plain

_EXIT_CODES: Final = range(256)


class RefusedParameterError(ValueError):
    """A parameter that cannot be honoured; names the task, the parameter and what to write instead."""


def plain_value(name: str, value: Any) -> Any:
    """The value of the parameter `name` as plain JSON. Raises RefusedParameterError."""
    convert = _SPECIAL.get(name, _plain)
    try:
        return convert(value) if value is not None else None
    except ManifestError as error:
        raise RefusedParameterError(f"{name}{_at(error.path)} {error.problem}; {error.advice}") from None
    except (TypeError, ValueError) as error:
        raise RefusedParameterError(f"{name}: {error}") from None


def _at(path: str) -> str:
    return path if path[:1] in ("", "[") else f".{path}"


def _plain(value: Any) -> Any:
    """Also what knows its client object (the provider's old Volume, Port and the like)."""
    return to_plain(_with_client_objects(value), "PodOperator")


def _with_client_objects(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_with_client_objects(one) for one in value]
    make = getattr(value, "to_k8s_client_obj", None)
    return make() if callable(make) else value


def _env(value: Any) -> Any:
    """A dict of names and values, or a list of V1EnvVar."""
    if isinstance(value, dict):
        return [{"name": name, "value": text} for name, text in to_plain(value, "PodOperator").items()]
    return _plain(value)


def _pull_secrets(value: Any) -> Any:
    """References, or names with commas between."""
    return [{"name": one.strip()} for one in value.split(",")] if isinstance(value, str) else _plain(value)


def _secrets(value: Any) -> list[dict[str, Any]]:
    return [{**use.secret, "items": list(use.items)} for use in read_secrets(value)]


def _exit_codes(value: int | Container[int]) -> list[int]:
    if isinstance(value, Container):
        return [code for code in _EXIT_CODES if code in value]
    return [value]


def _names(value: Any) -> Any:
    """True, one name, or several."""
    if isinstance(value, bool | str):
        return value
    if isinstance(value, Iterable):
        return [str(one) for one in value]
    return _plain(value)


def _word(value: Any) -> str:
    return str(value.value) if isinstance(value, Enum) else str(value)


_SPECIAL: Final[dict[str, Callable[[Any], Any]]] = {
    "env_vars": _env,
    "image_pull_secrets": _pull_secrets,
    "secrets": _secrets,
    "skip_on_exit_code": _exit_codes,
    "container_logs": _names,
    "init_container_logs": _names,
    "on_finish_action": _word,
    "on_kill_action": _word,
}


def as_json(value: Any) -> str:
    """Compact JSON, in the order of the values: that of a function's arguments is the author's."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
