"""A Go template's text cut into tokens, after Go's text/template/parse/lex.go.

Blanks inside actions are tokens of their own, since Go wants them between arguments. Trim markers (`{{- `, ` -}}`)
and comments have had their effect when the tokens come out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from executor.templating.errors import Source, fault

BLANKS = " \t\r\n"
KEYWORDS = frozenset(["block", "break", "continue", "define", "else", "end", "if", "range", "nil", "template", "with"])

_NUMBER = (
    r"[+-]?(?:0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]*)?|0[oO][0-7_]*|0[bB][01_]*"
    r"|[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]*)?|\.[0-9][0-9_]*(?:[eE][+-]?[0-9_]*)?)i?"
)
_TOKEN = re.compile(
    r"(?P<close>[ \t\r\n]-\}\}|\}\})"
    r"|(?P<space>(?:(?![ \t\r\n]-\}\})[ \t\r\n])+)"
    r"|(?P<declare>:=)|(?P<assign>=)|(?P<pipe>\|)|(?P<open_paren>\()|(?P<close_paren>\))"
    r'|(?P<string>"(?:[^"\\\n]|\\[^\n])*")|(?P<raw>`[^`]*`)|(?P<char>\'(?:[^\'\\\n]|\\[^\n])+\')'
    rf"|(?P<number>{_NUMBER}(?!\w))"
    r"|(?P<field>\.[^\W\d]\w*)|(?P<dot>\.(?!\w))|(?P<variable>\$\w*)|(?P<word>[^\W\d]\w*)|(?P<comma>,)"
)
_ENDS_WORD = re.compile(r"[ \t\r\n.,|:()]|\}\}|$(?!\n)")
_BAD_CHARACTER = 'A name has letters, digits and _ only; for others write (index .Values "the-name").'
_WORD_KINDS = frozenset({"field", "variable", "word", "dot"})


@dataclass(frozen=True, slots=True)
class Token:
    """kind: text, open, eof, or a group of the pattern above; keywords are their own kind."""

    kind: str
    text: str
    pos: int


def tokens(source: Source) -> list[Token]:
    """All tokens of a text, the last one of kind `eof`. Raises TemplateError."""
    found: list[Token] = []
    text = source.text
    at = 0
    trim = False
    while True:
        opening = text.find("{{", at)
        end = len(text) if opening < 0 else opening
        _add_text(found, text, at, end, trim, opening >= 0 and _trims_left(text, opening))
        if opening < 0:
            found.append(Token("eof", "", len(text)))
            return found
        at, trim = _action(source, opening, found)


def _trims_left(text: str, opening: int) -> bool:
    marker = text[opening + 2 : opening + 4]
    return len(marker) == 2 and marker[0] == "-" and marker[1] in BLANKS


def _add_text(found: list[Token], text: str, start: int, end: int, trim_start: bool, trim_end: bool) -> None:
    piece = text[start:end]
    if trim_start:
        shorter = piece.lstrip(BLANKS)
        start += len(piece) - len(shorter)
        piece = shorter
    if trim_end:
        piece = piece.rstrip(BLANKS)
    if piece:
        found.append(Token("text", piece, start))


def _action(source: Source, opening: int, found: list[Token]) -> tuple[int, bool]:
    """Add one action's tokens; where the text after it begins, and whether that is to be trimmed."""
    text = source.text
    start = opening + (3 if _trims_left(text, opening) else 2)
    comment = start + (start > opening + 2)
    if text.startswith("/*", comment):
        return _comment(source, comment)
    found.append(Token("open", "{{", opening))
    at = start
    depth = 0
    while True:
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise _unreadable(source, opening, at)
        kind, piece = match.lastgroup, match.group()
        depth += (kind == "open_paren") - (kind == "close_paren")
        if kind in _WORD_KINDS and not _ENDS_WORD.match(text, match.end()):
            raise fault(source, match.end(), f"bad character {text[match.end()]!r}", _BAD_CHARACTER)
        if kind == "close":
            if depth > 0:
                raise fault(source, at, "unclosed left paren", "Close the parenthesis before }}.")
            found.append(Token("close", "}}", at))
            return match.end(), len(piece) > 2
        if depth < 0:
            raise fault(source, at, "unexpected right paren")
        found.append(Token(piece if kind == "word" and piece in KEYWORDS else kind, piece, at))
        at = match.end()


def _comment(source: Source, start: int) -> tuple[int, bool]:
    end = source.text.find("*/", start)
    if end < 0:
        raise fault(source, start, "unclosed comment", "End it with */}}.")
    closing = re.compile(r"[ \t\r\n]-\}\}|\}\}").match(source.text, end + 2)
    if closing is None:
        raise fault(source, end, "comment ends before closing delimiter", "Write {{/* ... */}} with nothing else.")
    return closing.end(), len(closing.group()) > 2


def _unreadable(source: Source, opening: int, at: int) -> Exception:
    """What the token pattern could not read."""
    rest = source.text[at:]
    if not rest:
        return fault(source, opening, "unclosed action", "Close it with }}.")
    if rest[0] in "\"'`":
        what = {'"': "quoted string", "`": "raw quoted string", "'": "character constant"}[rest[0]]
        return fault(source, at, f"unterminated {what}", f"Close it with {rest[0]} on the same line.")
    if rest[0].isdigit() or rest[0] in "+-.":
        return fault(source, at, f"bad number syntax: {rest.split(None, 1)[0][:40]!r}", "Quote it if it is text.")
    if rest[0] == ":":
        return fault(source, at, "expected :=")
    advice = "Close the action with }}." if rest[0] in "{}" else ""
    return fault(source, at, f"unexpected {rest[0]!r} in action", advice)
