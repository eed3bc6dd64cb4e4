"""Go's regular expression syntax (RE2) made into a program for regex.py."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from executor.templating.errors import Refusal
from executor.templating.regex_classes import CLASSES, CONTROL, LOOKS, POSIX, any_of, category, negate, one
from executor.templating.regex_program import (
    ANY,
    ASSERT,
    CHARS,
    JUMP,
    MATCH,
    MAX_PROGRAM,
    SAVE,
    SPLIT,
    Code,
    Instruction,
    moved,
    repeat,
)

MAX_REPEAT = 1000
MAX_GROUPS_DEEP = 50
_REPEAT = re.compile(r"\{([0-9]{1,9})(?:(,)([0-9]{1,9})?)?\}")
_GROUP = re.compile(r"\(\?(?:P?<(\w+)>|([imsU]*)(?:-([imsU]+))?([:)]))", re.ASCII)


def parse(pattern: str) -> tuple[tuple[Instruction, ...], int, Mapping[str, int]]:
    """Program, number of groups, and the groups' names. Raises Refusal."""
    parser = _Parser(pattern)
    code = parser.alternatives()
    if parser.at < len(pattern):
        raise parser.fault("unexpected )")
    return (*code, Instruction(MATCH)), parser.groups, parser.names


class _Parser:
    """One pass over a pattern."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self.at = 0
        self.groups = 0
        self.names: dict[str, int] = {}
        self._flags = frozenset[str]()
        self._depth = 0

    def fault(self, problem: str) -> Refusal:
        return Refusal(f"error parsing regexp: {problem} in `{self._pattern[:80]}`")

    def _peek(self, length: int = 1) -> str:
        return self._pattern[self.at : self.at + length]

    def alternatives(self) -> Code:
        outer = self._flags
        branches = [self._sequence()]
        while self._peek() == "|":
            self.at += 1
            branches.append(self._sequence())
        self._flags = outer
        code = branches.pop()
        while branches:
            left = branches.pop()
            code = [
                Instruction(SPLIT, 1, len(left) + 2),
                *moved(left, 1),
                Instruction(JUMP, len(left) + 2 + len(code)),
                *moved(code, len(left) + 2),
            ]
        return self._bounded(code)

    def _bounded(self, code: Code) -> Code:
        if len(code) > MAX_PROGRAM:
            raise self.fault("expression too large")
        return code

    def _sequence(self) -> Code:
        code: Code = []
        while self.at < len(self._pattern) and self._peek() not in "|)":
            atom = self._atom()
            code += moved(self._repeated(atom), len(code))
            self._bounded(code)
        return code

    def _repeated(self, atom: Code) -> Code:
        repeated = False
        while True:
            bounds = self._quantifier()
            if bounds is None:
                return atom
            if repeated:
                raise self.fault("invalid nested repetition operator")
            repeated = True
            greedy = "U" not in self._flags
            if self._peek() == "?":
                self.at += 1
                greedy = not greedy
            atom = self._bounded(repeat(atom, *bounds, greedy))

    def _quantifier(self) -> tuple[int, int | None] | None:
        simple: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
        char = self._peek()
        if char in simple:
            self.at += 1
            return simple[char]
        match = _REPEAT.match(self._pattern, self.at) if char == "{" else None
        if match is None:
            return None
        low = int(match.group(1))
        high = low if match.group(2) is None else int(match.group(3)) if match.group(3) else None
        if low > MAX_REPEAT or (high is not None and not low <= high <= MAX_REPEAT):
            raise self.fault(f"invalid repeat count: `{match.group()}`")
        self.at = match.end()
        return low, high

    def _atom(self) -> Code:
        char = self._peek()
        if char == "(":
            return self._group()
        if char in "*+?":
            raise self.fault(f"missing argument to repetition operator: `{char}`")
        self.at += 1
        if char == "[":
            return [self._chars(self._set())]
        if char == "\\":
            return self._escape()
        if char in "^$":
            multi = "m" in self._flags
            return [Instruction(ASSERT, look=LOOKS[char + "m" if multi else "A" if char == "^" else "z"])]
        if char == ".":
            return [Instruction(ANY, test=None if "s" in self._flags else lambda char: char != "\n")]
        return [self._chars(one(char))]

    def _chars(self, test: Callable[[str], bool]) -> Instruction:
        if "i" not in self._flags:
            return Instruction(CHARS, test=test)
        return Instruction(CHARS, test=lambda char: test(char) or test(char.lower()) or test(char.upper()))

    def _group(self) -> Code:
        match = _GROUP.match(self._pattern, self.at) if self._peek(2) == "(?" else None
        if match is None and self._peek(2) == "(?":
            raise self.fault(f"invalid or unsupported Perl syntax: `{self._peek(3)}`")
        outer = self._flags
        number = None
        if match is None:
            self.at += 1
        else:
            self.at = match.end()
            self._flags = (self._flags | set(match[2] or "")) - set(match[3] or "")
            if match[4] == ")":
                return []
        if match is None or match[1]:
            number = self._numbered(match[1] if match else None)
        body = self._enclosed()
        self._flags = outer
        if number is None:
            return body
        return [Instruction(SAVE, 2 * number), *moved(body, 1), Instruction(SAVE, 2 * number + 1)]

    def _numbered(self, name: str | None) -> int:
        self.groups += 1
        if name is not None:
            if name in self.names:
                raise self.fault("duplicate capture group name")
            self.names[name] = self.groups
        return self.groups

    def _enclosed(self) -> Code:
        self._depth += 1
        if self._depth > MAX_GROUPS_DEEP:
            raise self.fault("expression nests too deeply")
        body = self.alternatives()
        self._depth -= 1
        if self._peek() != ")":
            raise self.fault("missing closing )")
        self.at += 1
        return body

    def _escape(self) -> Code:
        char = self._peek()
        if char == "Q":
            end = self._pattern.find("\\E", self.at)
            end = len(self._pattern) if end < 0 else end
            quoted = self._pattern[self.at + 1 : end]
            self.at = end + 2
            return [self._chars(one(char)) for char in quoted]
        if char in ("A", "z", "b", "B"):
            self.at += 1
            return [Instruction(ASSERT, look=LOOKS[char])]
        return [self._chars(self._class() or one(self._character()))]

    def _class(self) -> Callable[[str], bool] | None:
        """A class of characters behind a backslash, None if there is none."""
        char = self._peek()
        if char and char.lower() in CLASSES:
            self.at += 1
            test = CLASSES[char.lower()]
            return negate(test) if char.isupper() else test
        return self._property() if char in ("p", "P") else None

    def _property(self) -> Callable[[str], bool]:
        match = re.compile(r"[pP](?:\{(\^?)(\w+)\}|([A-Z]))").match(self._pattern, self.at)
        if match is None:
            raise self.fault("invalid character class range")
        self.at = match.end()
        name = match.group(2) or match.group(3)
        negated = (match.group()[0] == "P") != bool(match.group(1))
        test = category(name)
        if test is None:
            raise self.fault(f"invalid character class range: `\\p{{{name}}}`")
        return negate(test) if negated else test

    def _character(self) -> str:
        """One character behind a backslash."""
        char = self._peek()
        self.at += 1
        if char in CONTROL:
            return CONTROL[char]
        if char == "x":
            match = re.compile(r"\{([0-9a-fA-F]{1,6})\}|([0-9a-fA-F]{2})").match(self._pattern, self.at)
            if match is not None and int(match.group(1) or match.group(2), 16) <= 0x10FFFF:
                self.at = match.end()
                return chr(int(match.group(1) or match.group(2), 16))
        octal = re.compile(r"0[0-7]{0,2}|[1-7][0-7]{1,2}").match(self._pattern, self.at - 1)
        if octal is not None:
            self.at = octal.end()
            return chr(int(octal.group(), 8))
        if not char:
            raise self.fault("trailing backslash at end of expression")
        if char.isalnum() or not char.isascii():
            raise self.fault(f"invalid escape sequence: `\\{char}`")
        return char

    def _set(self) -> Callable[[str], bool]:
        negated = self._peek() == "^"
        self.at += negated
        tests: list[Callable[[str], bool]] = []
        first = True
        while first or self._peek() != "]":
            if self.at >= len(self._pattern):
                raise self.fault("missing closing ]")
            first = False
            tests.append(self._set_item())
        self.at += 1
        both = any_of(tests)
        return negate(both) if negated else both

    def _set_item(self) -> Callable[[str], bool]:
        if self._peek(2) == "[:":
            match = re.compile(r"\[:(\^?)(\w+):\]").match(self._pattern, self.at)
            if match is not None and match.group(2) in POSIX:
                self.at = match.end()
                test = POSIX[match.group(2)]
                return negate(test) if match.group(1) else test
            if match is not None:
                raise self.fault(f"invalid character class range: `{match.group()}`")
        low = self._set_end()
        if not isinstance(low, str):
            return low
        if self._peek() != "-" or self._peek(2) in ("-]", "-"):
            return one(low)
        self.at += 1
        high = self._set_end()
        if not isinstance(high, str) or high < low:
            raise self.fault("invalid character class range")
        return lambda char: low <= char <= high

    def _set_end(self) -> str | Callable[[str], bool]:
        char = self._peek()
        self.at += 1
        return (self._class() or self._character()) if char == "\\" else char
