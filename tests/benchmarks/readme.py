"""Puts what `make bench` printed into the README, and its plots beside it: `python -m tests.benchmarks.readme`."""

from __future__ import annotations

import shutil
from pathlib import Path

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
ROOT = Path(__file__).parents[2]
RESULTS = ROOT / ".benchmarks"
PLOTS = ("speed.svg", "heartbeat.svg", "latency.svg", "placing.svg")


def main() -> None:
    """Everything but the micro-benchmarks, whose budgets are in the first table."""
    printed = (RESULTS / "bench.md").read_text().split("## Micro-benchmarks")[0].replace("\n## ", "\n### ").strip()
    readme = ROOT / "README.md"
    before, rest = readme.read_text().split(BEGIN)
    readme.write_text(f"{before}{BEGIN}\n{printed}\n{END}{rest.split(END)[1]}")
    for name in PLOTS:
        shutil.copy(RESULTS / name, ROOT / "docs" / name)


if __name__ == "__main__":
    main()
