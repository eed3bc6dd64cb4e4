"""From `podTemplate` in values to the pod of a task: nothing is lost, and nothing comes that a worker does not need."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from executor.identity import DEPLOYMENT_LABEL
from executor.manifest import PodBuilder, TemplateSource
from executor.options import OPTIONS
from executor.settings import Settings, build_settings
from tests.chart.rendering import Object, by_name, render
from tests.chart.sets import SETS
from tests.unit.manifest.builders import IDENTITY, container, request

MOUNTED_AT = "/opt/airflow/pod_templates"
NO_WORKER = re.compile(
    r"AIRFLOW__(DATABASE|SCHEDULER|TRIGGERER|API_AUTH|FAB|KUBERNETES_EXECUTOR|KUBERNETES_POD_EXECUTOR)__"
    r"|SQL_ALCHEMY|FERNET|SECRET_KEY|JWT|PASSWORD|SIMPLE_AUTH|AIRFLOW__CORE__EXECUTOR$"
)
each_set = pytest.mark.parametrize("name", SETS)


class Installed:
    """A rendered release whose pod templates are mounted as Kubernetes does it, and read by the executor's own code."""

    def __init__(self, folder: Path, values: dict[str, Any], release: str = "airflow", namespace: str = "airflow"):
        self._folder, self._release, self._namespace = folder, release, namespace
        self._mounts = 0
        self.upgrade(values)
        settings = self.settings().manifest
        self._builder = PodBuilder(settings, TemplateSource.of(settings))

    def upgrade(self, values: dict[str, Any]) -> None:
        """Render anew, and let Kubernetes change the mounted files: a link is swapped (atomic_writer.go)."""
        self.objects = by_name(render(values, release=self._release, namespace=self._namespace))
        self._mounts += 1
        version = self._folder / f"..version-{self._mounts}"
        version.mkdir(parents=True)
        for name, text in self.data("pod-templates").items():
            (version / name).write_text(text)
            if not (link := self._folder / name).is_symlink():
                link.symlink_to(Path("..data") / name)
        fresh = self._folder / "..data_tmp"
        fresh.symlink_to(version.name)
        fresh.rename(self._folder / "..data")

    def data(self, of: str, namespace: str = "") -> dict[str, str]:
        """A ConfigMap's data, by what follows the release in its name."""
        wanted = namespace or self._namespace
        name = self.of_component("scheduler")["containers"][0]["envFrom"][0]["configMapRef"]["name"].removesuffix("env")
        return dict(self.objects[f"ConfigMap {wanted}/{name}{of}"]["data"])

    def settings(self) -> Settings:
        """The executor's settings out of the scheduler's environment; the mount is this test's folder."""
        given = {name: text.replace(MOUNTED_AT, str(self._folder)) for name, text in self.data("env").items()}
        named = {f"AIRFLOW__{one.section}__{one.name}".upper(): one.key for one in OPTIONS}
        raw = {named[name]: text for name, text in given.items() if name in named}
        return build_settings(raw, default_deployment_id="not-set")

    def pod(self, executor_config: dict[str, Any] | None = None, queue: str | None = None) -> Object:
        """The manifest of a task's pod, as it would be sent."""
        deployment = self.settings().deployment_id
        asked = request(executor_config, identity=replace(IDENTITY, deployment=deployment), queue=queue)
        return self._builder.build(asked).manifest

    def of_component(self, component: str) -> Object:
        """The pod spec of a component."""
        labels = {"app.kubernetes.io/component": component}
        found = [one for one in self.objects.values() if one["kind"] == "Deployment"]
        deployment = next(one for one in found if labels.items() <= one["metadata"]["labels"].items())
        spec: Object = deployment["spec"]["template"]["spec"]
        return spec


def installed(folder: Path, name: str) -> Installed:
    given = SETS[name]
    return Installed(folder / "templates", given.values, given.release, given.namespace)


def test_the_pod_template_of_the_values_becomes_the_pod_of_a_task(tmp_path: Path) -> None:
    release = installed(tmp_path, "pod_templates")
    template = release.data("pod-templates")["pod_template_file.yaml"]
    assert "{{ printf" not in template
    pod = release.pod()
    base = container(pod)
    assert base["image"] == "airflow-pod-executor:3.3.2"
    assert {"name": "FROM_TEMPLATE", "value": "airflow/airflow"} in base["env"]
    assert pod["metadata"]["annotations"]["team"] == "data"
    assert pod["metadata"]["annotations"]["vault.example/template"] == '{{ with secret "a" }}'
    assert pod["metadata"]["namespace"] == "airflow"


def test_env_secrets_and_options_reach_the_executor(tmp_path: Path) -> None:
    release = installed(tmp_path, "pod_templates")
    settings = release.settings()
    assert settings.deployment_id == "chosen"
    assert (settings.delete_worker_pods, settings.tcp_keep_idle, settings.create_qps) == (False, 1_000_000, 12.5)
    assert settings.kube_client_request_args == {"_request_timeout": [10, 30]}
    variables = {one["name"]: one for one in container(release.pod())["env"]}
    assert variables["PASSWORD"]["valueFrom"] == {"secretKeyRef": {"name": "database", "key": "password"}}
    assert variables["QUOTED"]["valueFrom"] == {"secretKeyRef": {"name": 'with "quotes"', "key": "k"}}


