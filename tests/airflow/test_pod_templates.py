"""A Helm chart's podTemplate at work: tasks run from it, faults fail their tasks only, it changes without a restart.

The chart is that of `tests/cases/charts`. One task has Airflow's own worker, the others the light one.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from executor.demo.cluster import LocalCluster
from executor.demo.home import AirflowHome, search_path
from executor.demo.processes import wait_until
from tests.airflow.harness import PATIENCE, Deployment, deploy
from tests.airflow.light_worker import env, light_pod
from tests.airflow.postgres import PostgresServer
from tests.unit.manifest.charts import KEY, Chart, pod_text

NAMESPACE, RELEASE = "scenario-templates", "prod"

DAGS = """
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import dag

BROKEN = ("no_helper", "no_parent", "no_required", "bad_indent")


def seen():
    import os
    from airflow.configuration import conf

    return {
        "dags": __file__,
        "config": conf.get("core", "execution_api_server_url"),
        "setting": conf.get("core", "default_task_retry_delay"),
        "executor": os.environ["AIRFLOW__CORE__EXECUTOR"],
        "where": os.environ["WHERE"],
    }


def task(name, **config):
    PythonOperator(task_id=name, python_callable=seen, executor_config=config, retries=0)


@dag(dag_id="charted", schedule=None)
def charted():
    task("real_worker")


@dag(dag_id="broken", schedule=None, max_active_tasks=16)
def broken():
    for name in (*BROKEN, "fine"):
        task(name, pod_template=name)


@dag(dag_id="swapped", schedule=None, max_active_tasks=16)
def swapped():
    for number in range(8):
        task(f"task{number}", pod_template="swapped")


charted(), broken(), swapped()
"""

PROXY = "trap 'exit 0' TERM; sleep infinity & wait"
COPY_DAGS = ["sh", "-c", "mkdir -p /git/repo/dags && cp /source/*.py /git/repo/dags/"]


def values_of(home: AirflowHome) -> dict[str, Any]:
    """What a deployment sets of the chart."""
    return {
        "labels": {"team": "data"},
        "env": [{"name": "PATH", "value": search_path()}, {"name": "WHERE", "value": "{{ .Release.Namespace }}"}],
        "dags": {
            "gitSync": {
                "enabled": True,
                "repo": "https://git.example/dags",
                "command": COPY_DAGS,
                "extraVolumeMounts": [{"name": "source", "mountPath": "/source"}],
            }
        },
        "workers": {
            "serviceAccount": {"name": "default"},
            "extraContainers": [{"name": "proxy", "image": "registry.example/proxy:1", "command": ["sh", "-c", PROXY]}],
            "extraVolumes": [{"name": "source", "configMap": {"name": "dags"}}],
        },
    }


def airflow_cfg(home: AirflowHome) -> str:
    return (
        f"[core]\nexecution_api_server_url = {home.execution_api_url}\nload_examples = False\n"
        "hostname_callable = socket.gethostname\ndefault_task_retry_delay = 77\n"
        "[logging]\nbase_log_folder = /opt/airflow/logs\ncolored_console_log = False\n"
    )


def write_broken(folder: Path, chart: Chart) -> None:
    """The chart's podTemplate, with one fault each."""
    text = pod_text(chart)
    faults = {
        "no_helper": ('include "airflow_config" .', 'include "airflow_confg" .'),
        "no_parent": (".Values.uid", ".Values.security.uid"),
        "no_required": (".Values.gid", 'required "security.gid is needed" .Values.security_gid'),
        "bad_indent": ("    fsGroup:", "   fsGroup:"),
    }
    for name, (old, new) in faults.items():
        assert text.count(old) == 1
        (folder / f"{name}.yaml").write_text(text.replace(old, new))


def light_text(home: AirflowHome, told: str) -> str:
    """A light worker's pod as a Go template with a label by the release and one by the task."""
    pod = light_pod(home)
    pod["spec"]["containers"][0]["env"] += env(TASK="echo light")
    pod["metadata"]["labels"] |= {"release": "RELEASE", "told": told, "task": "TASKID"}
    text = yaml.safe_dump(pod, sort_keys=False)
    return text.replace("RELEASE", "{{ .Release.Name }}").replace("TASKID", "{{ .Task.task_id }}")


