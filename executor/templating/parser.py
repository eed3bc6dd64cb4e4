"""Tokens to syntax trees, after Go's text/template/parse/parse.go.

What is refused here, before anything runs: unknown functions, undefined variables, unbalanced blocks, constants in
the middle of a pipeline, `break` outside of `range`. A text yields its own definition and those of its `define`s and
`block`s, whose variables are their own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from executor.templating import literals, nodes
from executor.templating.errors import Refusal, Source, TemplateError, did_you_mean, fault
from executor.templating.lexer import Token, tokens
from executor.templating.limits import MAX_NESTING, MAX_TEMPLATE

_CONSTANTS = (nodes.Bool, nodes.Dot, nodes.Nil, nodes.Number, nodes.String)
_BLOCKS = {"if": nodes.If, "with": nodes.With, "range": nodes.Range}
_NOT_IN_HELM = {
    "env": "Helm has no env: put the value into .Values.",
    "expandenv": "Helm has no expandenv: put the value into .Values.",
}
_STOPS = frozenset({"end_block", "else_block"})


def parse(source: Source, functions: Collection[str]) -> list[nodes.Definition]:
    """The definitions of a text; the last is the text itself, under the source's name. Raises TemplateError."""
    if len(source.text) > MAX_TEMPLATE:
        raise TemplateError(source.name, 1, 1, "", f"the template is longer than {MAX_TEMPLATE} characters")
    return _Parser(source, functions).file()