def test_named_templates_are_chosen_by_task_and_queue(tmp_path: Path) -> None:
    release = installed(tmp_path, "pod_templates")
    assert container(release.pod({"pod_template": "plain"}))["image"] == "plain:1"
    by_queue = release.pod(queue="gpu")
    assert (container(by_queue)["image"], by_queue["spec"]["nodeSelector"]) == ("gpu:1", {"gpu": "true"})


def test_a_changed_template_needs_no_restart(tmp_path: Path) -> None:
    release = installed(tmp_path, "trial")
    before, deployments = release.pod(), {k: v for k, v in release.objects.items() if v["kind"] == "Deployment"}
    assert before["spec"]["terminationGracePeriodSeconds"] == 60
    changed = {"terminationGracePeriodSeconds": 61, "podAnnotations": {"changed": "yes"}}
    release.upgrade({**SETS["trial"].values, "workers": changed})
    after = release.pod()
    assert after["spec"]["terminationGracePeriodSeconds"] == 61
    assert after["metadata"]["annotations"]["changed"] == "yes"
    assert {k: v for k, v in release.objects.items() if v["kind"] == "Deployment"} == deployments
    spec = release.of_component("scheduler")
    mounts = [one for one in spec["containers"][0]["volumeMounts"] if one["name"] == "pod-templates"]
    assert mounts == [{"name": "pod-templates", "mountPath": MOUNTED_AT, "readOnly": True}]


def test_changed_environment_restarts_the_components(tmp_path: Path) -> None:
    release = installed(tmp_path, "trial")
    before = release.of_component("scheduler"), release.objects["Deployment airflow/airflow-scheduler"]
    release.upgrade({**SETS["trial"].values, "config": {"core": {"parallelism": 5}}})
    after = release.objects["Deployment airflow/airflow-scheduler"]
    notes = [one["spec"]["template"]["metadata"]["annotations"]["checksum/env"] for one in (before[1], after)]
    assert notes[0] != notes[1]


@each_set
def test_a_worker_has_what_a_worker_needs_and_nothing_else(tmp_path: Path, name: str) -> None:
    release = installed(tmp_path, name)
    environment = release.data("worker-env")
    assert {variable for variable in environment if NO_WORKER.search(variable)} == set()
    assert environment["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"].endswith("/execution/")
    assert environment.items() <= release.data("env").items(), "what workers are told, components are told alike"
    pod = release.pod()
    named = str(pod["spec"])
    secrets = {one["metadata"]["name"] for one in release.objects.values() if one["kind"] == "Secret"}
    assert [secret for secret in secrets if secret in named] == []
    known = {"logs", "dags", "git-ssh", "scratch", "airflow-workload"}
    assert {volume["name"] for volume in pod["spec"].get("volumes", ())} <= known


@each_set
def test_a_pod_of_the_default_template_is_whole(tmp_path: Path, name: str) -> None:
    """Numbers that Helm prints as 1e+06 too: the executor reads YAML, and sends whole numbers."""
    pod = installed(tmp_path, name).pod()
    assert pod["metadata"]["labels"][DEPLOYMENT_LABEL] == installed(tmp_path / "again", name).settings().deployment_id
    assert [one["name"] for one in pod["spec"]["containers"]] == ["base"]
    if name == "openshift":
        security = pod["spec"]["securityContext"]
        assert security == {"runAsNonRoot": True, "runAsUser": 1000650000, "fsGroup": 1000650000}
        assert isinstance(security["runAsUser"], int)
        assert isinstance(pod["spec"]["terminationGracePeriodSeconds"], int)


def test_tasks_in_other_namespaces_find_their_account_and_environment(tmp_path: Path) -> None:
    release = installed(tmp_path, "namespaces")
    assert release.settings().namespaces == ("airflow", "team-a", "team-b")
    for namespace in ("airflow", "team-a", "team-b"):
        pod = release.pod({"pod_override": {"metadata": {"namespace": namespace}}})
        assert pod["metadata"]["namespace"] == namespace
        account = pod["spec"]["serviceAccountName"]
        assert f"ServiceAccount {namespace}/{account}" in release.objects
        environment = container(pod)["envFrom"][0]["configMapRef"]["name"]
        assert f"ConfigMap {namespace}/{environment}" in release.objects
        assert release.data("worker-env", namespace) == release.data("worker-env")


@pytest.mark.parametrize(("allowed", "credentials"), [(True, True), (False, False)])
def test_a_worker_has_credentials_for_kubernetes_only_where_it_may_use_them(
    tmp_path: Path, allowed: bool, credentials: bool
) -> None:
    release = Installed(tmp_path / "templates", {"allowPodOperator": allowed})
    assert release.pod()["spec"]["automountServiceAccountToken"] is credentials
    assert release.of_component("triggerer")["automountServiceAccountToken"] is credentials
    assert release.of_component("dag-processor")["automountServiceAccountToken"] is False
    for component in ("scheduler", "api-server"):
        assert release.of_component(component)["automountServiceAccountToken"] is True
