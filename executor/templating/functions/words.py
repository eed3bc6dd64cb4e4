"""snakecase, kebabcase and camelcase, after huandu/xstrings (convert.go), which sprig uses."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from executor.templating.functions.registry import Table

WORDS = Table()


def _is_mark(char: str) -> bool:
    return char in "-_" or char.isspace()


def _is_punctuation(char: str) -> bool:
    return unicodedata.category(char)[0] == "P"


def _is_small(char: str) -> bool:
    return char.isalpha() and not char.isupper()


def _is_other(char: str) -> bool:
    return not (_is_mark(char) or char.isalpha() or char.isnumeric() or _is_punctuation(char))


_KINDS: dict[str, Callable[[str], bool]] = {
    "mark": _is_mark,
    "punctuation": _is_punctuation,
    "letters": _is_small,
    "number": str.isnumeric,
    "other": _is_other,
}


@dataclass(frozen=True, slots=True)
class Word:
    """A run of characters of one kind: one of the above, `upper` (a capital and what belongs to it), `` at the end."""

    kind: str
    text: str


def _words(text: str) -> list[Word]:
    found: list[Word] = []
    at = 0
    while at < len(text):
        word = _capital(text, at) if text[at].isupper() else _run(text, at)
        found.append(word)
        at += len(word.text)
    return found


def _run(text: str, at: int) -> Word:
    kind = next((name for name, test in _KINDS.items() if test(text[at])), "other")
    end = at + 1
    while end < len(text) and _KINDS[kind](text[end]):
        end += 1
    return Word(kind, text[at:end])


def _capital(text: str, at: int) -> Word:
    """`Status`, or the `HTTP` of `HTTPStatus`."""
    end = at + 1
    if end < len(text) and text[end].isupper():
        while end < len(text) and text[end].isupper():
            end += 1
        if end < len(text) and text[end].isalpha():
            end -= 1
    else:
        while end < len(text) and _is_small(text[end]):
            end += 1
    return Word("upper", text[at:end])


class _Joiner:
    """Writes words one after the other with a mark where xstrings puts one."""

    def __init__(self, text: str, mark: str) -> None:
        self._words = [*_words(text), Word("", "")]
        self._mark = mark
        self._at = 0
        self._shown: list[str] = []

    def text(self) -> str:
        while self._at < len(self._words) - 2:
            word = self._words[self._at]
            if word.kind != "mark":
                self._write(word)
            self._at += 1
            self._between(word)
        self._write(self._words[self._at])
        return "".join(self._shown)

    def _write(self, word: Word) -> None:
        if word.kind == "mark":
            self._shown.append(self._mark * len(word.text))
        else:
            self._shown.append(word.text.lower() if word.kind == "upper" else word.text)

    def _separate(self) -> None:
        if self._words[self._at].kind not in ("mark", "punctuation", ""):
            self._shown.append(self._mark)

    def _between(self, previous: Word) -> None:
        """What stands between the previous word and the one the pen is at now."""
        if previous.kind == "number":
            self._continue_number()
        elif previous.kind == "mark":
            self._write(previous)
        elif previous.kind != "punctuation":
            self._after_letters()

    def _continue_number(self) -> None:
        """`2xx` is one word."""
        while self._words[self._at].kind in ("letters", "number"):
            self._write(self._words[self._at])
            self._at += 1
        self._separate()

    def _after_letters(self) -> None:
        """A number belongs to the word before it, unless small letters follow: `bld4_floor`, `http_2xx`."""
        number = self._words[self._at]
        if number.kind != "number":
            self._separate()
            return
        if self._at >= len(self._words) - 2:
            return
        self._at += 1
        if self._words[self._at].kind != "letters":
            self._write(number)
            self._separate()
            return
        self._shown.append(self._mark)
        self._write(number)
        self._continue_number()


WORDS.add("snakecase", "string", lambda text: _Joiner(text, "_").text() if text else "")
WORDS.add("kebabcase", "string", lambda text: _Joiner(text, "-").text() if text else "")


@WORDS.function("camelcase", "string")
def camelcase(text: str) -> str:
    """Marks inside go, the letter behind one is upper case, the first too; capitals behind a capital become small."""
    body = text[next((at for at, char in enumerate(text) if not _is_mark(char)), len(text)) :]
    if not body:
        return text + text[-1:]
    shown = [text[: len(text) - len(body)]]
    behind, capitals = body[0].upper(), body[0].isupper()
    for char in body[1:]:
        if not _is_mark(behind):
            shown.append(behind)
            behind = char.lower() if capitals and char.isupper() else char
            capitals = capitals and (char.isupper() or _is_mark(char))
        elif _is_mark(char):
            shown.append(behind)
            behind = char
        else:
            behind, capitals = char.upper(), char.isupper()
    return "".join([*shown, behind])
