"""A scheduler with the chart's own Role, on a cluster that enforces roles, and what a person can read of it.

The executor is real and driven as Airflow's scheduler drives it (`tests.promises.wire`); pods are played.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client

from executor.demo.cluster import LocalCluster
from executor.model import Launch
from tests.chart.rendering import by_name, render
from tests.promises.wire import Driven, Namespace, Pod, Rows
from tests.speed.burst import configure
from tests.unit.control.database import Ti

RELEASE = "air"
PATIENCE = 120.0  # seconds; only reached when something is wrong
ACCOUNT = f"{RELEASE}-scheduler"
Rule = dict[str, Any]
Permission = tuple[str, str]
"""A verb and a resource."""


def permissions_of(rules: Iterable[Rule]) -> list[Permission]:
    return [(verb, resource) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]]


def without(rules: Iterable[Rule], permission: Permission) -> list[Rule]:
    """The rules but for one verb on one resource."""
    kept = [one for one in permissions_of(rules) if one != permission]
    return [{"apiGroups": [""], "resources": [resource], "verbs": [verb]} for verb, resource in kept]


def scheduler_rules(namespace: str = "airflow") -> list[Rule]:
    """What the chart's Role gives to the scheduler."""
    role = by_name(render({}, release=RELEASE, namespace=namespace))[f"Role {namespace}/{ACCOUNT}"]
    return list(role["rules"])


class Account:
    """The chart's service account, Role and RoleBinding of the scheduler in a namespace of the cluster."""

    def __init__(self, cluster: LocalCluster, namespace: str, folder: Path) -> None:
        self._cluster, self._namespace = cluster, namespace
        self._rbac = client.RbacAuthorizationV1Api(cluster.core.api_client)
        objects = by_name(render({}, release=RELEASE, namespace=namespace))
        role, binding = (objects[f"{kind} {namespace}/{ACCOUNT}"] for kind in ("Role", "RoleBinding"))
        self.rules: list[Rule] = role["rules"]
        cluster.core.create_namespaced_service_account(namespace, objects[f"ServiceAccount {namespace}/{ACCOUNT}"])
        self._rbac.create_namespaced_role(namespace, role)
        self._rbac.create_namespaced_role_binding(namespace, binding)
        self.kubeconfig = self._write_kubeconfig(folder / f"{namespace}.yaml")

    def grant(self, rules: Sequence[Rule]) -> None:
        """These instead of what the Role has."""
        self._rbac.patch_namespaced_role(ACCOUNT, self._namespace, {"rules": list(rules)})

    def _write_kubeconfig(self, path: Path) -> Path:
        body = {"spec": {"expirationSeconds": 3600, "audiences": []}}
        made = self._cluster.core.create_namespaced_service_account_token(ACCOUNT, self._namespace, body)
        document = yaml.safe_load(self._cluster.kubeconfig.read_text())
        document["users"][0]["user"] = {"token": made.status.token}
        path.write_text(yaml.safe_dump(document))
        return path


def environment(account: Account, namespace: str, logs: Path) -> dict[str, str]:
    """Of a scheduler that connects as this account."""
    own = "AIRFLOW__KUBERNETES_POD_EXECUTOR__"
    return configure(str(account.kubeconfig), namespace) | {
        f"{own}RECONCILE_INTERVAL": "1",
        f"{own}DEPLOYMENT_ID": namespace,
        "AIRFLOW__API_AUTH__JWT_SECRET": "a secret for tests, long enough to sign with " * 2,
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(logs),
    }


class LoggedRows(Rows):
    """Rows whose tasks have a log, beside which the executor writes its own."""

    def workload(self, ti: Ti) -> Any:
        made = super().workload(ti)
        made.log_path = f"{ti.task_id}/attempt={ti.try_number}.log"
        return made


class Heard(logging.Handler):
    """All that the executor logs, as the scheduler's log shows it."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@dataclass
class Scene:
    """One task and its pod, under one Role."""

    namespace: Namespace
    account: Account
    logs: Path
    heard: Heard
    rows: Rows = field(default_factory=LoggedRows)
    driven: Driven = field(init=False)

    def start(self, job: int = 1) -> None:
        """Another scheduler."""
        self.driven = Driven(self.rows, job)

    @property
    def cluster(self) -> LocalCluster:
        return self.namespace.cluster

    def queue(self, **config: Any) -> tuple[Ti, Launch]:
        """One trivial task handed to the executor."""
        ti = self.rows.add("task", config=config)
        (launch,) = self.driven.queue(ti)
        return ti, launch

    def pod(self, launch: Launch) -> Pod:
        """Its pod, once there is one."""
        found: Pod = self.driven.beat_until("the task's pod", lambda: self.namespace.pods_of(launch), PATIENCE)[0]
        return found

    def until(self, what: str, fits: Callable[[], Any]) -> Any:
        return self.driven.beat_until(what, fits, timeout=PATIENCE)

    def told(self) -> str:
        """The scheduler's log, the task's events, and the log that the executor writes for the task."""
        events = [event.info for event in self.driven.events]
        files = [file.read_text() for file in self.logs.rglob("*.log")]
        return "\n".join([*self.heard.lines, *events, *files]).replace('\\"', '"')
