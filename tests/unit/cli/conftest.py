"""Running a command as Airflow's command line does, without a process of its own."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from executor.cli.definition import get_commands


@dataclass(frozen=True, slots=True)
class Result:
    """What a command printed, and its exit code; a text given to SystemExit is on the error stream."""

    out: str
    err: str
    code: int

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


Run = Callable[..., Result]


def parser() -> argparse.ArgumentParser:
    """The group's parser."""
    made = argparse.ArgumentParser()
    commands = made.add_subparsers(required=True)
    for one in get_commands()[0].subcommands:
        sub = commands.add_parser(one.name, epilog=one.epilog, description=one.description or one.help)
        for arg in one.args:
            arg.add_to_parser(sub)
        sub.set_defaults(func=one.func)
    return made


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Call with the words after `airflow kubernetes-executor`."""

    def call(*words: str) -> Result:
        capsys.readouterr()
        code, said = 0, ""
        try:
            args = parser().parse_args(words)
            args.func(args)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
            said = end.code if isinstance(end.code, str) else ""
        captured = capsys.readouterr()
        return Result(captured.out, captured.err + said, code)

    return call
