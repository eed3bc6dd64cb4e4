"""Where each line of a rendered text came from, and which actions left nothing: marks in a second rendering.

Marks are put between the statements of the template itself, never into helpers: what a template writes goes to the
result as it is, what a helper writes may be indented or quoted on its way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

START, END = "\ue000", "\ue001"  # private use: no template holds them
_MARK: Final = re.compile(f"{START}(\\d+){END}")


@dataclass(frozen=True, slots=True)
class Origin:
    """A line of the template's text (from 1), and whether the rendered line stands in it as it is."""

    line: int
    text: str


def mark(number: int) -> str:
    """Return the mark for a number."""
    return f"{START}{number}{END}"


def without_marks(text: str) -> str:
    """Return the text as it would have been rendered."""
    return _MARK.sub("", text)


def origin_of(marked: str, line: int) -> Origin | None:
    """Return where line `line` (from 1) of the rendered text came from; None if nothing tells.

    A line's origin is the first mark in it, else the last one before it.
    """
    lines = marked.split("\n")
    if not 0 < line <= len(lines):
        return None
    text = without_marks(lines[line - 1])
    here = _MARK.findall(lines[line - 1])
    before = _MARK.findall("\n".join(lines[: line - 1]))
    numbers = here or before[-1:]
    return Origin(int(numbers[0]), text) if numbers else None


def marked_text(text: str, line: int) -> str:
    """Return a literal text of the template, which begins in line `line`, with a mark where each of its lines begins.

    Each mark stands before the line's first word, so that a line that the template continues keeps its own.
    """
    parts = text.split("\n")
    return "\n".join(f"{mark(line + offset)}{part}" for offset, part in enumerate(parts))