class _Parser:
    """One pass over one text's tokens."""

    def __init__(self, source: Source, functions: Collection[str]) -> None:
        self._source = source
        self._functions = functions
        self._tokens = tokens(source)
        self._at = 0
        self._variables = ["$"]
        self._loops = 0
        self._depth = 0
        self._found: dict[str, nodes.Definition] = {}

    # tokens

    def _peek(self) -> Token:
        return self._tokens[self._at]

    def _next(self) -> Token:
        token = self._tokens[self._at]
        if token.kind != "end":
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
        if token.kind == "end":
            return self._fault(token, f"unexpected EOF in {context}", "A block is not closed: add {{ end }}.")
        return self._fault(token, f"unexpected {token.text!r} in {context}")

    # blocks

    def file(self) -> list[nodes.Definition]:
        body: list[nodes.Statement] = []
        while self._peek().kind != "end":
            if self._is_define():
                self._define()
                continue
            statement = self._statement()
            if isinstance(statement, Token):
                what = "else" if statement.kind == "else_block" else "end"
                raise self._fault(statement, f"unexpected {{{{{what}}}}}", "There is no open block here: remove it.")
            body.append(statement)
        return [*self._found.values(), nodes.Definition(self._source.name, self._source, tuple(body))]

    def _is_define(self) -> bool:
        at = self._at
        if self._next().kind == "open" and self._skip_space().kind == "define":
            self._next()
            return True
        self._at = at
        return False

    def _name(self, context: str) -> tuple[Token, str]:
        token = self._skip_space()
        if token.kind not in ("string", "raw"):
            raise self._unexpected(token, f"{context} clause")
        self._next()
        return token, self._text_of(token)

    def _define(self) -> None:
        token, name = self._name("define")
        self._expect("close", "define clause")
        self._add(token, name, self._own_body("define"))

    def _own_body(self, context: str) -> tuple[nodes.Statement, ...]:
        """A body whose variables and loops have nothing to do with those around it, up to its end."""
        variables, self._variables = self._variables, ["$"]
        loops, self._loops = self._loops, 0
        body, stop = self._list(context)
        if stop.kind != "end_block":
            raise self._fault(stop, f"unexpected {{{{else}}}} in {context}")
        self._variables, self._loops = variables, loops
        return body

    def _add(self, token: Token, name: str, body: tuple[nodes.Statement, ...]) -> None:
        new = nodes.Definition(name, self._source, body)
        old = self._found.get(name)
        if old is None or old.is_empty:
            self._found[name] = new
        elif not new.is_empty:
            raise self._fault(token, f'multiple definition of template "{name}"', "Rename or remove one of them.")

    def _list(self, context: str) -> tuple[tuple[nodes.Statement, ...], Token]:
        """Statements up to the `end` or `else` of this block, and that token."""
        self._deeper()
        body: list[nodes.Statement] = []
        opened = self._tokens[self._at - 1]
        while self._peek().kind != "end":
            statement = self._statement()
            if isinstance(statement, Token):
                self._depth -= 1
                return tuple(body), statement
            body.append(statement)
        line, _ = self._source.place(opened.pos)
        raise self._fault(opened, "unexpected EOF", f"The {context} of line {line} is not closed: add {{{{ end }}}}.")

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise self._fault(self._peek(), f"blocks or parentheses are nested deeper than {MAX_NESTING} levels")

    def _statement(self) -> nodes.Statement | Token:
        token = self._next()
        if token.kind == "text":
            return nodes.Text(token.pos, token.text)
        keyword = self._skip_space()
        special = self._special(keyword.kind)
        if special is not None:
            self._next()
            return special(keyword)
        if keyword.kind == "close":
            raise self._fault(keyword, "missing value for command", "An action cannot be empty.")
        depth = len(self._variables)
        pipe = self._pipe("command", "close")
        del depth
        return nodes.Action(pipe.pos, pipe)

    def _special(self, kind: str) -> Callable[[Token], nodes.Statement | Token] | None:
        table: dict[str, Callable[[Token], nodes.Statement | Token]] = {
            "if": self._block,
            "with": self._block,
            "range": self._block,
            "else": self._else,
            "end": self._end,
            "template": self._template,
            "block": self._block_definition,
            "break": self._break,
            "continue": self._break,
        }
        return table.get(kind)

    def _block(self, keyword: Token) -> nodes.Statement:
        outer = len(self._variables)
        kind = keyword.kind
        pipe = self._pipe(kind, "close")
        self._loops += kind == "range"
        body, stop = self._list(kind)
        self._loops -= kind == "range"
        otherwise: tuple[nodes.Statement, ...] = ()
        if stop.kind == "else_block":
            otherwise = self._otherwise(kind)
        del self._variables[outer:]
        return _BLOCKS[kind](keyword.pos, pipe, body, otherwise)

    def _otherwise(self, kind: str) -> tuple[nodes.Statement, ...]:
        """What follows an else: another block of the same kind, which shares our end, or statements up to it."""
        token = self._peek()
        if token.kind == kind and kind in ("if", "with"):
            self._next()
            self._deeper()
            chained = self._block(token)
            self._depth -= 1
            return (chained,)
        body, stop = self._list("else")
        if stop.kind != "end_block":
            raise self._fault(stop, "expected end; found {{else}}", "A block has one {{ else }}.")
        return body

    def _else(self, keyword: Token) -> Token:
        if self._skip_space().kind not in ("if", "with"):
            self._expect("close", "else")
        return Token("else_block", "else", keyword.pos)

    def _end(self, keyword: Token) -> Token:
        self._expect("close", "end")
        return Token("end_block", "end", keyword.pos)

    def _break(self, keyword: Token) -> nodes.Statement:
        self._expect("close", keyword.kind)
        if not self._loops:
            raise self._fault(keyword, f"{{{{{keyword.kind}}}}} outside {{{{range}}}}")
        return nodes.Break(keyword.pos) if keyword.kind == "break" else nodes.Continue(keyword.pos)

    def _template(self, keyword: Token) -> nodes.Statement:
        _, name = self._name("template")
        pipe = None
        if self._skip_space().kind == "close":
            self._next()
        else:
            pipe = self._pipe("template clause", "close")
        return nodes.TemplateCall(keyword.pos, name, pipe)

    def _block_definition(self, keyword: Token) -> nodes.Statement:
        token, name = self._name("block")
        pipe = self._pipe("block clause", "close")
        self._add(token, name, self._own_body("block"))
        return nodes.TemplateCall(keyword.pos, name, pipe)

    # expressions

    def _pipe(self, context: str, stop: str) -> nodes.Pipe:
        start = self._skip_space()
        declared, assigns = self._declarations(context)
        commands: list[nodes.Command] = []
        while self._skip_space().kind != stop:
            commands.append(self._command())
        end = self._next()
        if not commands:
            raise self._fault(end, f"missing value for {context}")
        for command in commands[1:]:
            if isinstance(command.args[0], _CONSTANTS):
                raise fault(
                    self._source,
                    command.args[0].pos,
                    "non executable command in pipeline: a constant or dot cannot take a piped value",
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
