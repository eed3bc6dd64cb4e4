"""How the text of an option becomes its value.

Pure. The rules for flags are those of Airflow's `conf.getboolean`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

from executor.options.option import Kind, Option

_IMPORT_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")
_FLAGS = {"t": True, "true": True, "1": True, "f": False, "false": False, "0": False}


def parse(option: Option, text: str) -> Any:
    """The value of one option from its configured text.

    Empty text means that the option is not set, except for names, where it means none of them.
    Raises SettingsError naming section, option and value.
    """
    text = text.strip()
    if not text and option.kind is not Kind.NAMES:
        return option.default
    value = _PARSERS[option.kind](option, text)
    if option.choices and value not in option.choices:
        raise option.error(text, "is not one of the possible values")
    _check_bounds(option, text, value)
    return value


def _check_bounds(option: Option, text: str, value: Any) -> None:
    if option.minimum is not None and value < option.minimum:
        raise option.error(text, f"is less than {option.minimum:g}", f"Write {option.minimum:g} or more.")
    if option.maximum is not None and value > option.maximum:
        raise option.error(text, f"is more than {option.maximum:g}", f"Write {option.maximum:g} or less.")


def _flag(option: Option, text: str) -> bool:
    word = text.lower().split("#")[0].strip()
    if word not in _FLAGS:
        raise option.error(text, "is neither true nor false")
    return _FLAGS[word]


def _whole(option: Option, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise option.error(text, "is not a whole number") from None


def _number(option: Option, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise option.error(text, "is not a number") from None
    if not math.isfinite(value):
        raise option.error(text, "is not a finite number")
    return value


def _names(option: Option, text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for part in text.split(",") if (name := part.strip())))


def _json(option: Option, text: str) -> Any:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise option.error(text, f"is not JSON: {error.msg} at character {error.pos + 1}") from None
    wanted = dict if option.kind is Kind.OBJECT else list
    if not isinstance(value, wanted):
        raise option.error(text, f"is JSON, but not {option.kind.value.removeprefix('a JSON ')}")
    return value


def _object(option: Option, text: str) -> dict[str, Any]:
    value: dict[str, Any] = _json(option, text)
    return value


def _array(option: Option, text: str) -> tuple[Any, ...]:
    return tuple(_json(option, text))


def _import_path(option: Option, text: str) -> str:
    if not _IMPORT_PATH.fullmatch(text):
        raise option.error(text, "is not an import path", "Write package.module.name.")
    return text


def _text(option: Option, text: str) -> str:
    return text


_PARSERS: dict[Kind, Callable[[Option, str], Any]] = {
    Kind.TEXT: _text,
    Kind.FLAG: _flag,
    Kind.WHOLE: _whole,
    Kind.NUMBER: _number,
    Kind.SECONDS: _number,
    Kind.NAMES: _names,
    Kind.OBJECT: _object,
    Kind.ARRAY: _array,
    Kind.IMPORT: _import_path,
}
