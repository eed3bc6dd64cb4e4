"""The syntax tree of a Go template, after Go's package text/template/parse.

Every node knows the character offset (`pos`) it began at. A tree belongs to one Source, held by its Definition.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from executor.templating.errors import Source


@dataclass(frozen=True, slots=True)
class Text:
    """What stands outside of actions."""

    pos: int
    text: str


@dataclass(frozen=True, slots=True)
class Dot:
    pos: int


@dataclass(frozen=True, slots=True)
class Nil:
    pos: int


@dataclass(frozen=True, slots=True)
class Bool:
    pos: int
    value: bool


@dataclass(frozen=True, slots=True)
class String:
    pos: int
    value: str


@dataclass(frozen=True, slots=True)
class Number:
    """A constant. Which of the two it may be used as follows from its spelling: `1` as both, `1.5` only as real."""

    pos: int
    text: str
    whole: int | None
    real: float | None
    value: int | float


@dataclass(frozen=True, slots=True)
class Field:
    """`.a.b`"""

    pos: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """`$x` or `$x.a.b`"""

    pos: int
    name: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Identifier:
    """A function's name."""

    pos: int
    name: str


@dataclass(frozen=True, slots=True)
class Chain:
    """`(pipeline).a.b`"""

    pos: int
    start: Node
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Command:
    pos: int
    args: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Pipe:
    """Commands joined by `|`, with the variables they are declared (`:=`) or assigned (`=`) to."""

    pos: int
    declared: tuple[str, ...]
    assigns: bool
    commands: tuple[Command, ...]


@dataclass(frozen=True, slots=True)
class Action:
    pos: int
    pipe: Pipe


@dataclass(frozen=True, slots=True)
class If:
    pos: int
    pipe: Pipe
    body: tuple[Statement, ...]
    otherwise: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class With:
    pos: int
    pipe: Pipe
    body: tuple[Statement, ...]
    otherwise: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Range:
    pos: int
    pipe: Pipe
    body: tuple[Statement, ...]
    otherwise: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class TemplateCall:
    """`{{ template "name" pipeline }}`, and what is left of a `block`."""

    pos: int
    name: str
    pipe: Pipe | None


@dataclass(frozen=True, slots=True)
class Break:
    pos: int


@dataclass(frozen=True, slots=True)
class Continue:
    pos: int


Node = Dot | Nil | Bool | String | Number | Field | Variable | Identifier | Chain | Pipe
Statement = Text | Action | If | With | Range | TemplateCall | Break | Continue


@dataclass(frozen=True, slots=True)
class Definition:
    """A named template: a `define`, a `block`, or a whole file."""

    name: str
    source: Source = field(repr=False)
    body: tuple[Statement, ...] = field(repr=False)

    @property
    def is_empty(self) -> bool:
        """Nothing but blanks; such a definition does not replace an earlier one."""
        return all(isinstance(one, Text) and not one.text.strip() for one in self.body)
