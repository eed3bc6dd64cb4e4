"""``python -m executor.localcluster``: see ``--help``."""

from __future__ import annotations

import asyncio
import logging

from executor.localcluster.options import parse_options
from executor.localcluster.run import end_with_parent, run


def main() -> None:
    """Read the options and run until told to stop."""
    options = parse_options()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if options.with_parent:
        end_with_parent()
    asyncio.run(run(options))


if __name__ == "__main__":
    main()
