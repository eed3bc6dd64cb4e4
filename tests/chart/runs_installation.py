"""`helm install` on a local cluster: the rendered objects are applied, their pods started, Airflow runs in them."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from kubernetes import client
from kubernetes.dynamic import DynamicClient
from kubernetes.stream import stream

from executor.demo.api import AirflowApi
from executor.demo.cluster import Cluster
from executor.demo.home import AirflowHome
from executor.demo.processes import NotReadyError, wait_until
from executor.demo.stack import AirflowStack
from tests.airflow.harness import PATIENCE, PatientStack
from tests.chart.runs_machine import WITH_PODS, Machine, Object, pods_of

RESTARTS = 2


class Installation:
    """One release of the chart on a cluster whose node is this machine."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster, self._folder = cluster, folder
        self._client = DynamicClient(cluster.core.api_client, cache_file=str(folder / "discovery.json"))
        self._pods: list[tuple[str, str]] = []

    def install(self, objects: Sequence[Object]) -> None:
        """Apply everything, then make the pods of what has pods."""
        self.apply(objects)
        machine = Machine(objects, self._folder)
        for one in objects:
            for pod in pods_of(machine.fitted(one)) if one["kind"] in WITH_PODS else ():
                self.cluster.core.create_namespaced_pod(pod["metadata"]["namespace"], pod)
                self._pods.append((pod["metadata"]["namespace"], pod["metadata"]["name"]))

    def apply(self, objects: Sequence[Object]) -> None:
        """As `helm upgrade` with server-side apply."""
        machine = Machine(objects, self._folder)
        for one in objects:
            kind = self._client.resources.get(api_version=one["apiVersion"], kind=one["kind"])
            self._client.server_side_apply(
                kind,
                machine.fitted(one),
                one["metadata"]["name"],
                one["metadata"].get("namespace"),
                field_manager="helm",
            )

    def wait_ready(self, timeout: float = 600) -> None:
        """Until every pod is ready, or done where it is a job's.

        Raises:
            NotReadyError: one is not, or was started again and again; the message has its state and its log's end.
        """

        def all_ready() -> bool:
            return all(self._is_ready(*pod) for pod in self._pods)

        try:
            wait_until("the chart's pods ready", all_ready, timeout, pause=0.5)
        except TimeoutError as error:
            waiting = [self._describe(*pod) for pod in self._pods if not self._is_ready(*pod)]
            raise NotReadyError(f"{error}\n" + "\n".join(waiting)) from None

    def airflow(self, folder: Path, database_url: str, port: int, password: str) -> AirflowStack:
        """A hand on the installed Airflow: its API as `admin`, its database for reading."""
        home = AirflowHome(folder, "", database_url, folder, api_port=port)
        stack = PatientStack(home, ())
        stack.api = PasswordApi(home.api_url, "admin", password)
        return stack

    def secrets(self, namespace: str, *names: str) -> list[Object]:
        """These Secrets, as `lookup` sees them."""
        found = [self.cluster.core.read_namespaced_secret(name, namespace) for name in names]
        return [
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": one.metadata.name, "namespace": namespace},
                "data": dict(one.data),
            }
            for one in found
        ]

    def password(self, release: str, namespace: str) -> str:
        """What NOTES.txt tells to look up: the generated password of `admin`."""
        (keys,) = self.secrets(namespace, f"{release}-keys")
        return str(json.loads(base64.b64decode(keys["data"]["passwords.json"]))["admin"])

    def run_in(self, namespace: str, name: str, command: Sequence[str], timeout: float = PATIENCE) -> str:
        """`kubectl exec`: what the command printed."""
        options = {"command": list(command), "stdout": True, "stderr": True, "stdin": False, "tty": False}
        connect = self.cluster.core.connect_get_namespaced_pod_exec
        socket = stream(connect, name, namespace, _preload_content=False, **options)
        try:
            socket.run_forever(timeout=timeout)
            return str(socket.read_all())
        finally:
            socket.sock.shutdown()  # its own close leaves the socket open when the server has closed first

    def wait_for_file(self, namespace: str, name: str, path: str, text: str) -> None:
        """Until a file in a pod has this text: mounted ConfigMaps follow their object after a while."""
        wait_until(
            f"{text} in {path}", lambda: text in self.run_in(namespace, name, ["cat", path]), PATIENCE, pause=0.5
        )

    def log(self, namespace: str, name: str, container: str | None = None) -> str:
        """What a container printed; "" if it has not run."""
        with suppress(client.ApiException):
            options = {"container": container} if container else {}
            answer = self.cluster.core.read_namespaced_pod_log(name, namespace, _preload_content=False, **options)
            return bytes(answer.data).decode(errors="replace")
        return ""

    def everything(self, namespace: str) -> str:
        """All pods with the ends of their logs, for the message of a test that fails."""
        pods = self.cluster.pods(namespace)
        return "\n".join(self._describe(namespace, pod["metadata"]["name"]) for pod in pods)

    def _is_ready(self, namespace: str, name: str) -> bool:
        status = self.cluster.core.read_namespaced_pod(name, namespace).status
        states = [*(status.init_container_statuses or ()), *(status.container_statuses or ())]
        if any(one.restart_count > RESTARTS for one in states):
            raise NotReadyError(f"started again and again:\n{self._describe(namespace, name)}")
        ready = any(one.type == "Ready" and one.status == "True" for one in status.conditions or ())
        return ready or status.phase == "Succeeded"

    def _describe(self, namespace: str, name: str) -> str:
        pod = self.cluster.core.read_namespaced_pod(name, namespace)
        parts = [f"pod {namespace}/{name}: {pod.status.phase}"]
        for one in (*(pod.spec.init_containers or ()), *pod.spec.containers):
            tail = self.log(namespace, name, one.name).splitlines()[-30:]
            parts += [f"container {one.name}:", *tail]
        return "\n".join(parts)


class PasswordApi(AirflowApi):
    """Airflow's REST API for one user of the simple auth manager."""

    def __init__(self, url: str, user: str, password: str) -> None:
        super().__init__(url)
        self._credentials = {"username": user, "password": password}

    def _login(self) -> str:
        answer: httpx.Response = self._http.post("/auth/token", json=self._credentials)
        answer.raise_for_status()
        self._token = str(answer.json()["access_token"])
        return self._token


def seen_env(pod: dict[str, Any]) -> dict[str, str]:
    """Literal environment of a pod's container `base`."""
    base = next(one for one in pod["spec"]["containers"] if one["name"] == "base")
    return {one["name"]: one.get("value", "") for one in base.get("env") or ()}
