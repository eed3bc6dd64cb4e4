"""The instructions a regular expression is made into, and how pieces of program are put together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from executor.templating.errors import Refusal

MATCH, CHARS, ANY, SPLIT, JUMP, SAVE, ASSERT = range(7)
MAX_PROGRAM = 20_000


@dataclass(frozen=True, slots=True)
class Instruction:
    """One step. CHARS, ANY: `test` a character; SPLIT: go on at first, else at second; SAVE: slot `first`."""

    kind: int
    first: int = 0
    second: int = 0
    test: Callable[[str], bool] | None = None
    look: Callable[[str, int], bool] | None = None

    def accepts(self, char: str) -> bool:
        return self.test is None or self.test(char)

    def holds(self, text: str, at: int) -> bool:
        return self.look is not None and self.look(text, at)


Code = list[Instruction]


def moved(code: Code, by: int) -> Code:
    """The same code, standing `by` instructions later."""
    return [
        replace(one, first=one.first + by, second=one.second + by) if one.kind in (SPLIT, JUMP) else one for one in code
    ]


def repeat(atom: Code, low: int, high: int | None, greedy: bool) -> Code:
    if len(atom) * max(low, high or 1) > MAX_PROGRAM:
        raise Refusal("error parsing regexp: expression too large")
    code: Code = []
    for _ in range(low if high is not None or not low else low - 1):
        code += moved(atom, len(code))
    if high is None:
        return code + moved(loop(atom, low, greedy), len(code))
    optional: Code = []
    for _ in range(high - low):
        inner = [*atom, *moved(optional, len(atom))]
        optional = [split(1, len(inner) + 1, greedy), *moved(inner, 1)]
    return code + moved(optional, len(code))


def loop(atom: Code, low: int, greedy: bool) -> Code:
    """One or more, or any number."""
    if low:
        return [*atom, split(0, len(atom) + 1, greedy)]
    return [split(1, len(atom) + 2, greedy), *moved(atom, 1), Instruction(JUMP, 0)]


def split(go: int, leave: int, greedy: bool) -> Instruction:
    return Instruction(SPLIT, go, leave) if greedy else Instruction(SPLIT, leave, go)
