"""How results are printed: colours and tables on a terminal, plain text in a pipe."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from executor.cli.explained import Line
from executor.cli.validation import Finding


def print_manifest(manifest: Mapping[str, Any], form: str) -> None:
    """Print a pod as `yaml` or `json`."""
    plain = json.loads(json.dumps(manifest))  # no YAML anchors for parts that are shared
    text = json.dumps(plain, indent=2) + "\n" if form == "json" else yaml.safe_dump(plain, sort_keys=False, width=120)
    print_source(text, form)


def print_source(text: str, form: str = "yaml") -> None:
    """Print a text as it is; coloured on a terminal."""
    if sys.stdout.isatty():
        Console().print(Syntax(text.rstrip("\n"), form, background_color="default", word_wrap=True))
    else:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")


def print_explained(lines: Sequence[Line]) -> None:
    """Print a pod with the layer of each line: a table on a terminal, YAML with comments in a pipe."""
    if sys.stdout.isatty():
        Console().print(_table(lines))
        return
    width = min(max((len(line.text) for line in lines), default=0), 60)
    for line in lines:
        sys.stdout.write(f"{line.text:{width}}  # {line.origin}\n" if line.layer else f"{line.text}\n")


def _table(lines: Sequence[Line]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title, style in (("pod", ""), ("set by", "cyan"), ("replaces", "dim")):
        table.add_column(title, style=style, overflow="fold")
    for line in lines:
        table.add_row(Text(line.text), Text(line.layer), Text("\n".join(line.replaced)))
    return table


def print_findings(found: Sequence[Finding], tasks: int) -> None:
    """Print one line for each fault and warning; on the error stream how many of each."""
    console = Console(soft_wrap=True, highlight=False, emoji=False, markup=False)
    for one in found:
        style = ("red" if one.fault else "yellow") if console.is_terminal else None
        console.print(Text(str(one)), style=style)
    faults = sum(one.fault for one in found)
    counts = ((tasks, "task"), (faults, "fault"), (len(found) - faults, "warning"))
    print_note(", ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts))


def print_note(text: str) -> None:
    """Print a line on the error stream."""
    sys.stderr.write(text + "\n")
