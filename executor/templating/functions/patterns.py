"""Regular expressions, after sprig's regex.go."""

from __future__ import annotations

from collections.abc import Callable

from executor.templating.errors import Refusal
from executor.templating.functions.registry import Table
from executor.templating.limits import MAX_OUTPUT, too_long
from executor.templating.regex import compile_regex, expand, quote_meta
from executor.templating.values import NilStrings, Strings

PATTERNS = Table()


@PATTERNS.function("mustRegexMatch", "string string")
def regex_match(pattern: str, text: str) -> bool:
    return compile_regex(pattern).search(text) is not None


@PATTERNS.function("regexMatch", "string string")
def regex_match_leniently(pattern: str, text: str) -> bool:
    """A pattern that is none matches nothing, as sprig has it."""
    try:
        compiled = compile_regex(pattern)
    except Refusal:
        return False
    return compiled.search(text) is not None


@PATTERNS.function("regexFind mustRegexFind", "string string")
def regex_find(pattern: str, text: str) -> str:
    found = compile_regex(pattern).search(text)
    return text[found[0] : found[1]] if found else ""


@PATTERNS.function("regexFindAll mustRegexFindAll", "string string int")
def regex_find_all(pattern: str, text: str, count: int) -> Strings:
    """The first count matches; all with a negative count."""
    found = compile_regex(pattern).find_all(text, count)
    return Strings([text[one[0] : one[1]] for one in found]) if found else NilStrings()


def _replaced(pattern: str, text: str, replacement: Callable[[list[int]], str]) -> str:
    pieces: list[str] = []
    at = size = 0
    for found in compile_regex(pattern).find_all(text, -1):
        pieces += [text[at : found[0]], replacement(found)]
        size += len(pieces[-1])
        if size > MAX_OUTPUT:
            raise too_long()
        at = found[1]
    return "".join([*pieces, text[at:]])


@PATTERNS.function("regexReplaceAll mustRegexReplaceAll", "string string string")
def regex_replace_all(pattern: str, text: str, replacement: str) -> str:
    """`$1` and `${name}` in the replacement are groups."""
    names = compile_regex(pattern).names
    return _replaced(pattern, text, lambda found: expand(replacement, text, found, names))


@PATTERNS.function("regexReplaceAllLiteral mustRegexReplaceAllLiteral", "string string string")
def regex_replace_all_literal(pattern: str, text: str, replacement: str) -> str:
    return _replaced(pattern, text, lambda _: replacement)


@PATTERNS.function("regexSplit mustRegexSplit", "string string int")
def regex_split(pattern: str, text: str, count: int) -> Strings:
    """regexp.Split."""
    if count == 0:
        return NilStrings()
    if pattern and not text:
        return Strings([""])
    pieces: list[str] = []
    begin = end = 0
    for found in compile_regex(pattern).find_all(text, count):
        if 0 < count == len(pieces) + 1:
            break
        end = found[0]
        if found[1] != 0:
            pieces.append(text[begin:end])
        begin = found[1]
    if end != len(text):
        pieces.append(text[begin:])
    return Strings(pieces)


PATTERNS.add("regexQuoteMeta", "string", quote_meta)
