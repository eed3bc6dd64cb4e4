"""``python -m executor.options README.md`` writes the option tables between README's markers."""

from __future__ import annotations

import sys
from pathlib import Path

from executor.options.markdown import options_markdown

BEGIN, END = "<!-- options: begin -->", "<!-- options: end -->"


def main(readme: str) -> None:
    path = Path(readme)
    before, rest = path.read_text().split(BEGIN)
    after = rest.split(END)[1]
    path.write_text(f"{before}{BEGIN}\n{options_markdown().strip()}\n{END}{after}")


if __name__ == "__main__":
    main(sys.argv[1])