def configuration(folder: Path, chart: Chart) -> dict[str, dict[str, str | None]]:
    values = (folder / "chart/airflow/values.yaml", f"{chart.platform_values}#{KEY}", folder / "ours.yaml")
    return {
        "core": {"parallelism": "32"},
        "kubernetes_executor": {"pod_template_file": str(chart.template)},
        "kubernetes_pod_executor": {
            "pod_template_values": ",".join(map(str, values)),
            "pod_template_helpers": str(chart.helpers.parent),
            "pod_template_release": RELEASE,
            "pod_templates_folder": str(folder / "templates"),
        },
    }


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, cluster: LocalCluster, postgres: PostgresServer
) -> Iterator[Deployment]:
    """A deployment whose default template is the chart's podTemplate."""
    folder = tmp_path_factory.mktemp("charted")
    chart = Chart.copied_to(folder / "chart")
    (folder / "templates").mkdir()
    write_broken(folder / "templates", chart)
    options = configuration(folder, chart)
    url = postgres.new_database()
    with deploy(folder, cluster, dags=DAGS, namespace=NAMESPACE, options=options, database_url=url) as deployment:
        (folder / "ours.yaml").write_text(yaml.safe_dump(values_of(deployment.home)))
        (folder / "templates" / "fine.yaml").write_text(light_text(deployment.home, "fine"))
        swap(folder, light_text(deployment.home, "before"))
        cluster.put_config_map(f"{RELEASE}-config", {"airflow.cfg": airflow_cfg(deployment.home)}, NAMESPACE)
        cluster.put_config_map("dags", {"dags.py": DAGS}, NAMESPACE)
        yield deployment


def folder_of(running: Deployment) -> Path:
    return running.home.path.parent


def swap(folder: Path, text: str) -> None:
    """Change `templates/swapped.yaml` as the kubelet changes a mounted ConfigMap."""
    mount = folder / "templates"
    data = mount / f"..{time.monotonic_ns()}"
    data.mkdir()
    (data / "swapped.yaml").write_text(text)
    (mount / "..new").symlink_to(data.name)
    os.rename(mount / "..new", mount / "..data")
    if not (mount / "swapped.yaml").is_symlink():
        (mount / "swapped.yaml").symlink_to("..data/swapped.yaml")


