"""A platform chart's podTemplate as its manual shows it: what its values make of it, and what its faults say."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import pytest

from executor.manifest import ManifestError, ManifestSettings, PodBuilder, TemplateSource
from executor.manifest.template_check import check_template
from executor.manifest.template_task import EXAMPLE_TASK
from tests.unit.manifest.builders import container, request
from tests.unit.manifest.charts import KEY, Chart, pod_text
from tests.unit.slowness import slowness

WARM_MS, LAUNCH_MS = 10.0, 0.15


@pytest.fixture
def chart(tmp_path: Path) -> Chart:
    return Chart.copied_to(tmp_path / "chart")


def volumes(pod: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {volume["name"]: {k: v for k, v in volume.items() if k != "name"} for volume in pod["spec"]["volumes"]}


def mounts(pod: dict[str, Any]) -> dict[str, str]:
    return {mount["mountPath"]: mount["name"] for mount in container(pod)["volumeMounts"]}


def test_with_the_charts_defaults(chart: Chart) -> None:
    pod = chart.pod()
    assert pod["metadata"]["labels"] == {"tier": "airflow", "component": "worker", "release": "prod"}
    assert container(pod)["image"] == "registry.example/airflow:3.3.2"
    assert container(pod)["envFrom"] == []
    assert mounts(pod) == {"/opt/airflow/logs": "logs", "/opt/airflow/airflow.cfg": "config"}
    assert volumes(pod) == {"logs": {"emptyDir": {}}, "config": {"configMap": {"name": "prod-config"}}}
    assert pod["spec"]["securityContext"] == {"runAsUser": 50000, "fsGroup": 50000}
    assert pod["spec"]["serviceAccountName"] == "prod-airflow-worker"
    assert "initContainers" not in pod["spec"]
    assert "imagePullSecrets" not in pod["spec"]


def test_with_git_sync(chart: Chart) -> None:
    pod = chart.pod(dags={"gitSync": {"enabled": True, "repo": "https://git.example/d", "sshKeySecret": "key"}})
    (init,) = pod["spec"]["initContainers"]
    assert (init["name"], init["image"]) == ("git-sync-init", "registry.example/git-sync:v4")
    assert {"name": "GITSYNC_REPO", "value": "https://git.example/d"} in init["env"]
    assert mounts(pod)["/opt/airflow/dags"] == "dags"
    assert volumes(pod)["dags"] == {"emptyDir": {}}
    assert volumes(pod)["git-sync-ssh-key"] == {"secret": {"secretName": "key", "defaultMode": 288}}


def test_with_persistence(chart: Chart) -> None:
    logs = {"persistence": {"enabled": True, "existingClaim": "our-logs"}}
    pod = chart.pod(dags={"persistence": {"enabled": True}, "gitSync": {"enabled": True}}, logs=logs)
    assert volumes(pod)["dags"] == {"persistentVolumeClaim": {"claimName": "prod-dags"}}
    assert volumes(pod)["logs"] == {"persistentVolumeClaim": {"claimName": "our-logs"}}
    assert "initContainers" not in pod["spec"]


@pytest.mark.parametrize(
    ("registry", "name"), [({"secretName": "mine"}, "mine"), ({"connection": {"user": "u"}}, "prod-registry")]
)
def test_with_a_registry_secret(chart: Chart, registry: dict[str, Any], name: str) -> None:
    assert chart.pod(registry=registry)["spec"]["imagePullSecrets"] == [{"name": name}]


def test_with_extra_containers_volumes_labels_annotations_and_variables(chart: Chart) -> None:
    pod = chart.pod(
        labels={"team": "data"},
        airflowPodAnnotations={"safe": "false"},
        airflowLocalSettings="x = 1",
        env=[{"name": "WHERE", "value": "{{ .Release.Namespace }}"}],
        extraEnvFrom="- secretRef: {name: '{{ .Release.Name }}-env'}",
        workers={
            "extraInitContainers": [{"name": "wait", "image": "busybox:1"}],
            "extraContainers": [{"name": "proxy", "image": "proxy:1"}],
            "extraVolumes": [{"name": "cache", "emptyDir": {}}],
            "extraVolumeMounts": [{"name": "cache", "mountPath": "/cache"}],
        },
    )
    assert pod["metadata"]["labels"]["team"] == "data"
    assert pod["metadata"]["annotations"] == {"safe": "false"}
    assert [one["name"] for one in pod["spec"]["containers"]] == ["base", "proxy"]
    assert [one["name"] for one in pod["spec"]["initContainers"]] == ["wait"]
    assert container(pod)["envFrom"] == [{"secretRef": {"name": "prod-env"}}]
    assert {"name": "WHERE", "value": "workers"} in container(pod)["env"]
    assert mounts(pod)["/cache"] == "cache"
    assert mounts(pod)["/opt/airflow/config/airflow_local_settings.py"] == "config"
    assert volumes(pod)["cache"] == {"emptyDir": {}}


def test_node_selection_of_the_deployment_goes_before_that_of_the_workers(chart: Chart) -> None:
    toleration = [{"key": "gpu", "operator": "Exists"}]
    workers = {"nodeSelector": {"pool": "workers"}, "tolerations": toleration}
    assert chart.pod(workers=workers)["spec"]["nodeSelector"] == {"pool": "workers"}
    pod = chart.pod(workers=workers, nodeSelector={"pool": "all"})
    assert pod["spec"]["nodeSelector"] == {"pool": "all"}
    assert pod["spec"]["tolerations"] == toleration


def test_the_podtemplate_as_a_file_of_its_own_gives_the_same(chart: Chart, tmp_path: Path) -> None:
    file = tmp_path / "pod_template.yaml"
    file.write_text(pod_text(chart))
    assert TemplateSource(chart.inputs()).load(file).pod == chart.pod()


# The place is (file, a text in the line at fault, the column within that line's own text).
PLATFORM, HELPERS = "values.yaml", "airflow/templates/_helpers.yaml"
BROKEN: list[Any] = [
    pytest.param(
        (HELPERS, 'define "airflow_config" -', 'define "airflow_confg" -'),
        {},
        (PLATFORM, 'include "airflow_config" .'),
        ['template "airflow_config" not defined', 'did you mean "airflow_confg"?'],
        id="a helper is missing",
    ),
    pytest.param(
        (PLATFORM, "{{ .Values.uid }}", "{{ .Values.security.uid }}"),
        {},
        (PLATFORM, ".Values.security.uid"),
        ["nil pointer evaluating interface {}.uid", "in {{ .Values.security.uid }}"],
        id="a parent value is missing",
    ),
    pytest.param(
        (HELPERS, "UNUSED", ""),
        {"images": {"airflow": {"tag": ""}}},
        (HELPERS, "required"),
        ["images.airflow.tag is needed", "called from"],
        id="a required value is missing",
    ),
    pytest.param(
        (PLATFORM, "                fsGroup: {{ .Values.gid }}", "               fsGroup: {{ .Values.gid }}"),
        {},
        (PLATFORM, "fsGroup"),
        ["of the rendered text: fsGroup: 50000"],
        id="a wrong indent",
    ),
    pytest.param(
        (PLATFORM, '{{ include "airflow_config" . }}', '{{ includ "airflow_config" . }}'),
        {},
        (PLATFORM, "includ "),
        ['function "includ" not defined', 'did you mean "include"'],
        id="an unknown function",
    ),
    pytest.param(
        (PLATFORM, "            {{- with .Values.labels }}", "{{- with .Values.labels }}"),
        {},
        (PLATFORM, "{{ toYaml . | indent 4 }}"),
        ["could not find expected ':'; correct the YAML there"],
        id="a values file that is no YAML",
    ),
]


@pytest.mark.parametrize(("change", "values", "place", "said"), BROKEN)
def test_what_is_broken_is_told_with_file_line_and_column(
    chart: Chart, change: tuple[str, str, str], values: dict[str, Any], place: tuple[str, str], said: list[str]
) -> None:
    file, old, new = change
    if old != "UNUSED":
        chart.replace(chart.folder / file, old, new)
    with pytest.raises(ManifestError) as caught:
        chart.pod(**values)

    at = chart.folder / place[0]
    message = str(caught.value)
    assert f"{at}:{chart.line_of(at, place[1])}:" in message
    assert [one for one in said if one not in message] == [], message


def test_the_column_is_that_of_the_values_file(chart: Chart) -> None:
    chart.replace(chart.platform_values, "runAsUser: {{ .Values.uid }}", "runAsUser: {{ .Values.user.id }}")
    lines = chart.platform_values.read_text().splitlines()
    line = next(number for number, text in enumerate(lines) if ".Values.user.id" in text)
    with pytest.raises(ManifestError, match=f":{line + 1}:{lines[line].index('.Values') + 1}: nil pointer"):
        chart.pod()


def test_a_missing_leaf_renders_empty_and_is_warned_of_with_its_place(chart: Chart) -> None:
    chart.replace(chart.platform_values, "runAsUser: {{ .Values.uid }}", "runAsUser: {{ .Values.user }}")
    assert chart.pod()["spec"]["securityContext"] == {"fsGroup": 50000}

    (warning,) = check_template(chart.template, chart.inputs()).warnings

    line = chart.line_of(chart.platform_values, ".Values.user }}")
    assert f"{chart.platform_values}:{line}:" in warning
    assert ".Values.user has no value" in warning


def test_speed(chart: Chart, capsys: pytest.CaptureFixture[str]) -> None:
    """A new value is rendered at once, and a launch costs no render."""
    source = TemplateSource(chart.inputs())
    settings = ManifestSettings(default_template=chart.template)
    builder = PodBuilder(settings, source)
    builder.build(request())

    launch = min(_median_ms(lambda: builder.build(request()), 200) for _ in range(5))
    kept = TemplateSource(chart.inputs(labels={"at": "{{ .Task.dag_id }}"}))
    kept.load(chart.template)
    warm = min(_median_ms(lambda: kept.load(chart.template, EXAMPLE_TASK), 10) for _ in range(3))

    with capsys.disabled():
        print(f"\nlaunch with a cached Go template {launch:.3f} ms, with one that is rendered each time {warm:.1f} ms")
    slower = slowness()
    assert launch <= LAUNCH_MS * slower
    assert warm <= WARM_MS * slower


def _median_ms(call: Any, times: int) -> float:
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken) * 1000


def test_the_key_may_be_wrong(chart: Chart) -> None:
    with pytest.raises(ManifestError, match="has no key 'houstn' in astronomer; it has houston; correct the part afte"):
        TemplateSource().load(Path(f"{chart.platform_values}#astronomer.houstn.podTemplate"))
    with pytest.raises(ManifestError, match=r"is no text; write airflow: \| and the template below it"):
        TemplateSource().load(Path(f"{chart.platform_values}#{KEY}"))
