"""Tokens of pipelines to syntax trees, after Go's text/template/parse/parse.go."""

from __future__ import annotations

from collections.abc import Callable, Collection

from executor.templating import literals, nodes
from executor.templating.errors import Refusal, Source, TemplateError, did_you_mean, fault
from executor.templating.lexer import Token, tokens
from executor.templating.limits import MAX_NESTING

_CONSTANTS = (nodes.Bool, nodes.Dot, nodes.Nil, nodes.Number, nodes.String)
_NOT_IN_HELM = {
    "env": "Helm has no env: put the value into .Values.",
    "expandenv": "Helm has no expandenv: put the value into .Values.",
}


class ExpressionParser:
    """The tokens of one text, and how to read a pipeline from them."""

    def __init__(self, source: Source, functions: Collection[str]) -> None:
        self._source = source
        self._functions = functions
        self._tokens = tokens(source)
        self._at = 0
        self._variables = ["$"]
        self._depth = 0

    # tokens

    def _peek(self) -> Token:
        return self._tokens[self._at]

    def _next(self) -> Token:
        token = self._tokens[self._at]
        if token.kind != "eof":
            self._at += 1
        return token

    def _skip_space(self) -> Token:
        while self._tokens[self._at].kind == "space":
            self._at += 1
        return self._tokens[self._at]

    def _expect(self, kind: str, context: str) -> Token:
        token = self._skip_space()
        if token.kind != kind:
            raise self._unexpected(token, context)
        return self._next()

    def _fault(self, token: Token, problem: str, advice: str = "") -> TemplateError:
        return fault(self._source, token.pos, problem, advice)

    def _unexpected(self, token: Token, context: str) -> TemplateError:
        if token.kind == "eof":
            return self._fault(token, f"unexpected EOF in {context}", "A block is not closed: add {{ end }}.")
        advice = "Only variables are declared or set: $name := ..." if token.kind in ("declare", "assign") else ""
        return self._fault(token, f"unexpected {token.text!r} in {context}", advice)

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise self._fault(self._peek(), f"blocks or parentheses are nested deeper than {MAX_NESTING} levels")

    # expressions

    def _pipe(self, context: str, stop: str) -> nodes.Pipe:
        start = self._skip_space()
        declared, assigns = self._declarations(context)
        commands: list[nodes.Command] = []
        while self._skip_space().kind != stop:
            commands.append(self._command())
        end = self._next()
        if not commands:
            raise self._fault(end, f"missing value for {context}", "Write what it is to look at.")
        for command in commands[1:]:
            if isinstance(command.args[0], _CONSTANTS):
                raise fault(
                    self._source,
                    command.args[0].pos,
                    "non executable command in pipeline: a constant or dot cannot take a piped value",
                    "Behind a | stands a function.",
                )
        return nodes.Pipe(start.pos, tuple(declared), assigns, tuple(commands))

    def _declarations(self, context: str) -> tuple[list[str], bool]:
        declared: list[str] = []
        while self._skip_space().kind == "variable":
            at = self._at
            name = self._next().text
            after = self._skip_space()
            if after.kind in ("declare", "assign"):
                self._next()
                declared.append(name)
                self._variables.append(name)
                return declared, after.kind == "assign"
            if after.kind != "comma":
                self._at = at
                break
            self._next()
            declared.append(name)
            self._variables.append(name)
            if context != "range" or len(declared) > 1:
                raise self._fault(after, f"too many declarations in {context}")
            if self._skip_space().kind not in ("variable", "close", "close_paren"):
                raise self._fault(self._peek(), "range can only initialize variables")
        return declared, False

    def _command(self) -> nodes.Command:
        start = self._skip_space()
        args: list[nodes.Node] = []
        while True:
            self._skip_space()
            operand = self._operand()
            if operand is not None:
                args.append(operand)
            token = self._peek()
            if token.kind == "space":
                continue
            if token.kind == "pipe":
                self._next()
            elif token.kind not in ("close", "close_paren"):
                raise self._unexpected(token, "operand")
            break
        if not args:
            raise self._fault(start, "empty command", "There is nothing before or between the pipe signs.")
        return nodes.Command(start.pos, tuple(args))

    def _operand(self) -> nodes.Node | None:
        node = self._term()
        if node is None or self._peek().kind != "field":
            return node
        names: list[str] = []
        first = self._peek()
        while self._peek().kind == "field":
            names.append(self._next().text[1:])
        if isinstance(node, nodes.Field):
            return nodes.Field(node.pos, (*node.names, *names))
        if isinstance(node, nodes.Variable):
            return nodes.Variable(node.pos, node.name, (*node.names, *names))
        if isinstance(node, _CONSTANTS):
            raise self._fault(first, f"unexpected . after term {self._source.text[node.pos : first.pos]!r}")
        return nodes.Chain(first.pos, node, tuple(names))

    def _term(self) -> nodes.Node | None:
        token = self._peek()
        make = _TERMS.get(token.kind)
        if make is not None:
            self._next()
            return self._constant(make, token)
        if token.kind == "open_paren":
            self._next()
            self._deeper()
            pipe = self._pipe("parenthesized pipeline", "close_paren")
            self._depth -= 1
            return pipe
        if token.kind == "word":
            self._next()
            return self._function(token)
        if token.kind == "variable":
            self._next()
            return self._variable(token)
        return None

    def _constant(self, make: Callable[[int, str], nodes.Node], token: Token) -> nodes.Node:
        try:
            return make(token.pos, token.text)
        except Refusal as refusal:
            raise self._fault(token, refusal.problem, refusal.advice) from None

    def _text_of(self, token: Token) -> str:
        node = self._constant(_TERMS[token.kind], token)
        return node.value if isinstance(node, nodes.String) else ""

    def _function(self, token: Token) -> nodes.Node:
        name = token.text
        if name in ("true", "false"):
            return nodes.Bool(token.pos, name == "true")
        if name not in self._functions:
            advice = _NOT_IN_HELM.get(name) or did_you_mean(name, self._functions)
            raise self._fault(token, f'function "{name}" not defined', advice)
        return nodes.Identifier(token.pos, name)

    def _variable(self, token: Token) -> nodes.Node:
        if token.text not in self._variables:
            advice = did_you_mean(token.text, self._variables[1:]) or f"Declare it first: {token.text} := ..."
            raise self._fault(token, f'undefined variable "{token.text}"', advice)
        return nodes.Variable(token.pos, token.text)


_TERMS: dict[str, Callable[[int, str], nodes.Node]] = {
    "dot": lambda pos, _: nodes.Dot(pos),
    "nil": lambda pos, _: nodes.Nil(pos),
    "field": lambda pos, text: nodes.Field(pos, (text[1:],)),
    "number": literals.number,
    "char": literals.character,
    "string": lambda pos, text: nodes.String(pos, literals.unquote(text)),
    "raw": lambda pos, text: nodes.String(pos, text[1:-1].replace("\r", "")),
}
