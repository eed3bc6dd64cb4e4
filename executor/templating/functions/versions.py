"""Semantic versions, after Masterminds/semver v3: `semver`, `semverCompare`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from executor.templating.errors import Refusal
from executor.templating.functions.registry import Table
from executor.templating.values import Methods, Struct, Uint64

VERSIONS = Table()
_IDENTIFIERS = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_VERSION = re.compile(rf"v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?(?:-({_IDENTIFIERS}))?(?:\+({_IDENTIFIERS}))?")
_PART = r"[0-9]+|x|X|\*"
_PATTERN = rf"v?({_PART})(?:\.({_PART}))?(?:\.({_PART}))?(?:-({_IDENTIFIERS}))?(?:\+({_IDENTIFIERS}))?"
_OPERATORS = r"=|==|!=|>|<|>=|=>|<=|=<|~|~>|\^"
_CONSTRAINT = re.compile(rf"({_OPERATORS})?\s*({_PATTERN})")
_RANGE = re.compile(rf"\s*({_PATTERN})\s+-\s+({_PATTERN})\s*")
_VALID = re.compile(
    rf"\s*({_OPERATORS})?\s*({_PATTERN})\s*(?:(?:,|\s)\s*({_OPERATORS})?\s*({_PATTERN})\s*)*", re.DOTALL
)
_LONGEST = 256


@dataclass(frozen=True, slots=True)
class Version:
    """major.minor.patch-prerelease+metadata"""

    numbers: tuple[int, int, int]
    prerelease: str
    metadata: str
    original: str

    def __str__(self) -> str:
        text = ".".join(map(str, self.numbers))
        text += f"-{self.prerelease}" if self.prerelease else ""
        return text + (f"+{self.metadata}" if self.metadata else "")


def parse(text: str) -> Version:
    """A version; minor and patch may be missing. Raises Refusal."""
    match = _VERSION.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        raise Refusal("invalid semantic version", f"{text[:60]!r} must look like 1.2.3.")
    major, minor, patch, prerelease, metadata = match.groups()
    parts = (prerelease or "").split(".")
    if any(len(part) > 1 and part[0] == "0" and part.isdigit() for part in parts):
        raise Refusal("version segment starts with 0")
    return Version((int(major), int(minor or 0), int(patch or 0)), prerelease or "", metadata or "", text)


def compare(one: Version, other: Version) -> int:
    """-1, 0 or 1."""
    if one.numbers != other.numbers:
        return -1 if one.numbers < other.numbers else 1
    return _compare_prerelease(one.prerelease, other.prerelease)


def _compare_prerelease(one: str, other: str) -> int:
    if one == other:
        return 0
    if not one or not other:
        return 1 if not one else -1
    left, right = (list(map(_identifier, text.split("."))) for text in (one, other))
    return -1 if left < right else 1 if left > right else 0


def _identifier(text: str) -> tuple[int, int, str]:
    """Numbers come before words."""
    return (0, int(text), "") if text.isdigit() else (1, 0, text)


@dataclass(frozen=True, slots=True)
class Constraint:
    """One comparison. wild: how many of the three numbers are given (3: all)."""

    operator: str
    version: Version
    given: int

    def allows(self, version: Version) -> bool:
        """Whether a version satisfies it; a pre-release only if the constraint has one itself."""
        if version.prerelease and not self.version.prerelease and self.operator != "!=":
            return False
        return _CHECKS[self.operator](self, version)


def _equal(constraint: Constraint, version: Version) -> bool:
    if constraint.given < 3:
        return _tilde(constraint, version)
    return compare(version, constraint.version) == 0


def _not_equal(constraint: Constraint, version: Version) -> bool:
    if version.prerelease and not constraint.version.prerelease:
        return False
    if constraint.given < 3:
        return version.numbers[: constraint.given] != constraint.version.numbers[: constraint.given]
    return compare(version, constraint.version) != 0


def _greater(constraint: Constraint, version: Version) -> bool:
    if constraint.given == 3:
        return compare(version, constraint.version) > 0
    return version.numbers[: constraint.given] > constraint.version.numbers[: constraint.given]


def _at_most(constraint: Constraint, version: Version) -> bool:
    if constraint.given == 3:
        return compare(version, constraint.version) <= 0
    return version.numbers[: constraint.given] <= constraint.version.numbers[: constraint.given]


def _tilde(constraint: Constraint, version: Version) -> bool:
    if compare(version, constraint.version) < 0:
        return False
    if constraint.given == 0:
        return True
    same = min(constraint.given, 2)
    return version.numbers[:same] == constraint.version.numbers[:same]


def _caret(constraint: Constraint, version: Version) -> bool:
    """The leftmost number that is not 0 must stay."""
    if compare(version, constraint.version) < 0:
        return False
    if constraint.given == 0:
        return True
    wanted = constraint.version.numbers
    for at in range(3):
        if version.numbers[at] != wanted[at]:
            return False
        if wanted[at] > 0 or constraint.given == at + 1:
            return True
    return True


_CHECKS = {
    "": _equal,
    "=": _equal,
    "==": _equal,
    "!=": _not_equal,
    ">": _greater,
    "<": lambda constraint, version: compare(version, constraint.version) < 0,
    ">=": lambda constraint, version: compare(version, constraint.version) >= 0,
    "=>": lambda constraint, version: compare(version, constraint.version) >= 0,
    "<=": _at_most,
    "=<": _at_most,
    "~": _tilde,
    "~>": _tilde,
    "^": _caret,
}


def constraints(text: str) -> list[list[Constraint]]:
    """Alternatives (`||`) of constraints that must all hold. Raises Refusal."""
    if len(text) > _LONGEST:
        raise Refusal("improper constraint: too long")
    return [_all_of(part) for part in _RANGE.sub(_spelled_out, text).split("||")]


def _spelled_out(match: re.Match[str]) -> str:
    return f">={match.group(1)},<={match.group(7)} "


def _all_of(text: str) -> list[Constraint]:
    if not _VALID.fullmatch(text):
        raise Refusal(f"improper constraint: {text}", 'Write it like ">=1.2.3" or "^1.2 || 2.x".')
    return [_constraint(match) for match in _CONSTRAINT.finditer(text)]


def _constraint(match: re.Match[str]) -> Constraint:
    operator, _, major, minor, patch, prerelease, metadata = match.groups()
    parts = [major, minor, patch]
    given = next((at for at, part in enumerate(parts) if part is None or part in "xX*"), 3)
    numbers = [int(part) for part in parts[:given]] + [0] * (3 - given)
    version = Version((numbers[0], numbers[1], numbers[2]), prerelease or "", metadata or "", match.group(2))
    return Constraint(operator or "", version, given)


@VERSIONS.function("semverCompare", "string string")
def semver_compare(constraint: str, version: str) -> bool:
    alternatives = constraints(constraint)
    wanted = parse(version)
    return any(all(one.allows(wanted) for one in row) for row in alternatives)


@VERSIONS.function("semver", "string")
def semver(text: str) -> Struct:
    """A version whose parts can be asked for: `(semver "1.2.3").Minor`."""
    return _struct(parse(text))


def _struct(version: Version) -> Struct:
    numbers = version.numbers
    methods: Methods = {
        "Major": ((), lambda: Uint64(numbers[0])),
        "Minor": ((), lambda: Uint64(numbers[1])),
        "Patch": ((), lambda: Uint64(numbers[2])),
        "Prerelease": ((), lambda: version.prerelease),
        "Metadata": ((), lambda: version.metadata),
        "Original": ((), lambda: version.original),
        "String": ((), lambda: str(version)),
        "Compare": (("any",), lambda other: compare(version, _given(other))),
        "Equal": (("any",), lambda other: compare(version, _given(other)) == 0),
        "LessThan": (("any",), lambda other: compare(version, _given(other)) < 0),
        "GreaterThan": (("any",), lambda other: compare(version, _given(other)) > 0),
    }
    return Struct("*semver.Version", {}, methods, shown=str(version), text=str(version), hidden=version)


def _given(value: object) -> Version:
    if isinstance(value, Struct) and isinstance(value.hidden, Version):
        return value.hidden
    raise Refusal("wrong type for value; expected *semver.Version", "Make it one with `semver`.")
