"""Strings, after sprig's strings.go. Widths and positions count bytes where Go's do."""

from __future__ import annotations

import secrets
import string

from executor.templating.errors import Refusal
from executor.templating.functions.casts import to_string
from executor.templating.functions.registry import Table
from executor.templating.limits import MAX_OUTPUT
from executor.templating.printing import quote, show
from executor.templating.values import StringMap, Strings, Value, from_bytes, utf8

TEXTS = Table()
_SPACE = "".join(char for char in map(chr, range(0x3001)) if char.isspace() and not "\x1c" <= char <= "\x1f")
_REMOVE_SPACE = {ord(char): None for char in _SPACE}


def bounded(length: int) -> None:
    """Refuse to make a text of this length."""
    if length > MAX_OUTPUT:
        raise Refusal(f"a text of {length} characters is longer than {MAX_OUTPUT}")


TEXTS.add("toString", "any", to_string)
TEXTS.add("quote", "...any", lambda *values: " ".join(quote(to_string(one)) for one in values if one is not None))
TEXTS.add("squote", "...any", lambda *values: " ".join(f"'{show(one)}'" for one in values if one is not None))
TEXTS.add("trim", "string", lambda text: text.strip(_SPACE))
TEXTS.add("trimAll trimall", "string string", lambda cut, text: text.strip(cut) if cut else text)
TEXTS.add("trimSuffix", "string string", lambda suffix, text: text.removesuffix(suffix))
TEXTS.add("trimPrefix", "string string", lambda prefix, text: text.removeprefix(prefix))
TEXTS.add("contains", "string string", lambda part, text: part in text)
TEXTS.add("hasPrefix", "string string", lambda part, text: text.startswith(part))
TEXTS.add("hasSuffix", "string string", lambda part, text: text.endswith(part))
TEXTS.add("nospace", "string", lambda text: _without_space(text))
TEXTS.add("plural", "string string int", lambda one, many, count: one if count == 1 else many)
TEXTS.add("hello", "", lambda: "Hello!")
TEXTS.add("splitList", "string string", lambda mark, text: Strings(_split(text, mark, -1)))
TEXTS.add("split", "string string", lambda mark, text: _numbered(_split(text, mark, -1)))
TEXTS.add("splitn", "string int string", lambda mark, count, text: _numbered(_split(text, mark, count)))


def _without_space(text: str) -> str:
    plain = _as_bytes(text)
    shorter = plain.translate(_REMOVE_SPACE)
    return shorter if len(shorter) < len(plain) else text


def _as_bytes(text: str) -> str:
    """One character per byte: some of Go's libraries look at a text that way (and nospace and initials leave it so)."""
    return text if text.isascii() else utf8(text).decode("latin-1")


def _of_bytes(text: str) -> str:
    return text if text.isascii() else from_bytes(text.encode("latin-1"))


def _split(text: str, mark: str, count: int) -> list[str]:
    """strings.SplitN: count pieces at most; all where it is negative, none where it is 0."""
    if count == 0:
        return []
    if not mark:
        return list(text) if count < 0 else [*text[: count - 1], *([text[count - 1 :]] if text[count - 1 :] else [])]
    return text.split(mark, count - 1 if count > 0 else -1)


def _numbered(pieces: list[str]) -> StringMap:
    return StringMap({f"_{at}": piece for at, piece in enumerate(pieces)})


@TEXTS.function("replace", "string string string")
def replace(old: str, new: str, text: str) -> str:
    bounded(len(text) + text.count(old) * len(new))
    return text.replace(old, new)


@TEXTS.function("repeat", "int string")
def repeat(count: int, text: str) -> str:
    if count < 0:
        raise Refusal("strings: negative Repeat count")
    bounded(count * len(text))
    return text * count


@TEXTS.function("trunc", "int string")
def trunc(length: int, text: str) -> str:
    """The first bytes, or with a negative length the last."""
    if text.isascii():
        if length < 0:
            return text[length:] if len(text) + length > 0 else text
        return text[:length]
    data = utf8(text)
    if length < 0:
        return from_bytes(data[length:]) if len(data) + length > 0 else text
    return from_bytes(data[:length])


@TEXTS.function("substr", "int int string")
def substr(start: int, end: int, text: str) -> str:
    """Bytes from start to before end; a negative start means 0, a negative or too large end the end."""
    data = utf8(text)
    if start < 0:
        return _cut(data, 0, end)
    return _cut(data, start, len(data) if end < 0 or end > len(data) else end)


def _cut(data: bytes, start: int, end: int) -> str:
    if not 0 <= start <= end <= len(data):
        raise Refusal(f"slice bounds out of range [{start}:{end}] with length {len(data)}")
    return from_bytes(data[start:end])


@TEXTS.function("indent", "int string")
def indent(width: int, text: str) -> str:
    if width < 0:
        raise Refusal("strings: negative Repeat count")
    bounded(len(text) + width * (text.count("\n") + 1))
    pad = " " * width
    return pad + text.replace("\n", "\n" + pad)


TEXTS.add("nindent", "int string", lambda width, text: "\n" + indent(width, text))


@TEXTS.function("cat", "...any")
def cat(*values: Value) -> str:
    return " ".join(show(value) for value in values if value is not None)


# letters


