"""What the client of Airflow's API makes of its answers, on a loopback HTTP server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from executor.demo.api import AirflowApi, ApiError

BUSY = 500, {"detail": {"reason": "Database error", "message": "Serious error when handling your request."}}


@contextmanager
def answering(*answers: tuple[int, dict[str, object]]) -> Iterator[tuple[AirflowApi, list[str]]]:
    """An API that gives these answers in turn, the last one again and again, and what it was asked."""
    left, asked = list(answers), list[str]()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._say(200, {"access_token": "t"})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(self.path)
            self._say(*(left.pop(0) if len(left) > 1 else left[0]))

        def _say(self, status: int, content: dict[str, object]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Not to stderr."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    api = AirflowApi(f"http://127.0.0.1:{server.server_port}", again_after=(0.0,))
    try:
        yield api, asked
    finally:
        api.close()
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_busy_database_is_asked_again() -> None:
    with answering(BUSY, (200, {"dag_run_id": "r"})) as (api, asked):
        assert api.trigger("d") == "r"
        assert len(asked) == 2


@pytest.mark.parametrize("answer", [(500, {"detail": "no"}), (409, BUSY[1])])
def test_another_refusal_is_said_at_once(answer: tuple[int, dict[str, object]]) -> None:
    with answering(answer) as (api, asked):
        with pytest.raises(ApiError, match=str(answer[0])):
            api.trigger("d")
        assert len(asked) == 1
