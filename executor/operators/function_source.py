"""The source of a `@task.pod` function: taken from the DAG file, and what cannot go along is refused there. Pure, but
for reading the file."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from types import FunctionType
from typing import Any, Final

import msgspec

from executor.operators.plain import RefusedParameterError

_INDENTED: Final = "if 1:\n"


class Function(msgspec.Struct, frozen=True):
    """source: from its `def` on, as it stands there; file, line: where, for its tracebacks; parameters: the names of
    those that may be given by position."""

    name: str
    source: str
    file: str
    line: int
    parameters: tuple[str, ...] = ()


@lru_cache(maxsize=256)
def function_of(function: Callable[..., Any]) -> Function:
    """Read once for all its calls. Raises RefusedParameterError for what has no source of its own, or none that can run
    alone."""
    refuse_unplain(function)
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError):
        raise RefusedParameterError(
            f"the source of {function.__name__} cannot be read, and its source is what runs in the pod: "
            "define it in a file"
        ) from None
    node = _definition("".join(lines), function.__name__)
    source = "".join(lines[node.lineno - 1 : node.end_lineno])
    named = tuple(one.arg for one in (*node.args.posonlyargs, *node.args.args))
    return Function(node.name, source, Path(inspect.getfile(function)).name, first + node.lineno - 1, named)


def refuse_unplain(function: Callable[..., Any]) -> None:
    """Refuse what is no function, or not a function of this kind. Raises RefusedParameterError."""
    problem = _problem(function)
    if problem:
        raise RefusedParameterError(problem)


def _problem(function: Any) -> str:
    name = getattr(function, "__name__", repr(function))
    if not isinstance(function, FunctionType) or hasattr(function, "__wrapped__"):
        return f"{name} is not a plain function: write a def without other decorators, and call in it what you need"
    if name == "<lambda>":
        return "a lambda has no source of its own: write a def"
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        return f"{name} is async: write a def, and asyncio.run(...) in it"
    if inspect.isgeneratorfunction(function):
        return f"{name} is a generator, whose values nobody would take: return a list"
    return ""


def _definition(source: str, name: str) -> ast.FunctionDef:
    """The function's node; line numbers are those of `source`, which may be indented."""
    indented = source[:1] in (" ", "\t")
    tree = ast.parse(_INDENTED + source if indented else source)
    node = next((one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef)), None)
    if node is None:
        raise RefusedParameterError(f"the source of {name} is no def")
    if indented:
        ast.increment_lineno(node, -1)
    return node
