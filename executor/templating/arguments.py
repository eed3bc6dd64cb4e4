"""What a function takes: Go's parameter types, and which values and constants fit them.

Go converts nothing between its types: a float64 is refused where an int is wanted, nil where a string is. Constants
in the template are looser: `1` fits int, int64 and float64 alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from executor.templating import nodes
from executor.templating.errors import Refusal
from executor.templating.values import Int64, Uint64, Value, is_integer, type_name

GO_NAMES = {"map": "map[string]interface {}", "list": "[]interface {}", "any": "interface {}", "time": "time.Time"}
_FITS: dict[str, Callable[[Value], bool]] = {
    "string": lambda value: isinstance(value, str),
    "int": lambda value: type(value) is int,
    "int64": lambda value: type(value) is Int64,
    "float64": lambda value: type(value) is float,
    "bool": lambda value: isinstance(value, bool),
    "map": lambda value: isinstance(value, dict) and type_name(value) != "map[string]string",
    "list": lambda value: type(value) is list,
    "time": lambda value: type_name(value) == "time.Time",
}
_ADVICE = {
    "string": "Use `toString` or `quote`, or `default` for one that may be missing.",
    "int": "Convert it with `int`.",
    "int64": "Convert it with `int64`.",
    "float64": "Convert it with `float64`.",
    "map": "It must be a map; `default dict` helps where it may be missing.",
}


@dataclass(frozen=True, slots=True)
class Function:
    """A function a template may call.

    params: kinds of the fixed parameters; rest: kind of the variadic one, None if there is none;
    wants_run: the running render is passed first.
    """

    name: str
    params: tuple[str, ...]
    rest: str | None
    call: Callable[..., Value]
    wants_run: bool = False

    def kind_of(self, at: int) -> str:
        """The kind of the argument at a position."""
        if at < len(self.params):
            return self.params[at]
        return self.rest or "any"

    def refuse_count(self, count: int) -> None:
        """Refuse a number of arguments that does not fit."""
        want = len(self.params)
        if count == want or (count > want and self.rest is not None):
            return
        at_least = "" if self.rest is None else "at least "
        kinds = [*self.params, *([] if self.rest is None else [f"{self.rest}..."])]
        usage = " ".join([self.name, *(kind.upper() for kind in kinds)])
        advice = f"Write `{usage}`; a piped value is the last one."
        raise Refusal(f"wrong number of args for {self.name}: want {at_least}{want} got {count}", advice)


def fit(value: Value, kind: str) -> Value:
    """The value as an argument of this kind, or Refusal. A nil that stands alone fits maps and lists."""
    if kind == "any" or _FITS[kind](value):
        return value
    if value is None and kind in ("map", "list"):
        return None
    if value is None:
        raise Refusal(f"invalid value; expected {GO_NAMES.get(kind, kind)}, got nil", _ADVICE.get(kind, ""))
    raise wrong_type(kind, type_name(value))


def wrong_type(kind: str, got: str) -> Refusal:
    """The refusal of a value of another type."""
    wanted = GO_NAMES.get(kind, kind)
    return Refusal(f"wrong type for value; expected {wanted}; got {got}", _ADVICE.get(kind, ""))


def fit_constant(node: nodes.Number, kind: str) -> Value:
    """A constant as an argument of this kind, or Refusal."""
    if kind == "any":
        return node.value
    if kind in ("int", "int64") and node.whole is not None:
        return node.whole if kind == "int" else Int64(node.whole)
    if kind == "float64" and node.real is not None:
        return node.real
    raise Refusal(f"expected {GO_NAMES.get(kind, kind)}; found {node.text}", _ADVICE.get(kind, ""))


def as_whole(value: Value) -> int | None:
    """The value as a plain int if it is of one of Go's integer types."""
    return int(value) if is_integer(value) and isinstance(value, int | Int64 | Uint64) else None
