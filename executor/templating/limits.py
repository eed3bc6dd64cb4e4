"""Bounds on what a template may cost, so that one from somebody else cannot stop the process.

A render that would go over one ends in an error that names the bound. `measure` looks at a value before it is
printed, copied or compared: values may share parts, so a small program can build a huge text, or a map within itself.
"""

from __future__ import annotations

from executor.templating.errors import Refusal

MAX_OUTPUT = 4 * 1024 * 1024  # characters of one text: the result, an include's, a function's
MAX_ITEMS = 100_000  # elements of one list, nodes of one value
MAX_STEPS = 500_000  # actions carried out, functions called, loops turned
MAX_SECONDS = 3  # of the processor, for one render
MAX_CALLS = 100  # include, template and tpl within one another
MAX_TPL = 20  # tpl within tpl
MAX_NESTING = 60  # blocks or parentheses within one another in a text
MAX_DEPTH = 100  # maps and lists within one another
MAX_TEMPLATE = 4 * 1024 * 1024  # characters of a template or helper file


def bounded_text(text: str) -> str:
    """The text, or Refusal if it is longer than a result may be."""
    if len(text) > MAX_OUTPUT:
        raise too_long()
    return text


def too_long() -> Refusal:
    return Refusal(f"a text is longer than {MAX_OUTPUT} characters", "Templates are not for data of this size.")


def bounded_count(count: int, what: str) -> int:
    """The count, or Refusal if a list of that many elements would be too long."""
    if count > MAX_ITEMS:
        raise Refusal(f"{what}: {count} elements are more than the {MAX_ITEMS} a list may have")
    return count


def measure(value: object) -> None:
    """Refuse a value that is too large or too deep to print, counting shared parts as often as they would appear."""
    left = MAX_ITEMS
    room = MAX_OUTPUT
    stack: list[tuple[object, int]] = [(value, 0)]
    while stack:
        one, depth = stack.pop()
        left -= 1
        if isinstance(one, str):
            room -= len(one)
        elif isinstance(one, dict):
            stack.extend((item, depth + 1) for item in one.values())
            room -= sum(map(len, one))
            left -= len(one)
        elif isinstance(one, list):
            stack.extend((item, depth + 1) for item in one)
        if left < 0 or room < 0 or len(stack) > MAX_ITEMS:
            raise Refusal(f"a value has more than {MAX_ITEMS} parts or {MAX_OUTPUT} characters")
        if depth > MAX_DEPTH:
            raise Refusal(f"a value is nested deeper than {MAX_DEPTH} levels (or contains itself)")
