"""README says what is: its option tables are the options, its links and paths exist."""

from __future__ import annotations

import re
from pathlib import Path

from executor.options.markdown import options_markdown
from executor.settings import OPTION

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_option_tables_are_those_of_the_code() -> None:
    """`python -m executor.options` writes them."""
    between = README.split("<!-- options: begin -->\n")[1].split("<!-- options: end -->")[0]

    assert between.strip() == options_markdown().strip()


def test_better_defaults_are_the_defaults() -> None:
    section = README.split("### Better defaults")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", section, re.MULTILINE)

    told = {name: value.split()[0] for name, value in rows if value.strip() != "not set"}

    assert told == {name: str(OPTION[name].default) for name in told}
    assert len(rows) >= 3


def test_paths_that_are_named_exist() -> None:
    named = set(re.findall(r"`((?:executor|tests)/[\w/.]+)`", README))

    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []
    assert len(named) >= 5
