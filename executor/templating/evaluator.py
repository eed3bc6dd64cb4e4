"""Carrying out a template's tree, after Go's text/template/exec.go.

An Execution is one call of one named template: it has the variables and the text of that call. What all calls of a
render share (definitions, bounds, settings) is the Run in run.py, which makes the Executions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from executor.templating import nodes
from executor.templating.errors import Refusal, TemplateError, fault
from executor.templating.expressions import Expressions
from executor.templating.printing import print_value, sorted_keys
from executor.templating.values import TYPED_NIL, Struct, Value, is_integer, is_true, kind

if TYPE_CHECKING:
    from executor.templating.run import Run

_BREAK = "break"
_CONTINUE = "continue"


class Execution(Expressions):
    """One call of a named template."""

    __slots__ = ("_pieces",)

    def __init__(self, run: Run, definition: nodes.Definition, data: Value) -> None:
        super().__init__(run, definition, data)
        self._pieces: list[str] = []

    def text(self, dot: Value) -> str:
        """The text this template makes of its data. Raises TemplateError."""
        self._walk(self._definition.body, dot)
        return "".join(self._pieces)

    # statements

    def _walk(self, body: Sequence[nodes.Statement], dot: Value) -> str | None:
        """Carry out statements; `break` or `continue` where one was met."""
        for one in body:
            if type(one) is nodes.Text:
                self._write(one.text, one.pos)
                continue
            self._step(one.pos)
            stop = _STATEMENTS[type(one)](self, one, dot)
            if stop is not None:
                return stop
        return None

    def _step(self, pos: int) -> None:
        try:
            self._run.spend(1)
        except Refusal as refusal:
            raise self._fault(pos, refusal) from None

    def _write(self, text: str, pos: int) -> None:
        try:
            self._run.write(len(text))
        except Refusal as refusal:
            raise self._fault(pos, refusal) from None
        self._pieces.append(text)

    def _action(self, node: nodes.Action, dot: Value) -> None:
        value = self._pipe(node.pipe, dot)
        if node.pipe.declared:
            return
        if value is None:
            self._run.note_missing(self._definition.source, node.pos)
        if type(value) is not str:
            try:
                value = print_value(value)
            except Refusal as refusal:
                raise self._fault(node.pos, refusal) from None
        self._write(value, node.pos)

    def _if(self, node: nodes.If, dot: Value) -> str | None:
        mark = len(self._variables)
        truth = is_true(self._pipe(node.pipe, dot))
        stop = self._walk(node.body if truth else node.otherwise, dot)
        del self._variables[mark:]
        return stop

    def _with(self, node: nodes.With, dot: Value) -> str | None:
        mark = len(self._variables)
        value = self._pipe(node.pipe, dot)
        stop = self._walk(node.body, value) if is_true(value) else self._walk(node.otherwise, dot)
        del self._variables[mark:]
        return stop

    def _range(self, node: nodes.Range, dot: Value) -> str | None:
        mark = len(self._variables)
        value = self._pipe(node.pipe, dot)
        inner = len(self._variables)
        turned = False
        stop = None
        for key, item in self._items(node, value):
            turned = True
            self._step(node.pos)
            item = TYPED_NIL if item is None else item
            self._bind(node.pipe, key, item)
            stop = self._walk(node.body, item)
            del self._variables[inner:]
            if stop == _BREAK:
                break
        if not turned:
            stop = self._walk(node.otherwise, dot)
            del self._variables[mark:]
            return stop
        del self._variables[mark:]
        return None

    def _bind(self, pipe: nodes.Pipe, key: Value, item: Value) -> None:
        """Give the loop's variables their values for one turn."""
        names = pipe.declared
        if not names:
            return
        pairs = ((names[0], item),) if len(names) == 1 else ((names[0], key), (names[1], item))
        for name, value in pairs:
            if pipe.assigns:
                self._assign(name, value, pipe.pos)
            else:
                self._variables.append((name, value))

    def _items(self, node: nodes.Range, value: Value) -> Iterable[tuple[Value, Value]]:
        """Pairs of index or key and element."""
        if value is None:
            return ()
        if isinstance(value, dict):
            return [(key, value[key]) for key in sorted_keys(value)]
        if isinstance(value, list):
            return enumerate(list(value))
        if isinstance(value, Struct) and kind(value) == "map":
            return sorted(value.fields.items())
        if is_integer(value):
            if len(node.pipe.declared) > 1:
                problem = f"can't use {value} to iterate over more than one variable"
                raise fault(self._definition.source, node.pipe.pos, problem)
            return _count(value)
        shown = print_value(value)
        raise fault(
            self._definition.source,
            node.pipe.pos,
            f"range can't iterate over {shown[:80]}",
            "Only lists, maps and integers can be ranged over; `until (int ...)` makes a list of a number.",
        )

    def _call_template(self, node: nodes.TemplateCall, dot: Value) -> None:
        data = None if node.pipe is None else self._pipe(node.pipe, dot)
        try:
            text = self._run.include(node.name, data, "template")
        except Refusal as refusal:
            raise self._fault(node.pos, refusal) from None
        except TemplateError as error:
            raise self._called_from(error, node.pos) from None
        self._pieces.append(text)


def _count(upto: int) -> Iterator[tuple[Value, Value]]:
    whole = type(upto)
    for number in range(upto):
        yield whole(number), whole(number)


_STATEMENTS: dict[type, Callable[[Execution, Any, Value], str | None]] = {
    nodes.Action: Execution._action,
    nodes.If: Execution._if,
    nodes.With: Execution._with,
    nodes.Range: Execution._range,
    nodes.TemplateCall: Execution._call_template,
    nodes.Break: lambda *_: _BREAK,
    nodes.Continue: lambda *_: _CONTINUE,
}
