"""What people read when a task's pod dies or waits: produced by real pods, and written into the README.

python -m tests.cluster.sentences README.md
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.cluster.cause_driver import DAG, Told, collect
from tests.cluster.causes import SECTIONS

BEGIN, END = "<!-- sentences: begin -->", "<!-- sentences: end -->"
REPLACEMENTS: list[tuple[str, str]] = [
    (rf"{DAG}-[a-z-]+-[0-9a-f]{{16}}", f"{DAG}-load-1f0c"),
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "7a3d"),
    (r"127\.0\.0\.1:\d+", "10.0.0.1:443"),
    (r"\b(after|for) \d+ s\b", r"\1 N s"),
    (r"\(\d+ times\)", "(N times)"),
    (r"using \d+[KM]i", "using 262144Ki"),
    (r"available: \d+[KM]i", "available: 96Mi"),
    (r"\(ErrImagePull\)", "(ImagePullBackOff)"),
    (r"\bactiveDeadlineSeconds of \d+\b", "activeDeadlineSeconds of 3"),
]


def readable(text: str, folder: Path) -> str:
    """The sentence without what differs from run to run."""
    text = text.replace(str(folder), "/opt/airflow")
    for pattern, words in REPLACEMENTS:
        text = re.sub(pattern, words, text)
    text = re.sub(r"(?<=Its last events: ).*(?=\.$)", lambda events: "; ".join(sorted(events[0].split("; "))), text)
    return text.replace("\n", "\\n").replace("|", "\\|")


def table(told: Mapping[str, Told], folder: Path) -> str:
    """The README's tables."""
    lines: list[str] = []
    for title, section in SECTIONS.items():
        lines += [f"| {title} | What you read |", "|---|---|"]
        lines += [f"| {one.title} | {readable(told[name].of(one.event)[0], folder)} |" for name, one in section.items()]
        lines.append("")
    return "\n".join(lines).strip()


def main(readme: str) -> None:
    path = Path(readme)
    before, rest = path.read_text().split(BEGIN)
    after = rest.split(END)[1]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = table(collect(folder).told, folder)
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


if __name__ == "__main__":
    main(sys.argv[1])
