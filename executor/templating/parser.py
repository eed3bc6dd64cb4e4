"""Tokens to syntax trees, after Go's text/template/parse/parse.go.

What is refused here, before anything runs: unknown functions, undefined variables, unbalanced blocks, constants in
the middle of a pipeline, `break` outside of `range`. A text yields its own definition and those of its `define`s and
`block`s, whose variables are their own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from executor.templating import nodes
from executor.templating.errors import Source, TemplateError
from executor.templating.expression_parser import ExpressionParser
from executor.templating.lexer import Token
from executor.templating.limits import MAX_TEMPLATE

_BLOCKS: dict[str, Callable[..., nodes.Statement]] = {"if": nodes.If, "with": nodes.With, "range": nodes.Range}


def parse(source: Source, functions: Collection[str]) -> list[nodes.Definition]:
    """The definitions of a text; the last is the text itself, under the source's name. Raises TemplateError."""
    if len(source.text) > MAX_TEMPLATE:
        raise TemplateError(source.name, 1, 1, "", f"the template is longer than {MAX_TEMPLATE} characters")
    return _Parser(source, functions).file()


class _Parser(ExpressionParser):
    """One pass over one text's tokens."""

    def __init__(self, source: Source, functions: Collection[str]) -> None:
        super().__init__(source, functions)
        self._loops = 0
        self._found: dict[str, nodes.Definition] = {}

    def file(self) -> list[nodes.Definition]:
        body: list[nodes.Statement] = []
        while self._peek().kind != "eof":
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
        while self._peek().kind != "eof":
            statement = self._statement()
            if isinstance(statement, Token):
                self._depth -= 1
                return tuple(body), statement
            body.append(statement)
        line, _ = self._source.place(opened.pos)
        raise self._fault(opened, "unexpected EOF", f"The {context} of line {line} is not closed: add {{{{ end }}}}.")

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
        pipe = self._pipe("command", "close")
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
        if token.kind in ("if", "with"):
            raise self._fault(token, f"unexpected {token.text!r} in {{{{else}}}} of {kind}", "Write {{ else }} first.")
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
            raise self._fault(keyword, f"{{{{{keyword.kind}}}}} outside {{{{range}}}}", "Use it in a range.")
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
