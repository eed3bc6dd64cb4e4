"""What one configuration option is.

Pure. Excluded: how text becomes a value (`parsing`), where the text comes from (`executor.airflow_config`), and rules
that tie options to each other (`executor.settings`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from enum import Enum
from typing import Any, ClassVar, Protocol, TypeVar

T = TypeVar("T")


class Kind(Enum):
    """The form of an option's text. The value is the word people read in documentation and errors."""

    TEXT = "text"
    FLAG = "True or False"
    WHOLE = "a whole number"
    NUMBER = "a number"
    SECONDS = "a number of seconds"
    NAMES = "names separated by commas"
    OBJECT = "a JSON object"
    ARRAY = "a JSON list"
    IMPORT = "an import path"


class Effect(Enum):
    """What setting the option does in this version."""

    USED = "used"
    NOT_NEEDED = "not needed"


class SettingsError(ValueError):
    """A configured value cannot be used. Its text names the section, the option, the value and what to do."""

    def __init__(self, section: str, option: str, value: str, problem: str, advice: str = "") -> None:
        super().__init__(section, option, value, problem, advice)
        self.section = section
        self.option = option
        self.value = value
        self.problem = problem
        self.advice = advice

    def __str__(self) -> str:
        sentence = f"[{self.section}] {self.option} = {_shorten(self.value)}: {self.problem}"
        return f"{sentence}. {self.advice}" if self.advice else sentence


@dataclass(frozen=True, slots=True)
class Option:
    """One option. `default` is a value, not text.

    why: the reason of a default that differs from upstream's, or of an option without effect. minimum and maximum
    apply to numbers, choices to texts. shared: a team that does not set it gets the whole deployment's value instead
    of the default, because it describes the connection or the process, not the team's pods. example: as airflow.cfg
    would hold it.
    """

    section: str
    name: str
    kind: Kind
    default: Any
    description: str
    effect: Effect = Effect.USED
    why: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    shared: bool = False
    example: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        return (self.section, self.name)

    @property
    def default_text(self) -> str:
        """The default as airflow.cfg would hold it; empty where nothing is set."""
        if self.default is None or self.default in ({}, ()):
            return ""
        if self.kind is Kind.NAMES:
            return ",".join(self.default)
        if self.kind in (Kind.OBJECT, Kind.ARRAY):
            return json.dumps(self.default)
        return f"{self.default:g}" if isinstance(self.default, float) else str(self.default)

    @property
    def documentation(self) -> str:
        """Description and reason as one text."""
        if self.effect is Effect.USED:
            return f"{self.description} {self.why}".rstrip()
        return f"{self.description} Has no effect: {self.why}."

    def error(self, value: str, problem: str, advice: str = "") -> SettingsError:
        """What is wrong with this text of the option; without an advice, the form it should have."""
        return SettingsError(self.section, self.name, value, problem, advice or self._advice())

    def _advice(self) -> str:
        if self.choices:
            return f"Use one of: {', '.join(self.choices)}."
        example = f", for example {self.example}" if self.example else ""
        return f"Write {self.kind.value}{example}."


class OptionGroup(Protocol):
    """A dataclass whose fields are the options of one section."""

    SECTION: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


def option(default: T, kind: Kind, description: str, **more: Any) -> T:
    """A dataclass field that is an option; `more` are the other attributes of `Option`."""
    metadata: Mapping[str, Any] = {"option": {"kind": kind, "description": description, **more}}
    if isinstance(default, dict):
        made: T = field(default_factory=lambda: type(default)(default), metadata=metadata)
        return made
    made = field(default=default, metadata=metadata)
    return made


def options_of(group: type[OptionGroup]) -> tuple[Option, ...]:
    """The rows of one section, in the order of its fields; fields inherited from another section are left out."""
    own = (one for one in fields(group) if one.name in group.__annotations__ and "option" in one.metadata)
    return tuple(
        Option(section=group.SECTION, name=one.name, default=_default(one), **one.metadata["option"]) for one in own
    )


def _default(one: Field[Any]) -> Any:
    return one.default_factory() if one.default_factory is not MISSING else one.default


def _shorten(value: str, limit: int = 80) -> str:
    return repr(value if len(value) <= limit else value[:limit] + "...")
