"""What a person does in Airflow's user interface, over its REST API (`/api/v2`)."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import httpx

AGAIN_AFTER = (0.2, 0.5, 1.0, 2.0)


class ApiError(RuntimeError):
    """Airflow refused a request; the message holds method, path, status and the answer."""


class AirflowApi:
    """A client of one API server that treats everybody as an admin (SimpleAuthManager)."""

    def __init__(self, url: str, again_after: Sequence[float] = AGAIN_AFTER) -> None:
        """again_after: the pauses (seconds) before a request is repeated that met a busy database."""
        # trust_env=False: no proxy stands between two processes of one machine.
        self._http = httpx.Client(base_url=url, timeout=30, trust_env=False)
        self._token, self._again_after = "", again_after

    def healthy(self) -> bool:
        """Tell whether the server answers; False while it starts."""
        try:
            return self._http.get("/api/v2/monitor/health").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None, run_id: str | None = None) -> str:
        """Start a run without a logical date; return its id."""
        body = {"dag_run_id": run_id, "logical_date": None, "conf": conf or {}}
        return str(self.request("POST", f"/dags/{_path(dag_id)}/dagRuns", body)["dag_run_id"])

    def clear(self, dag_id: str, run_id: str, *task_ids: str | tuple[str, int], only_failed: bool = False) -> None:
        """Clear tasks of a run (all if none is named); a mapped one is named `(task id, map index)`."""
        body: dict[str, Any] = {"dry_run": False, "dag_run_id": run_id, "only_failed": only_failed}
        body |= {"reset_dag_runs": True, "include_downstream": False}
        if task_ids:
            body["task_ids"] = list(task_ids)
        self.request("POST", f"/dags/{_path(dag_id)}/clearTaskInstances", body)

    def mark(self, dag_id: str, run_id: str, task_id: str, state: str, map_index: int = -1) -> None:
        """Set a task's state by hand: "success", "failed" or "skipped"."""
        mapped = "" if map_index < 0 else f"/{map_index}"
        self.request("PATCH", f"{_task(dag_id, run_id, task_id)}{mapped}", {"new_state": state})

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """Return what a task pushed."""
        path = f"{_task(dag_id, run_id, task_id)}/xcomEntries/{_path(key)}"
        return self.request("GET", path, params={"map_index": map_index, "deserialize": True})["value"]

    def task_log(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1, map_index: int = -1) -> str:
        """Return the log that the interface shows for a try, one line per entry, with the messages of its sources."""
        path = f"{_task(dag_id, run_id, task_id)}/logs/{try_number}"
        content = self.request("GET", path, params={"map_index": map_index, "full_content": True})["content"]
        return "\n".join(_log_line(entry) for entry in content)

    def request(
        self, method: str, path: str, body: dict[str, Any] | None = None, params: dict[str, Any] | None = None
    ) -> Any:
        """Send any request below `/api/v2`; return the decoded answer.

        Raises:
            ApiError: the status is 400 or more.
        """
        answer = self._send(method, path, body, params)
        for pause in self._again_after:
            if not _database_was_busy(answer):
                break
            time.sleep(pause)
            answer = self._send(method, path, body, params)
        if answer.is_error:
            raise ApiError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json() if answer.content else None

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def _send(
        self, method: str, path: str, body: dict[str, Any] | None, params: dict[str, Any] | None
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._token or self._login()}", "Accept": "application/json"}
        return self._http.request(method, f"/api/v2{path}", json=body, params=params, headers=headers)

    def _login(self) -> str:
        answer = self._http.get("/auth/token")
        answer.raise_for_status()
        self._token = str(answer.json()["access_token"])
        return self._token


def _database_was_busy(answer: httpx.Response) -> bool:
    """SQLite has one writer at a time, and turns the second one away: nothing was done.

    Airflow says so with this reason (`api_fastapi/common/exceptions.py`).
    """
    if answer.status_code != httpx.codes.INTERNAL_SERVER_ERROR or "json" not in answer.headers.get("content-type", ""):
        return False
    detail = answer.json().get("detail")
    return isinstance(detail, dict) and detail.get("reason") == "Database error"


def _task(dag_id: str, run_id: str, task_id: str) -> str:
    return f"/dags/{_path(dag_id)}/dagRuns/{_path(run_id)}/taskInstances/{_path(task_id)}"


def _path(name: str) -> str:
    return quote(name, safe="")


def _log_line(entry: str | dict[str, Any]) -> str:
    if isinstance(entry, str):
        return entry
    more = {key: value for key, value in entry.items() if key not in {"event", "timestamp", "level", "logger"}}
    return f"{entry.get('event', '')} {json.dumps(more, default=str) if more else ''}".rstrip()
