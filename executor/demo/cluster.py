"""The cluster the pods run in: `LocalCluster`, a child process of this one, or any other by its kubeconfig.

`cluster.core` is the official client's `CoreV1Api`, for whatever a demo or a test wants to do to the cluster.
"""

from __future__ import annotations

import os
import ssl
import sys
from base64 import b64decode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import yaml
from kubernetes import client, config

from executor.demo.home import search_path
from executor.demo.processes import Child, NotReadyError, wait_until

_NOT_FOUND, _CONFLICT = 404, 409


class Cluster:
    """Some Kubernetes cluster, by the current context of a kubeconfig."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig

    @cached_property
    def core(self) -> Any:
        """The synchronous `CoreV1Api` of the official client."""
        return client.CoreV1Api(config.new_client_from_config(config_file=str(self.kubeconfig)))

    @property
    def server(self) -> str:
        """The API server's URL."""
        return str(self._section("clusters", "cluster")["server"])

    def close(self) -> None:
        """Close the connections; `core` opens new ones, with what the kubeconfig says then."""
        if "core" in self.__dict__:
            self.__dict__.pop("core").api_client.close()

    def ensure_namespace(self, name: str) -> None:
        """Make a namespace, unless it is there."""
        with _accepting(_CONFLICT):
            self.core.create_namespace({"metadata": {"name": name}})

    def put_secret(self, name: str, values: Mapping[str, str], namespace: str = "default") -> None:
        """Make a Secret of text values, replacing one of that name."""
        self.delete_secret(name, namespace)
        body = {"metadata": {"name": name}, "stringData": dict(values)}
        self.core.create_namespaced_secret(namespace, body)

    def delete_secret(self, name: str, namespace: str = "default") -> None:
        """Delete a Secret, if it is there."""
        with _accepting(_NOT_FOUND):
            self.core.delete_namespaced_secret(name, namespace)

    def put_config_map(self, name: str, values: Mapping[str, str], namespace: str = "default") -> None:
        """Make a ConfigMap, replacing one of that name."""
        self.delete_config_map(name, namespace)
        self.core.create_namespaced_config_map(namespace, {"metadata": {"name": name}, "data": dict(values)})

    def delete_config_map(self, name: str, namespace: str = "default") -> None:
        """Delete a ConfigMap, if it is there."""
        with _accepting(_NOT_FOUND):
            self.core.delete_namespaced_config_map(name, namespace)

    def pods(self, namespace: str = "default", selector: str = "") -> list[dict[str, Any]]:
        """Return the pods there are now, as the plain JSON the API server sends."""
        answer = self.core.list_namespaced_pod(namespace, label_selector=selector, _preload_content=False)
        return list(answer.json()["items"])

    def _section(self, plural: str, singular: str) -> dict[str, Any]:
        """Return what the current context names in `clusters` or `users`."""
        document = yaml.safe_load(self.kubeconfig.read_text())
        contexts = {one["name"]: one["context"] for one in document["contexts"]}
        named = contexts[document["current-context"]][singular]
        found: dict[str, Any] = next(one[singular] for one in document[plural] if one["name"] == named)
        return found


class LocalCluster(Cluster):
    """``python -m executor.localcluster`` as a child process that ends with this one.

    `arguments` go to its command line; `faults` lets it have the switches that `admin` turns. Use as a context manager,
    or call `start` and `stop`.
    """

    def __init__(self, directory: Path, *arguments: str, faults: bool = True) -> None:
        super().__init__(directory / "kubeconfig")
        directory.mkdir(parents=True, exist_ok=True)
        self.state = directory / "state"
        self._log = directory / "localcluster.log"
        self._arguments = (*arguments, "--faults") if faults else arguments
        self._child: Child | None = None

    def __enter__(self) -> LocalCluster:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def child(self) -> Child:
        """The server's process."""
        if self._child is None:
            raise NotReadyError("the local cluster is not started")
        return self._child

    def start(self, timeout: float = 120) -> LocalCluster:
        """Start it; return when its nodes are ready (when it answers, with ``--no-nodes``)."""
        self.kubeconfig.unlink(missing_ok=True)
        self._child = Child("localcluster", self._command(), _plain_environment(), self._log)
        with_nodes = "--no-nodes" not in self._arguments
        wait_until("the local cluster ready", lambda: self._ready(with_nodes), timeout)
        return self

    def stop(self) -> None:
        """Stop the server, its nodes and every container."""
        self.close()
        if self._child:
            self._child.stop()

    def admin(self, switch: str, **values: Any) -> Any:
        """Turn one of the server's switches (`executor.localcluster.admin` lists them); return its answer."""
        return self._ask("POST", switch, values)

    def requests(self) -> Any:
        """Return how many requests there were since the start (or `admin("reset")`), by verb and resource."""
        return self._ask("GET", "requests")

    def _ask(self, method: str, switch: str, body: Mapping[str, Any] | None = None) -> Any:
        authority = self._section("clusters", "cluster").get("certificate-authority-data")
        verify = ssl.create_default_context(cadata=b64decode(authority).decode()) if authority else True
        headers = {"Authorization": f"Bearer {self._section('users', 'user')['token']}"}
        with httpx.Client(base_url=self.server, verify=verify, trust_env=False, timeout=30) as http:
            answer = http.request(method, f"/localcluster/{switch}", json=body, headers=headers)
        if answer.is_error:
            raise RuntimeError(f"/localcluster/{switch}: {answer.status_code} {answer.text}")
        return answer.json() if answer.content else None

    def _command(self) -> Sequence[str]:
        options = ("--kubeconfig", str(self.kubeconfig), "--state", str(self.state), "--with-parent")
        return (sys.executable, "-m", "executor.localcluster", *options, *self._arguments)

    def _ready(self, with_nodes: bool) -> bool:
        self.child.require_running()
        if not self.kubeconfig.exists():
            return False
        nodes = self.core.list_node().items
        return bool(nodes) and all(_is_ready(node) for node in nodes) if with_nodes else True


def _is_ready(node: Any) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in (node.status and node.status.conditions) or ())


def _plain_environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR", "TZ") if name in os.environ}
    return kept | {"PATH": search_path()}


class _accepting(suppress):  # noqa: N801  (reads as a phrase: `with _accepting(404)`)
    """Let an API error with this status pass."""

    def __init__(self, status: int) -> None:
        super().__init__(client.ApiException)
        self._status = status

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        return getattr(error, "status", None) == self._status and super().__exit__(kind, error, trace)
