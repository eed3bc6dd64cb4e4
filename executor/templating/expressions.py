"""Values of expressions: pipelines, commands, fields, variables and calls, after Go's text/template/exec.go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from executor.templating import nodes
from executor.templating.arguments import Function, fit, fit_constant, wrong_type
from executor.templating.errors import Refusal, TemplateError, did_you_mean, fault
from executor.templating.values import TYPED_NIL, Struct, Value, is_true, type_name, zero

if TYPE_CHECKING:
    from executor.templating.run import Run

LONGEST_CALL_CHAIN = 10  # places an error names
_ABSENT: Any = object()  # no value was piped in


class Expressions:
    """The part of an Execution that finds values: it has the variables of one template call."""

    __slots__ = ("_definition", "_functions", "_run", "_variables")

    def __init__(self, run: Run, definition: nodes.Definition, data: Value) -> None:
        self._run = run
        self._definition = definition
        self._functions: Mapping[str, Function] = run.functions
        self._variables: list[tuple[str, Value]] = [("$", data)]

    # variables

    def _assign(self, name: str, value: Value, pos: int) -> None:
        for at in range(len(self._variables) - 1, -1, -1):
            if self._variables[at][0] == name:
                self._variables[at] = (name, value)
                return
        raise fault(self._definition.source, pos, f"undefined variable: {name}", f"Declare it first: {name} := ...")

    def _lookup(self, name: str, pos: int) -> Value:
        for known, value in reversed(self._variables):
            if known == name:
                return value
        raise fault(self._definition.source, pos, f"undefined variable: {name}")

    # expressions

    def _pipe(self, pipe: nodes.Pipe, dot: Value) -> Value:
        value = _ABSENT
        for command in pipe.commands:
            value = self._command(command, dot, value)
            if value is TYPED_NIL:
                value = None
        if pipe.declared:
            self._declare(pipe, value)
        return value

    def _declare(self, pipe: nodes.Pipe, value: Value) -> None:
        for name in pipe.declared:
            if pipe.assigns:
                self._assign(name, value, pipe.pos)
            else:
                self._variables.append((name, value))

    def _command(self, command: nodes.Command, dot: Value, final: Value) -> Value:
        first = command.args[0]
        if type(first) is nodes.Identifier:
            return self._function(first, command.args[1:], dot, final)
        if isinstance(first, nodes.Field | nodes.Variable | nodes.Chain):
            return self._path(first, command.args[1:], dot, final)
        if len(command.args) > 1 or final is not _ABSENT:
            shown = self._shown(first, command)
            advice = "The first word of a command must be a function to take arguments."
            raise fault(self._definition.source, first.pos, f"can't give argument to non-function {shown}", advice)
        if type(first) is nodes.Nil:
            raise fault(self._definition.source, first.pos, "nil is not a command")
        return self._operand(first, dot)

    def _shown(self, node: nodes.Node, command: nodes.Command) -> str:
        end = command.args[1].pos if len(command.args) > 1 else node.pos + 40
        return self._definition.source.text[node.pos : end].split("|")[0].split("}}")[0].strip()

    def _operand(self, node: nodes.Node, dot: Value) -> Value:
        """The value of anything that can be an argument."""
        return _OPERANDS[type(node)](self, node, dot)

    def _path(self, node: nodes.Node, args: Sequence[nodes.Node], dot: Value, final: Value) -> Value:
        """A field, variable or chain as a command, with the arguments a method may take."""
        if isinstance(node, nodes.Variable):
            start, names = self._lookup(node.name, node.pos), node.names
        elif isinstance(node, nodes.Chain):
            start, names = self._operand(node.start, dot), node.names
        elif isinstance(node, nodes.Field):
            start, names = dot, node.names
        else:
            return self._operand(node, dot)
        if not names:
            if args or final is not _ABSENT:
                problem = "can't give argument to non-function"
                raise fault(
                    self._definition.source, node.pos, f"{problem} {self._definition.source.text[node.pos :][:20]}"
                )
            return start
        value = self._fields(start, names, node.pos) if len(names) > 1 else start
        if value is TYPED_NIL:
            raise self._nil_pointer(start, names, len(names) - 1, node.pos)
        return self._last_field(value, names, args, dot, final, node.pos)

    def _fields(self, value: Value, names: Sequence[str], pos: int) -> Value:
        """Follow all names but the last into maps; a nil in the middle is an error, one at the start gives nil."""
        if value is None:
            return None
        start = value
        for at, name in enumerate(names[:-1]):
            if value is TYPED_NIL:
                raise self._nil_pointer(start, names, at, pos)
            value = self._field(value, name, pos)
            if value is None:
                value = TYPED_NIL
        return value

    def _field(self, value: Value, name: str, pos: int) -> Value:
        if isinstance(value, dict):
            found = value.get(name, _ABSENT)
            return zero(value) if found is _ABSENT else found
        if isinstance(value, Struct):
            if name in value.fields:
                return value.fields[name]
            if name in value.methods:
                return self._method(value, name, (), None, _ABSENT, pos)
        if value is None:
            return None
        raise self._no_field(value, name, pos)

    def _nil_pointer(self, start: Value, names: Sequence[str], at: int, pos: int) -> TemplateError:
        """names[at] was asked of what names[:at] lead to, which is nil."""
        parent = start
        for name in names[: max(at - 1, 0)]:
            parent = parent[name] if isinstance(parent, dict) else parent
        path = "".join(f".{name}" for name in names[:at])
        guess = did_you_mean(names[at - 1], parent) if at and isinstance(parent, dict) else ""
        what = f"{path} is not set" if at else "The element is nil"
        advice = (
            f"{what}: {guess or 'set it in the values'} Where it may be missing, write ({path or '.'}).{names[at]}."
        )
        problem = f"nil pointer evaluating interface {{}}.{names[at]}"
        return fault(self._definition.source, pos, problem, advice.replace("values Where", "values. Where"))

    def _no_field(self, value: Value, name: str, pos: int) -> TemplateError:
        source = self._definition.source
        advice = "A list is indexed: (index LIST 0)." if isinstance(value, list) else "Only maps have fields."
        if isinstance(value, Struct):
            advice = "It has: " + (", ".join([*value.fields, *value.methods]) or "no fields")
        return fault(source, pos, f"can't evaluate field {name} in type {type_name(value)}", advice)

    def _last_field(
        self, value: Value, names: Sequence[str], args: Sequence[nodes.Node], dot: Value, final: Value, pos: int
    ) -> Value:
        name = names[-1]
        if isinstance(value, Struct) and name in value.methods:
            return self._method(value, name, args, dot, final, pos)
        if (args or final is not _ABSENT) and value is not None:
            problem = f"{name} is not a method but has arguments"
            raise fault(self._definition.source, pos, problem, "A value takes no arguments: is a function missing?")
        return self._field(value, name, pos)

    def _method(
        self, value: Struct, name: str, args: Sequence[nodes.Node], dot: Value, final: Value, pos: int
    ) -> Value:
        params, call = value.methods[name]
        return self._call(Function(name, params, None, call), args, dot, final, pos)

    def _function(self, name: nodes.Identifier, args: Sequence[nodes.Node], dot: Value, final: Value) -> Value:
        function = self._functions[name.name]
        if name.name in ("and", "or"):
            return self._and_or(function, args, dot, final, name.pos)
        return self._call(function, args, dot, final, name.pos)

    def _and_or(self, function: Function, args: Sequence[nodes.Node], dot: Value, final: Value, pos: int) -> Value:
        """The first argument that decides, the later ones unevaluated; else the last."""
        if not args and final is _ABSENT:
            raise fault(
                self._definition.source, pos, f"wrong number of args for {function.name}: want at least 1 got 0"
            )
        value: Value = None
        for arg in args:
            value = self._argument(arg, "any", dot)
            if is_true(value) == (function.name == "or"):
                return value
        return value if final is _ABSENT else final

    def _call(self, function: Function, args: Sequence[nodes.Node], dot: Value, final: Value, pos: int) -> Value:
        run = self._run
        try:
            function.refuse_count(len(args) + (final is not _ABSENT))
            given = [self._argument(arg, function.kind_of(at), dot) for at, arg in enumerate(args)]
            if final is not _ABSENT:
                given.append(fit(final, function.kind_of(len(given))))
            result = function.call(run, *given) if function.wants_run else function.call(*given)
            run.charge(result)
        except Refusal as refusal:
            raise self._fault(pos, _named(refusal, function.name)) from None
        except TemplateError as error:
            raise (self._called_from(error, pos) if function.wants_run else error) from None
        except (ArithmeticError, ValueError) as error:
            raise self._fault(pos, Refusal(f"error calling {function.name}: {error}")) from None
        return result

    def _argument(self, node: nodes.Node, kind: str, dot: Value) -> Value:
        """An argument, checked against the parameter it is for."""
        try:
            if type(node) is nodes.Number:
                return fit_constant(node, kind)
            value = self._operand(node, dot)
            if kind == "map" and (value is TYPED_NIL or (value is None and _is_path(node))):
                raise wrong_type(kind, "interface {}")
            if value is TYPED_NIL:
                value = None
            return value if kind == "any" else fit(value, kind)
        except Refusal as refusal:
            raise self._fault(node.pos, refusal) from None

    # errors

    def _fault(self, pos: int, refusal: Refusal) -> TemplateError:
        return fault(self._definition.source, pos, refusal.problem, refusal.advice)

    def _called_from(self, error: TemplateError, pos: int) -> TemplateError:
        line, column = self._definition.source.place(pos)
        place = f"{self._definition.source.name}:{line}:{column}"
        if error.called_from[-1:] == (place,) or len(error.called_from) >= LONGEST_CALL_CHAIN:
            return error
        return TemplateError(
            error.file,
            error.line,
            error.column,
            error.action,
            error.problem,
            error.advice,
            (*error.called_from, place),
        )


def _is_path(node: nodes.Node) -> bool:
    """Whether a nil of this node came out of a map: Go knows its type then, and does not take it for a nil map."""
    return isinstance(node, nodes.Field | nodes.Chain) or (isinstance(node, nodes.Variable) and bool(node.names))


def _named(refusal: Refusal, name: str) -> Refusal:
    """Go says which function refused, unless the refusal itself does."""
    if name in refusal.problem:
        return refusal
    return Refusal(f"error calling {name}: {refusal.problem}", refusal.advice)


_OPERANDS: dict[type, Callable[[Expressions, Any, Value], Value]] = {
    nodes.Dot: lambda _, node, dot: dot,
    nodes.Nil: lambda *_: None,
    nodes.Bool: lambda _, node, dot: node.value,
    nodes.String: lambda _, node, dot: node.value,
    nodes.Number: lambda _, node, dot: node.value,
    nodes.Pipe: lambda execution, node, dot: execution._pipe(node, dot),
    nodes.Field: lambda execution, node, dot: execution._path(node, (), dot, _ABSENT),
    nodes.Variable: lambda execution, node, dot: execution._path(node, (), dot, _ABSENT),
    nodes.Chain: lambda execution, node, dot: execution._path(node, (), dot, _ABSENT),
    nodes.Identifier: lambda execution, node, dot: execution._function(node, (), dot, _ABSENT),
}
