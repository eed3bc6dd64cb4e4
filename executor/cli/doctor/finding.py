"""What a check says: a verdict, one sentence, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """FAILED makes the command's exit code 1; SKIPPED could not be looked at."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """check: what was looked at; remedy: "" where nothing is to be done."""

    check: str
    verdict: Verdict
    text: str
    remedy: str = ""


def ok(check: str, text: str) -> Finding:
    """Nothing to be done."""
    return Finding(check, Verdict.OK, text)


def warning(check: str, text: str, remedy: str) -> Finding:
    """It works, or may work, and somebody should know."""
    return Finding(check, Verdict.WARNING, text, remedy)


def failed(check: str, text: str, remedy: str) -> Finding:
    """Tasks fail or never start."""
    return Finding(check, Verdict.FAILED, text, remedy)


def skipped(check: str, text: str, remedy: str = "") -> Finding:
    """Nobody knows."""
    return Finding(check, Verdict.SKIPPED, text, remedy)
