"""A PostgreSQL for the tests: the server TEST_POSTGRES_URL names, else one of our own in a temporary directory.

Each Airflow gets a database of its own, copied from one that was migrated once. Our own server never syncs to disk, and
listens on loopback only. As root it runs as `postgres` or `nobody`, since PostgreSQL refuses root.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from executor.demo.home import AirflowHome
from executor.demo.migration import migrate
from executor.demo.processes import Child, free_ports, wait_until

_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "150"}


class PostgresMissingError(Exception):
    """There is neither TEST_POSTGRES_URL nor an installed PostgreSQL; says what to do."""


class PostgresServer:
    """Makes migrated databases on one server, and drops them."""

    def __init__(self, url: URL, scratch: Path) -> None:
        self._url = url
        self._scratch = scratch
        self._made: list[str] = []
        self._template = ""

    def new_database(self) -> str:
        """Return the URL of a new, migrated database."""
        if not self._template:
            self._template = self._create("TEMPLATE template0")
            home = AirflowHome.create(self._scratch / "migrate", "LocalExecutor", database_url=self._in(self._template))
            migrate(home.environment())
        return self.copy_of(self._in(self._template))

    def copy_of(self, url: str) -> str:
        """Return the URL of a new copy of one of this server's databases, which nobody may be connected to."""
        return self._in(self._create(f'TEMPLATE "{make_url(url).database}"'))

    def wait_ready(self, child: Child) -> None:
        """Wait until the server takes connections."""

        def ready() -> bool:
            child.require_running()
            with suppress(OperationalError):
                self._execute("SELECT 1")
                return True
            return False

        wait_until("PostgreSQL ready", ready, 120)

    def drop_all(self) -> None:
        """Drop every database made here."""
        for name in reversed(self._made):
            self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _create(self, how: str) -> str:
        name = f"airflow_test_{uuid4().hex[:12]}"
        self._execute(f'CREATE DATABASE "{name}" {how}')
        self._made.append(name)
        return name

    def _in(self, database: str) -> str:
        return self._url.set(database=database).render_as_string(hide_password=False)

    def _execute(self, statement: str) -> None:
        engine = create_engine(self._url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Run, or connect to, a server.

    Raises:
        PostgresMissingError: there is none to be had.
    """
    # Not pytest's directory: that is closed to other users, and PostgreSQL runs as one.
    with tempfile.TemporaryDirectory(prefix="postgres-") as scratch:
        if named := os.environ.get("TEST_POSTGRES_URL"):
            server = PostgresServer(make_url(named).set(drivername="postgresql+psycopg2"), Path(scratch))
            try:
                yield server
            finally:
                server.drop_all()
        else:
            with _own_server(Path(scratch)) as server:
                yield server


@contextmanager
def _own_server(directory: Path) -> Iterator[PostgresServer]:
    binaries = _binaries()
    as_user = _as_user(directory)
    data = directory / "data"
    initdb = [
        *as_user,
        str(binaries / "initdb"),
        "--pgdata",
        str(data),
        "--username=airflow",
        "--auth=trust",
        "--no-sync",
    ]
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    subprocess.run(initdb, env=environment, cwd=directory, check=True, capture_output=True)
    port = free_ports(1)[0]
    settings = _SETTINGS | {"listen_addresses": "127.0.0.1", "port": str(port), "unix_socket_directories": ""}
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    command = [*as_user, str(binaries / "postgres"), "-D", str(data), *options]
    child = Child("postgresql", command, environment, directory / "postgresql.log", stop_signal=signal.SIGQUIT)
    try:
        server = PostgresServer(
            URL.create("postgresql+psycopg2", "airflow", None, "127.0.0.1", port, "postgres"), directory
        )
        server.wait_ready(child)
        yield server
    finally:
        child.stop()


def _binaries() -> Path:
    """Return the directory of `initdb` and `postgres`: on the PATH, or Debian's newest."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not installed:
        raise PostgresMissingError(
            "no PostgreSQL: set TEST_POSTGRES_URL, or install it (Debian: apt-get install postgresql)"
        )
    return installed[-1].parent


def _as_user(directory: Path) -> list[str]:
    """Return the words in front of a command that let it run as somebody who may; hand the directory over."""
    if os.geteuid() != 0:
        return []
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = known.get("postgres") or known["nobody"]
    os.chown(directory, user.pw_uid, user.pw_gid)
    # The kernel forgets the parent-death signal when the user changes, so it is asked for again.
    ids = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    return ["setpriv", *ids, "--pdeathsig", "TERM", "--"]