def command_line(running: Deployment, *words: str) -> subprocess.CompletedProcess[str]:
    """`airflow kubernetes-executor ...` where the scheduler runs."""
    return subprocess.run(
        ["airflow", "kubernetes-executor", *words],
        env=running.home.environment(), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def test_a_real_worker_runs_from_a_platform_charts_pod_template(running: Deployment) -> None:
    """airflow.cfg by subPath, logs on an emptyDir, DAGs by an init container, a sidecar that never ends."""
    run, state = running.airflow.run("charted")
    row = running.airflow.task("charted", run, "real_worker")
    (pod,) = running.watch.pods(row.external_executor_id)

    assert state == "success"
    assert running.airflow.api.xcom("charted", run, "real_worker") == {
        "dags": "/opt/airflow/dags/repo/dags/dags.py",
        "config": running.home.execution_api_url,
        "setting": "77",
        "executor": "LocalExecutor",
        "where": NAMESPACE,
    }
    spec = pod.first["spec"]
    assert [one["name"] for one in spec["initContainers"]] == ["git-sync-init"]
    assert [one["name"] for one in spec["containers"]] == ["base", "proxy"]
    assert {"name": "logs", "emptyDir": {}} in spec["volumes"]
    assert {"name": "config", "mountPath": "/opt/airflow/airflow.cfg", "subPath": "airflow.cfg", "readOnly": True} in (
        spec["containers"][0]["volumeMounts"]
    )
    assert (pod.labels["release"], pod.labels["team"]) == (RELEASE, "data")
    running.watch.wait_gone(row.external_executor_id)


SAID = {
    "no_helper": ('include "airflow_confg"', 'template "airflow_confg" not defined'),
    "no_parent": (".Values.security.uid", "nil pointer evaluating interface {}.uid"),
    "no_required": ("security_gid", "security.gid is needed"),
    "bad_indent": ("fsGroup", "of the rendered text: fsGroup: 50000"),
}


@pytest.fixture(scope="module")
def broken(running: Deployment) -> str:
    """The run of the DAG with broken templates."""
    run, state = running.airflow.run("broken")
    assert state == "failed"
    return run


@pytest.mark.parametrize("task", SAID)
def test_a_broken_template_fails_its_task_with_file_line_and_column(
    running: Deployment, broken: str, task: str
) -> None:
    file = folder_of(running) / "templates" / f"{task}.yaml"
    fault, problem = SAID[task]
    (line,) = [number for number, text in enumerate(file.read_text().splitlines(), 1) if fault in text]
    logs = running.airflow.event_logs("broken", broken, task)
    (said,) = [entry.extra for entry in logs if entry.event == "pod failed"]

    assert running.airflow.task("broken", broken, task).state == "failed"
    assert f"{file}:{line}:" in said
    assert problem in said.replace('\\"', '"')


def test_the_task_beside_them_succeeds(running: Deployment, broken: str) -> None:
    row = running.airflow.task("broken", broken, "fine")
    (pod,) = running.watch.pods(row.external_executor_id)
    assert row.state == "success"
    assert (pod.labels["release"], pod.labels["task"]) == (RELEASE, "fine")


def test_the_pod_that_was_launched_is_the_one_that_render_prints(running: Deployment, broken: str) -> None:
    """Equal but for uid and times, the server's defaults (a dry run adds them) and the name of the batch's Secret."""
    row = running.airflow.task("broken", broken, "fine")
    (pod,) = running.watch.pods(row.external_executor_id)
    running.watch.wait_gone(row.external_executor_id)

    shown = command_line(running, "render", "broken", "fine", "--run-id", broken)

    assert shown.returncode == 0, shown.stderr
    rendered = yaml.safe_load(shown.stdout)
    answer = running.cluster.core.create_namespaced_pod(NAMESPACE, rendered, dry_run="All", _preload_content=False)
    assert comparable(answer.json()) == comparable(pod.first)


def comparable(pod: dict[str, Any]) -> dict[str, Any]:
    """A pod without what no two pods share, and without what becomes of it."""
    secret = pod["metadata"]["annotations"]["airflow-workload-secret"]
    text = re.sub("kube-api-access-[a-z0-9]+", "kube-api-access", json.dumps(pod))  # the server's, at random
    pod = json.loads(text.replace(secret, "SECRET"))
    its_own = ("uid", "creationTimestamp", "resourceVersion", "managedFields", "generation")
    metadata = {key: value for key, value in pod["metadata"].items() if key not in its_own}
    spec = {key: value for key, value in pod["spec"].items() if key != "nodeName"}
    return {"metadata": metadata, "spec": spec}


def test_explain_and_validate_know_what_is_wrong(running: Deployment, broken: str) -> None:
    explained = command_line(running, "explain", "broken", "fine", "metadata.labels.release", "--run-id", broken)
    validated = command_line(running, "validate", str(running.home.dags), "--server")

    template = folder_of(running) / "templates" / "fine.yaml"
    assert explained.stdout == f"    release: {RELEASE}  # podTemplate {template}\n"
    assert validated.returncode == 1
    assert len(validated.stdout.splitlines()) == len(SAID), validated.stdout
    assert [task for task in SAID if f"templates/{task}.yaml:" not in validated.stdout] == []


def test_a_template_is_swapped_under_load(running: Deployment) -> None:
    """No task fails, and what is launched a second later has the new template."""
    airflow = running.airflow
    runs = [airflow.trigger("swapped")]
    for told in ("between", "after"):
        swap(folder_of(running), light_text(running.home, told))
        runs.append(airflow.trigger("swapped"))
    end = time.monotonic() + 1.0
    wait_until("a second since the swap", lambda: time.monotonic() >= end, PATIENCE)
    last = airflow.trigger("swapped")

    assert [airflow.wait_run("swapped", run) for run in (*runs, last)] == ["success"] * 4
    launched = {row.external_executor_id for row in airflow.task_instances("swapped", last)}
    assert {pod.labels["told"] for pod in running.watch.pods() if pod.launch in launched} == {"after"}
