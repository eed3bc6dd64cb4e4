"""``python -m executor.localcluster``: see ``--help``."""

from __future__ import annotations

import asyncio
import logging
import sys

from executor.localcluster.options import parse_options
from executor.localcluster.run import run


def main() -> None:
    """Read the options and run until told to stop."""
    options = parse_options()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        asyncio.run(run(options))
    except OSError as error:
        sys.exit(f"local cluster: {error}")


if __name__ == "__main__":
    main()
