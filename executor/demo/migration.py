"""A database that Airflow can use, quickly: SQLite files are copied from one that was migrated before.

The copy is kept per Airflow version under the state directory. Another database is migrated with ``airflow db migrate``
unless it holds a schema already (a test's PostgreSQL database is a copy, too).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import create_engine, inspect
from sqlalchemy.pool import NullPool

from executor.demo.home import AirflowHome, state_directory


class MigrationError(RuntimeError):
    """``airflow db migrate`` failed; the message holds the end of what it printed."""


def prepare_database(home: AirflowHome) -> None:
    """Bring the home's database to the installed Airflow's schema."""
    if not home.database_url.startswith("sqlite:///"):
        if not inspect(create_engine(home.database_url, poolclass=NullPool)).has_table("alembic_version"):
            migrate(home.environment())
        return
    target = Path(home.database_url.removeprefix("sqlite:///"))
    if not target.exists():
        shutil.copyfile(_migrated_sqlite(), target)


def migrate(environment: Mapping[str, str]) -> None:
    """Run ``airflow db migrate`` in this environment (takes about ten seconds)."""
    done = subprocess.run(
        ["airflow", "db", "migrate"],
        env=dict(environment),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode:
        output = "\n".join((done.stdout + done.stderr).splitlines()[-30:])
        raise MigrationError(f"airflow db migrate ended with {done.returncode}:\n{output}")


def _migrated_sqlite() -> Path:
    cached = state_directory() / "databases" / f"airflow-{version('apache-airflow-core')}.db"
    if not cached.exists():
        cached.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cached.parent) as scratch:
            home = AirflowHome.create(Path(scratch), "LocalExecutor")
            migrate(home.environment())
            # Renamed when complete: several test runs may make it at once.
            os.replace(Path(scratch) / "airflow.db", cached)
    return cached