def _case(char: str, to: str) -> str:
    """One letter's simple mapping: Go never makes two letters of one."""
    changed = char.upper() if to == "upper" else char.lower() if to == "lower" else char.title()
    return changed if len(changed) == 1 else char


def upper(text: str) -> str:
    return text.upper() if text.isascii() else "".join(_case(char, "upper") for char in text)


def lower(text: str) -> str:
    return text.lower() if text.isascii() else "".join(_case(char, "lower") for char in text)


TEXTS.add("upper", "string", upper)
TEXTS.add("lower", "string", lower)


@TEXTS.function("title", "string")
def title(text: str) -> str:
    """strings.Title: a letter behind what is neither letter, digit nor underscore (nor, beyond ASCII, no blank)."""
    shown: list[str] = []
    behind_word = False
    for char in text:
        shown.append(char if behind_word else _case(char, "title"))
        behind_word = char.isalnum() or char == "_"
        if not char.isascii() and not char.isalnum():
            behind_word = char not in _SPACE
    return "".join(shown)


@TEXTS.function("untitle", "string")
def untitle(text: str) -> str:
    """Every word's first letter in lower case."""
    shown: list[str] = []
    starts = True
    for char in text:
        shown.append(_case(char, "lower") if starts else char)
        starts = char in _SPACE
    return "".join(shown)


@TEXTS.function("swapcase", "string")
def swapcase(text: str) -> str:
    """goutils.SwapCase: upper (or title) case becomes lower; lower becomes title case behind a blank, else upper."""
    shown: list[str] = []
    behind_blank = True
    for char in text:
        if char.isupper() or char.istitle():
            shown.append(_case(char, "lower"))
            behind_blank = False
        elif char.islower():
            shown.append(_case(char, "title" if behind_blank else "upper"))
            behind_blank = False
        else:
            shown.append(char)
            behind_blank = char in _SPACE
    return "".join(shown)


@TEXTS.function("initials", "string")
def initials(text: str) -> str:
    shown: list[str] = []
    starts = True
    for char in _as_bytes(text):
        if char in _SPACE:
            starts = True
        elif starts:
            shown.append(char)
            starts = False
    return "".join(shown)


# words


@TEXTS.function("wrap", "int string")
def wrap(width: int, text: str) -> str:
    return _of_bytes(_wrap(_as_bytes(text), width, "\n", False))


@TEXTS.function("wrapWith", "int string string")
def wrap_with(width: int, mark: str, text: str) -> str:
    return _of_bytes(_wrap(_as_bytes(text), width, _as_bytes(mark), True))


def _wrap(text: str, width: int, mark: str, wrap_long: bool) -> str:
    """goutils.WrapCustom: break at the last blank before the width; long words stay whole unless wrap_long."""
    mark = mark or "\n"
    width = max(width, 1)
    lines: list[str] = []
    offset = 0
    while len(text) - offset > width:
        if text[offset] == " ":
            offset += 1
            continue
        end = width + offset
        at = text.rfind(" ", offset, end + 1)
        if at < offset:
            at = end if wrap_long else text.find(" ", end)
            if at < 0:
                break
            lines.append(text[offset:at])
            offset = at if wrap_long else at + 1
            continue
        lines.append(text[offset:at])
        offset = at + 1
    bounded(len(text) + len(lines) * len(mark))
    return mark.join([*lines, text[offset:]])


@TEXTS.function("abbrev", "int string")
def abbrev(width: int, text: str) -> str:
    return _of_bytes(_abbreviate(_as_bytes(text), 0, width)) if width >= 4 else text


@TEXTS.function("abbrevboth", "int int string")
def abbrevboth(left: int, right: int, text: str) -> str:
    if right < 4 or (left > 0 and right < 7):
        return text
    return _of_bytes(_abbreviate(_as_bytes(text), left, right))


def _abbreviate(text: str, offset: int, width: int) -> str:
    """goutils.AbbreviateFull: `...` where text is left out, at the end and, from an offset over 4, at the start."""
    if not text or len(text) <= width:
        return text
    offset = min(offset, len(text))
    if len(text) - offset < width - 3:
        offset = len(text) - (width - 3)
    if offset <= 4:
        return text[: width - 3] + "..."
    if width < 7:
        raise Refusal("stringutils illegal argument: Minimum abbreviation width with offset is 7")
    if offset + width - 3 < len(text):
        return "..." + _abbreviate(text[offset:], 0, width - 3)
    return "..." + text[len(text) - (width - 3) :]


# chance


def _random(alphabet: str) -> object:
    def make(length: int) -> str:
        if length < 0:
            raise Refusal("a random text cannot have a negative length")
        bounded(length * 16)
        return "".join(secrets.choice(alphabet) for _ in range(length))

    return make


for _name, _alphabet in {
    "randAlphaNum": string.ascii_letters + string.digits,
    "randAlpha": string.ascii_letters,
    "randNumeric": string.digits,
    "randAscii": "".join(map(chr, range(32, 127))),
}.items():
    TEXTS.add(_name, "int", _random(_alphabet))  # type: ignore[arg-type]


@TEXTS.function("shuffle", "string")
def shuffle(text: str) -> str:
    letters = list(text)
    secrets.SystemRandom().shuffle(letters)
    return "".join(letters)
