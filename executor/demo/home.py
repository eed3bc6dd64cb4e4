"""An AIRFLOW_HOME of its own, and the environment its components run in.

Everything is said by environment variables made here from nothing: neither the user's `~/airflow` nor any AIRFLOW__*
variable of the calling shell is seen. Settings are quick ones (short intervals), which suits a demo and tests, not
production.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.fernet import Fernet

from executor.demo.processes import free_ports

#: `{section: {option: value}}`; None takes a default of `AirflowHome.options` away.
Options = Mapping[str, Mapping[str, str | None]]

_KEPT_VARIABLES = ("HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR")


def state_directory() -> Path:
    """Where caches and the demo's files are kept: `.state` of the checkout, else of the working directory."""
    checkout = Path(__file__).resolve().parents[2]
    return (checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()) / ".state"


def search_path() -> str:
    """PATH with this interpreter's own directory first, so that `airflow` and `python` are the ones that run this."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


@dataclass(frozen=True, slots=True)
class AirflowHome:
    """Directory, database, ports and secrets of one Airflow."""

    path: Path
    executor: str
    database_url: str
    dags: Path
    host: str = "127.0.0.1"
    api_port: int = 0
    options: Options = field(default_factory=dict)
    jwt_secret: str = field(default_factory=lambda: secrets.token_urlsafe(48), repr=False)
    fernet_key: str = field(default_factory=lambda: Fernet.generate_key().decode(), repr=False)

    @classmethod
    def create(
        cls,
        path: Path,
        executor: str,
        *,
        dags: Path | None = None,
        database_url: str | None = None,
        host: str = "127.0.0.1",
        options: Options | None = None,
    ) -> AirflowHome:
        """Make the directories. `database_url` is a synchronous SQLAlchemy URL, SQLite in the home if None."""
        home = cls(
            path=path,
            executor=executor,
            database_url=database_url or f"sqlite:///{path}/airflow.db",
            dags=dags or path / "dags",
            host=host,
            api_port=free_ports(1)[0],
            options=_with_private_ports(options or {}),
        )
        for directory in (home.path, home.dags, home.logs, home.component_logs):
            directory.mkdir(parents=True, exist_ok=True)
        return home

    @property
    def logs(self) -> Path:
        """The folder of the tasks' logs."""
        return self.path / "logs"

    @property
    def component_logs(self) -> Path:
        """What scheduler, API server and the others print, a file each."""
        return self.path / "components"

    @property
    def api_url(self) -> str:
        """The API server, and the user interface."""
        return f"http://{self.host}:{self.api_port}"

    @property
    def execution_api_url(self) -> str:
        """What workers talk to."""
        return f"{self.api_url}/execution/"

    def environment(self) -> dict[str, str]:
        """Return the complete environment of a component; holds secrets."""
        kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        merged = _merge(self._base_options(), quick_options(), self.options)
        configured = {
            f"AIRFLOW__{section.upper()}__{option.upper()}": value
            for section, values in merged.items()
            for option, value in values.items()
        }
        return kept | {"PATH": search_path(), "AIRFLOW_HOME": str(self.path), "PYTHONUNBUFFERED": "1"} | configured

    def _base_options(self) -> dict[str, dict[str, str]]:
        return {
            "core": {
                "executor": self.executor,
                "dags_folder": str(self.dags),
                "fernet_key": self.fernet_key,
                "execution_api_server_url": self.execution_api_url,
                "simple_auth_manager_all_admins": "True",
            },
            "api": {"host": self.host, "port": str(self.api_port), "base_url": self.api_url},
            "api_auth": {"jwt_secret": self.jwt_secret},
            "database": _database_options(self.database_url),
            "logging": {"base_log_folder": str(self.logs), "colored_console_log": "False"},
        }


def quick_options() -> dict[str, dict[str, str]]:
    """Options for two cores and impatient people: short intervals, few processes, no examples, no calls home."""
    return {
        "core": {
            "load_examples": "False",
            "dags_are_paused_at_creation": "False",
            "parallelism": "16",
            "default_task_retry_delay": "1",
            # One DAG file is parsed in a moment, and a changed one must be seen at once.
            "min_serialized_dag_update_interval": "1",
            "hostname_callable": "socket.gethostname",
        },
        "scheduler": {
            "job_heartbeat_sec": "1",
            "scheduler_heartbeat_sec": "1",
            "scheduler_idle_sleep_time": "0.2",
            "scheduler_health_check_threshold": "10",
            "orphaned_tasks_check_interval": "5",
            "task_queued_timeout_check_interval": "5",
            "task_instance_heartbeat_timeout_detection_interval": "5",
            "trigger_timeout_check_interval": "2",
        },
        "dag_processor": {
            "refresh_interval": "1",
            "bundle_refresh_check_interval": "1",
            "min_file_process_interval": "30",
            "parsing_processes": "1",
            "stale_dag_threshold": "3600",
        },
        "triggerer": {"job_heartbeat_sec": "1"},
        "api": {"workers": "1", "log_fetch_timeout_sec": "5"},
        "usage_data_collection": {"enabled": "False"},
    }


def _with_private_ports(options: Options) -> Options:
    """The log servers of scheduler and triggerer, which listen on fixed ports otherwise."""
    worker, trigger = free_ports(2)
    ports = {"logging": {"worker_log_server_port": str(worker), "trigger_log_server_port": str(trigger)}}
    return _merge(ports, options, keep_none=True)


def _database_options(url: str) -> dict[str, str]:
    """Name both drivers of PostgreSQL; the asynchronous one of SQLite Airflow finds by itself."""
    if not url.startswith("postgresql"):
        return {"sql_alchemy_conn": url}
    rest = url.partition("://")[2]
    return {
        "sql_alchemy_conn": f"postgresql+psycopg2://{rest}",
        "sql_alchemy_conn_async": f"postgresql+asyncpg://{rest}",
        # Several components and short-lived tests share one small server.
        "sql_alchemy_engine_args": json.dumps({"pool_size": 3, "max_overflow": 5}),
    }


def _merge(*layers: Options, keep_none: bool = False) -> dict[str, dict[str, str]]:
    merged: dict[str, dict[str, str | None]] = {}
    for layer in layers:
        for section, values in layer.items():
            merged.setdefault(section, {}).update(values)
    return {s: {o: v for o, v in values.items() if keep_none or v is not None} for s, values in merged.items()}  # type: ignore[misc]
