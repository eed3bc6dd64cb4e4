"""What all template calls of one render share: the definitions, the settings, and what may still be spent."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from executor.templating import nodes
from executor.templating.arguments import Function
from executor.templating.errors import Refusal, Source, did_you_mean
from executor.templating.evaluator import Execution
from executor.templating.limits import MAX_CALLS, MAX_OUTPUT, MAX_SECONDS, MAX_STEPS, MAX_TPL, bounded_text
from executor.templating.printing import NO_VALUE
from executor.templating.values import Value

Parse = Callable[[Source], list[nodes.Definition]]


@dataclass(frozen=True, slots=True)
class Missing:
    """An action that prints nothing since its value is missing or null: its place (from 1) and its text."""

    file: str
    line: int
    column: int
    action: str


OnMissing = Callable[[Missing], None]
Lookup = Callable[[str, str, str, str], Value]


def no_cluster(api_version: str, kind: str, namespace: str, name: str) -> Value:
    """What `lookup` finds without a cluster, as in `helm template`: nothing."""
    return {}


class Run:
    """One render. floats: numbers read from YAML or JSON are all float64, as in Helm."""

    def __init__(
        self,
        definitions: Mapping[str, nodes.Definition],
        functions: Mapping[str, Function],
        parse: Parse,
        *,
        floats: bool,
        on_missing: OnMissing | None = None,
        lookup: Lookup | None = None,
    ) -> None:
        self.functions = functions
        self.floats = floats
        self.lookup = lookup or no_cluster
        self._definitions = dict(definitions)
        self._parse = parse
        self._on_missing = on_missing
        self._steps = MAX_STEPS
        self._written = 4 * MAX_OUTPUT
        self._deadline = time.thread_time() + MAX_SECONDS
        self._calls = 0
        self._tpls = 0

    def spend(self, steps: int) -> None:
        """Count work. Raises Refusal when the bound is reached."""
        self._steps -= steps
        if self._steps < 0:
            raise Refusal(f"the template does more than {MAX_STEPS} steps", "Is there a loop that grows?")

    def write(self, characters: int) -> None:
        """Count text. Raises Refusal when the bound is reached."""
        self._written -= characters
        if self._written < 0:
            raise Refusal(f"the template writes more than {4 * MAX_OUTPUT} characters in all")

    def note_missing(self, source: Source, pos: int) -> None:
        """An action prints nothing because its value is missing."""
        if self._on_missing is not None:
            line, column = source.place(pos)
            self._on_missing(Missing(source.name, line, column, source.action(pos)))

    def charge(self, result: Value) -> None:
        """Count what a function made."""
        if time.thread_time() > self._deadline:
            raise Refusal(f"the template takes more than {MAX_SECONDS} seconds", "Is there a loop that grows?")
        if isinstance(result, str):
            bounded_text(result)
            self.spend(1 + len(result) // 16)
        elif isinstance(result, list | dict):
            self.spend(1 + len(result) // 16)
        else:
            self.spend(1)

    def include(self, name: str, data: Value, function: str) -> str:
        """The text of a named template. Raises Refusal if there is none, TemplateError from within."""
        definition = self._definitions.get(name)
        if definition is None:
            advice = did_you_mean(name, self._definitions) or "Is the helper file of this chart's version given?"
            raise Refusal(f'template "{name}" not defined', advice)
        return self.execute(definition, data)

    def execute(self, definition: nodes.Definition, data: Value) -> str:
        """The text of a template. Raises Refusal if calls are nested too deep."""
        if self._calls >= MAX_CALLS:
            raise Refusal(
                f'rendering template has a nested reference name: "{definition.name}" ({MAX_CALLS} calls deep)',
                "A helper includes itself without end.",
            )
        self._calls += 1
        try:
            return bounded_text(Execution(self, definition, data).text(data))
        except RecursionError:
            raise Refusal(
                f'"{definition.name}" is nested too deep in calls, blocks or values', "Does a helper include itself?"
            ) from None
        finally:
            self._calls -= 1

    def tpl(self, text: str, data: Value) -> str:
        """A text rendered as a template of its own, whose definitions end with it."""
        if self._tpls >= MAX_TPL:
            raise Refusal(f"tpl is nested deeper than {MAX_TPL} levels", "A value renders itself without end.")
        outer = self._definitions
        self._tpls += 1
        try:
            *inner, main = self._parse(Source(f"tpl {_beginning(text)}", text))
            self._definitions = {**outer, **{one.name: one for one in inner}}
            return self.execute(main, data).replace(NO_VALUE, "")
        finally:
            self._tpls -= 1
            self._definitions = outer


def _beginning(text: str) -> str:
    line = text.strip().split("\n", 1)[0]
    return repr(line if len(line) <= 30 else line[:27] + "...")
