"""How the functions of a theme are put together: a Table maps names to what a template may call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from executor.templating.arguments import Function

Call = Callable[..., Any]
F = TypeVar("F", bound=Call)


class Table(dict[str, Function]):
    """Functions by name."""

    def add(self, names: str, parameters: str, call: Call, *, wants_run: bool = False) -> None:
        """Add a function under one or more names. parameters: kinds, as in `string int ...any`."""
        kinds = parameters.split()
        rest = kinds.pop()[3:] if kinds and kinds[-1].startswith("...") else None
        for name in names.split():
            self[name] = Function(name, tuple(kinds), rest, call, wants_run)

    def function(self, names: str, parameters: str, *, wants_run: bool = False) -> Callable[[F], F]:
        """`add` as a decorator."""

        def keep(call: F) -> F:
            self.add(names, parameters, call, wants_run=wants_run)
            return call

        return keep
