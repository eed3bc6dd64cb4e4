"""Which characters and places a regular expression's classes and assertions stand for (RE2 syntax)."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable


def _is_word(text: str, at: int) -> bool:
    return 0 <= at < len(text) and text[at].isascii() and (text[at].isalnum() or text[at] == "_")


def _boundary(text: str, at: int) -> bool:
    return _is_word(text, at - 1) != _is_word(text, at)


LOOKS: dict[str, Callable[[str, int], bool]] = {
    "A": lambda text, at: at == 0,
    "z": lambda text, at: at == len(text),
    "b": _boundary,
    "B": lambda text, at: not _boundary(text, at),
    "^m": lambda text, at: at == 0 or text[at - 1] == "\n",
    "$m": lambda text, at: at == len(text) or text[at] == "\n",
}
CLASSES: dict[str, Callable[[str], bool]] = {
    "d": lambda char: "0" <= char <= "9",
    "s": lambda char: char in "\t\n\f\r ",
    "w": lambda char: char.isascii() and (char.isalnum() or char == "_"),
}
POSIX: dict[str, Callable[[str], bool]] = {
    "alnum": lambda char: char.isascii() and char.isalnum(),
    "alpha": lambda char: char.isascii() and char.isalpha(),
    "ascii": str.isascii,
    "blank": lambda char: char in "\t ",
    "cntrl": lambda char: char < " " or char == "\x7f",
    "digit": lambda char: "0" <= char <= "9",
    "graph": lambda char: "!" <= char <= "~",
    "lower": lambda char: "a" <= char <= "z",
    "print": lambda char: " " <= char <= "~",
    "punct": lambda char: "!" <= char <= "~" and not char.isalnum(),
    "space": lambda char: char in "\t\n\v\f\r ",
    "upper": lambda char: "A" <= char <= "Z",
    "word": lambda char: char.isascii() and (char.isalnum() or char == "_"),
    "xdigit": lambda char: char in "0123456789abcdefABCDEF",
}
CONTROL = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_SCRIPTS = {"Latin": "LATIN", "Greek": "GREEK", "Cyrillic": "CYRILLIC", "Han": "CJK", "Hebrew": "HEBREW"}


def negate(test: Callable[[str], bool]) -> Callable[[str], bool]:
    return lambda char: not test(char)


def one(wanted: str) -> Callable[[str], bool]:
    return lambda char: char == wanted


def any_of(tests: list[Callable[[str], bool]]) -> Callable[[str], bool]:
    return lambda char: any(test(char) for test in tests)


def category(name: str) -> Callable[[str], bool] | None:
    if name in _SCRIPTS:
        prefix = _SCRIPTS[name]
        return lambda char: unicodedata.name(char, "").startswith(prefix)
    if name[0] in "LMNPSZC" and len(name) <= 2:
        return lambda char: unicodedata.category(char).startswith(name)
    return None
