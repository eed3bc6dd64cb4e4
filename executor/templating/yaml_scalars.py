"""Scalars on YAML lines, after libyaml's emitter as go-yaml has it (emitterc.go): styles, folding, escapes."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

_BREAKS = "\r\n\x85\u2028\u2029"
_LINES = re.compile("([\n\u2028\u2029])")
_ESCAPES = {
    0x00: "0",
    0x07: "a",
    0x08: "b",
    0x09: "t",
    0x0A: "n",
    0x0B: "v",
    0x0C: "f",
    0x0D: "r",
    0x1B: "e",
    0x22: '"',
    0x5C: "\\",
    0x85: "N",
    0xA0: "_",
    0x2028: "L",
    0x2029: "P",
}
_FIRST = frozenset("#,[]{}&*!|>'\"%@`")
_SIMPLE_KEY_BYTES = 128


@dataclass(frozen=True, slots=True)
class Shape:
    """In which styles a text may be written."""

    multiline: bool
    plain: bool
    single: bool
    block: bool


def printable(char: str) -> bool:
    """What libyaml's Go port calls printable: nothing outside of the basic plane, no tab."""
    return (
        char == "\n"
        or " " <= char <= "~"
        or "\xa0" <= char <= "\ud7ff"
        or ("\ue000" <= char <= "\ufffd" and char != "\ufeff")
    )


def analyze(text: str, tabs: bool = False) -> Shape:
    """What the text allows. An empty text allows plain style (the caller quotes it). tabs: in blocks they may stand."""
    if not text:
        return Shape(False, True, True, False)
    breaks = any(char in _BREAKS for char in text)
    tab = tabs and "\t" in text
    special = not all(map(printable, text.replace("\t", "") if tab else text))
    break_space = any(one in _BREAKS and two == " " for one, two in itertools.pairwise(text))
    space_break = any(one == " " and two in _BREAKS for one, two in itertools.pairwise(text))
    edge = text[0] in " " + _BREAKS or text[-1] in " " + _BREAKS
    forbidden = special or space_break
    return Shape(
        multiline=breaks,
        plain=not (tab or edge or break_space or forbidden or breaks or _has_indicator(text)),
        single=not (tab or break_space or forbidden),
        block=not (forbidden or text[-1] == " "),
    )


def _has_indicator(text: str) -> bool:
    if text[0] in _FIRST or text.startswith(("---", "...")):
        return True
    if text[0] in "?:-" and (len(text) == 1 or text[1] in " \t"):
        return True
    if ":" in text and re.search(r":(?:[ \t]|\Z)", text[1:]):
        return True
    return "#" in text and re.search(r"[ \t\r\n\x85\u2028\u2029]#", text) is not None


class Pen:
    """Lines being written. column: of the pen; blank: whether what is before it is a blank or a line's start."""

    def __init__(self, width: int | None, tabs: bool = False) -> None:
        self._pieces: list[str] = []
        self._width = width
        self._tabs = tabs
        self.column = 0
        self.blank = True
        self._open_lines = False  # a block scalar has just ended its own line

    def text(self) -> str:
        text = "".join(self._pieces)
        return text[:-1] if self._open_lines else text

    def put(self, text: str) -> None:
        """Characters without a line break."""
        self._pieces.append(text)
        self.column += len(text)
        self.blank = text[-1:] == " "
        self._open_lines = False

    def space(self) -> None:
        if not self.blank:
            self.put(" ")

    def line(self, indent: int) -> None:
        """A new line, and blanks up to the indent."""
        self._pieces.append(" " * indent if self._open_lines else "\n" + " " * indent)
        self._open_lines = False
        self.column = indent
        self.blank = True

    def dash(self) -> None:
        self.space()
        self.put("-")

    def is_simple_key(self, text: str) -> bool:
        """Whether a key fits before a colon."""
        return len(text.encode("utf-8", "surrogatepass")) <= _SIMPLE_KEY_BYTES and not any(
            char in _BREAKS for char in text
        )

    def scalar(self, text: str, plain: bool, indent: int, *, simple_key: bool) -> None:
        """A text in the first style that can hold it; plain: whether it would read back as text."""
        shape = analyze(text, self._tabs)
        if "\n" in text and shape.block and not simple_key:
            self._literal(text, indent)
        elif plain and "\n" not in text and shape.plain:
            self._plain(text, indent, not simple_key)
        elif plain and "\n" not in text and shape.single and not (simple_key and shape.multiline):
            self._single(text, indent, not simple_key)
        else:
            self._double(text, indent, not simple_key)

    def _folds(self, text: str, folding: bool) -> bool:
        return folding and self._width is not None and self.column + len(text) > self._width and " " in text

    def _plain(self, text: str, indent: int, folding: bool) -> None:
        if self._folds(text, folding):
            self._folded(text, indent, first=0, last=len(text))
        else:
            self.put(text)

    def _single(self, text: str, indent: int, folding: bool) -> None:
        self.put("'")
        if any(char in _BREAKS for char in text) or self._folds(text, folding):
            self._folded(text, indent, first=1, last=len(text) - 1, double_quotes=True)
        else:
            self.put(text.replace("'", "''"))
        self.put("'")

    def _folded(self, text: str, indent: int, *, first: int, last: int, double_quotes: bool = False) -> None:
        """Break the line at single blanks behind the width; first and last bound where that may be."""
        spaces = breaks = False
        for at, char in enumerate(text):
            if char == " ":
                wide = self._width is not None and self.column > self._width
                if wide and not spaces and first <= at < last and text[at + 1 : at + 2] != " ":
                    self.line(indent)
                else:
                    self.put(" ")
                spaces = True
            elif char in _BREAKS:
                self._pieces.append(char)
                self.column = 0
                breaks = True
            else:
                if breaks:
                    self.put(" " * indent)
                self.put("''" if char == "'" and double_quotes else char)
                spaces = breaks = False

    def _double(self, text: str, indent: int, folding: bool) -> None:
        self.put('"')
        spaces = False
        for at, char in enumerate(text):
            if char == " ":
                wide = folding and self._width is not None and self.column > self._width
                if wide and not spaces and 0 < at < len(text) - 1:
                    self.line(indent)
                    if text[at + 1] == " ":
                        self.put("\\")
                else:
                    self.put(" ")
                spaces = True
                continue
            self.put(_escape(char) if not printable(char) or char in _BREAKS or char in '"\\' else char)
            spaces = False
        self.put('"')

    def _literal(self, text: str, indent: int) -> None:
        """`|`: with a 2 where the text begins with a blank, `-` or `+` where it ends in no or several breaks."""
        hint = "2" if text[0] in " " + _BREAKS else ""
        ended = text[-1] in _BREAKS
        chomp = "-" if not ended else "+" if len(text) == 1 or text[-2] in _BREAKS else ""
        self._pieces.append(f"|{hint}{chomp}\n")
        for piece in _LINES.split(text):
            self._pieces.append(piece if piece in _BREAKS else " " * indent + piece)
        self._open_lines = ended
        self.column = 0 if ended else indent + 1
        self.blank = ended


def _escape(char: str) -> str:
    code = ord(char)
    if code in _ESCAPES:
        return "\\" + _ESCAPES[code]
    if code <= 0xFF:
        return f"\\x{code:02X}"
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"
