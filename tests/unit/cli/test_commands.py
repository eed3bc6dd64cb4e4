"""The four commands, on DAG folders and templates of a temporary folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from executor.demo import dags as demo_dags
from tests.unit.cli.conftest import Run, parser
from tests.unit.manifest.builders import TEMPLATE, container
from tests.unit.manifest.charts import CHARTS, KEY
from tests.unit.slowness import slowness

DAG = """
from airflow.sdk import dag, task
from airflow.providers.standard.operators.bash import BashOperator


@dag(dag_id="{name}", schedule=None)
def made():
    for task_id, config in {tasks!r}.items():
        BashOperator(task_id=task_id, bash_command="true", executor_config=config, queue="default")


made()
"""


def in_base(**fields: Any) -> dict[str, Any]:
    return {"pod_override": {"spec": {"containers": [{"name": "base", **fields}]}}}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Configured with a template in it."""
    (tmp_path / "pod.yaml").write_text(TEMPLATE)
    (tmp_path / "dags").mkdir()
    monkeypatch.setenv("AIRFLOW__KUBERNETES_EXECUTOR__POD_TEMPLATE_FILE", str(tmp_path / "pod.yaml"))
    return tmp_path


def write_dag(folder: Path, name: str, tasks: dict[str, Any]) -> None:
    (folder / "dags" / f"{name}.py").write_text(DAG.format(name=name, tasks=tasks))


@pytest.fixture
def sales(folder: Path) -> Path:
    write_dag(folder, "sales", {"load": in_base(env=[{"name": "MODE", "value": "fast"}]), "plain": {}})
    return folder / "dags"


def test_render_prints_the_pod_as_yaml_and_json(run: Run, sales: Path) -> None:
    shown = run("render", "sales", "load", "--dag-folder", str(sales))
    as_json = run("render", "sales", "load", "-o", "json", "--dag-folder", str(sales))
    pod = yaml.safe_load(shown.out)

    assert (shown.code, as_json.code) == (0, 0)
    assert json.loads(as_json.out) == pod
    assert {"name": "MODE", "value": "fast"} in container(pod)["env"]
    assert pod["metadata"]["labels"]["dag_id"] == "sales"
    assert "*" not in shown.out, "no YAML anchors"


def test_render_names_what_there_is_instead(run: Run, sales: Path) -> None:
    said = run("render", "sales", "lod", "--dag-folder", str(sales))
    assert said.err == "DAG sales has no task lod; it has load, plain"
    (sales / "broken.py").write_text("from airflow.sdk import dag\nraise ValueError('not today')\n")
    said = run("render", "sale", "load", "--dag-folder", str(sales))
    assert said.code == 1
    assert said.err == "there is no DAG sale; found: sales; broken.py cannot be imported: ValueError: not today"
    assert run("render", "a", "b", "--dag-folder", "/nowhere").err == "/nowhere: no such file or folder"


def test_render_tells_the_faults_of_the_task(run: Run, folder: Path) -> None:
    write_dag(folder, "sales", {"load": in_base(resources={"limits": {"memory": "lots"}})})
    said = run("render", "sales", "load", "--dag-folder", str(folder / "dags"))
    assert said.code == 1
    assert said.err.startswith('pod_override: spec.containers[base].resources.limits.memory is text "lots"')


def test_the_map_index_and_the_team_are_the_pods(run: Run, sales: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__BLUE___KUBERNETES_EXECUTOR__NAMESPACE", "blue")
    shown = run("render", "sales", "load", "--map-index", "4", "--team", "blue", "--dag-folder", str(sales))
    pod = yaml.safe_load(shown.out)
    assert pod["metadata"]["labels"]["map_index"] == "4"
    assert pod["metadata"]["namespace"] == "blue"


def test_explain_is_yaml_with_the_layers_as_comments(run: Run, sales: Path) -> None:
    shown = run("explain", "sales", "load", "--dag-folder", str(sales))
    pod = yaml.safe_load(shown.out)
    assert pod == yaml.safe_load(run("render", "sales", "load", "--dag-folder", str(sales)).out)
    (line,) = [line for line in shown.lines if "value: fast" in line]
    assert line.partition("#")[2] == f" pod_override; replaces batch of podTemplate {sales.parent}/pod.yaml"


def test_explain_one_field(run: Run, sales: Path) -> None:
    where = ("--dag-folder", str(sales))
    assert run("explain", "sales", "plain", "spec.containers[base].image", *where).lines == [
        f"      image: worker:1  # podTemplate {sales.parent}/pod.yaml"
    ]
    assert run("explain", "sales", "plain", "spec.volume", *where).err == "the pod has no field spec.volume"


def test_template_of_a_chart(run: Run) -> None:
    chart = CHARTS / "platform"
    words = (
        "template", f"{chart}/values.yaml#{KEY}.podTemplate", "--values", f"{chart}/airflow/values.yaml",
        "--helpers", f"{chart}/airflow/templates",
    )  # fmt: skip
    shown = run(*words, "--set", "uid=1000650000,labels.team=data", "--set", "airflowVersion=null")
    pod = yaml.safe_load(shown.out)

    assert shown.code == 0
    assert pod["spec"]["securityContext"]["runAsUser"] == 1000650000
    assert pod["metadata"]["labels"]["team"] == "data"
    assert "runAsUser: 1.00065e+09" in run(*words, "--set", "uid=1000650000", "--helm-numbers").out
    assert run(*words, "--set", "uid").err == "--set uid: 'uid' is no key=value"


def test_template_with_what_is_configured_and_what_is_missing(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "values.yaml").write_text("image: worker:7\n")
    monkeypatch.setenv("AIRFLOW__KUBERNETES_POD_EXECUTOR__POD_TEMPLATE_VALUES", str(folder / "values.yaml"))
    file = folder / "one.yaml"
    file.write_text("image: {{ .Values.image }}\ntag: {{ .Values.tag }}\n")
    shown = run("template", str(file))
    assert shown.out == "image: worker:7\ntag: \n"
    assert shown.err == f"warning: podTemplate {file}: {file}:2:9: .Values.tag has no value, and leaves nothing\n"


FAULTY: dict[str, Any] = {
    "misspelled": in_base(imagePullPolcy="Always"),
    "deep": in_base(livenessProbe={"httpGet": {"prt": 80}}),
    "quantity": in_base(resources={"limits": {"memory": "lots"}}),
    "number": in_base(env=[{"name": "A", "value": 1}]),
    "no_template": {"pod_template": "gpu"},
    "no_file": {"pod_template_file": "/nowhere/pod.yaml"},
    "no_image": {"pod_override": {"spec": {"containers": [{"name": "sidecar"}]}}},
    "namespace": {"pod_override": {"metadata": {"namespace": "not-ours"}}},
}


def test_validate_finds_ten_planted_faults(run: Run, folder: Path) -> None:
    write_dag(folder, "faulty", FAULTY)
    write_dag(folder, "fine", {f"task{n}": in_base(resources={"requests": {"cpu": 0.5}}) for n in range(5)})
    (folder / "dags" / "broken.py").write_text("from airflow.sdk import dag\nraise ValueError('not today')\n")
    write_dag(folder, "refused", {"text": "cpu=2"})

    said = run("validate", str(folder / "dags"))

    assert len(said.lines) == 10, said.out
    assert said.code == 1
    assert [line for line in said.lines if ": error: " not in line] == []
    assert said.err.endswith("13 tasks, 10 faults, 0 warnings\n")
    by_task = {name: line for name in FAULTY for line in said.lines if f"task {name}:" in line}
    assert by_task.keys() == FAULTY.keys()
    assert "did you mean imagePullPolicy?" in by_task["misspelled"]
    assert "livenessProbe.httpGet.prt is a field that is not known; did you mean port?" in by_task["deep"]
    assert "broken.py: error: the DAG file cannot be imported: ValueError: not today" in said.out
    assert "refused.py: error: the DAG file cannot be imported: " in said.out


def test_validate_tells_a_templates_fault_once_and_warns_of_missing_values(run: Run, folder: Path) -> None:
    write_dag(folder, "sales", {f"task{n}": {} for n in range(5)})
    (folder / "pod.yaml").write_text(TEMPLATE.replace("worker:1", "{{ .Values.a.b }}"))
    said = run("validate", str(folder / "dags"))
    (line,) = said.lines
    assert line.startswith(f"{folder}/pod.yaml (and 5 more): error: ")
    assert "/pod.yaml:9:17: nil pointer evaluating interface {}.b" in line

    (folder / "pod.yaml").write_text(TEMPLATE.replace("{team: data}", "{team: '{{ .Values.team }}'}"))
    said = run("validate", str(folder / "dags"))
    assert said.code == 0
    (line,) = said.lines
    assert line == (
        f"{folder}/pod.yaml: warning: podTemplate {folder}/pod.yaml: {folder}/pod.yaml:5:22: "
        ".Values.team has no value, and leaves nothing"
    )


def test_validate_looks_at_templates_that_no_task_uses(
    run: Run, sales: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "templates").mkdir()
    (folder / "templates" / "gpu.yaml").write_text(TEMPLATE.replace("name: base", "name: main"))
    monkeypatch.setenv("AIRFLOW__KUBERNETES_POD_EXECUTOR__POD_TEMPLATES_FOLDER", str(folder / "templates"))
    monkeypatch.setenv("AIRFLOW__KUBERNETES_POD_EXECUTOR__QUEUE_POD_TEMPLATES", '{"big": "bgi"}')
    said = run("validate", str(sales))
    assert said.code == 1
    assert "configuration: error: queue_pod_templates[big]: is 'bgi'" in said.out
    assert f"{folder}/templates/gpu.yaml: error: " in said.out
    assert len(said.lines) == 2


def test_validate_passes_the_demos_dags(run: Run, folder: Path) -> None:
    examples = next(iter(demo_dags.__path__))
    (folder / "with_sidecar.yaml").write_text(TEMPLATE)
    os.environ["DEMO_TEMPLATES"] = str(folder)
    try:
        said = run("validate", examples)
    finally:
        del os.environ["DEMO_TEMPLATES"]
    assert (said.code, said.out) == (0, ""), said.out


def test_validate_500_tasks_in_less_than_20_seconds(run: Run, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for n in range(10):
        write_dag(folder, f"dag{n}", {f"task{m}": in_base(env=[{"name": "N", "value": str(m)}]) for m in range(50)})
    start = time.monotonic()
    said = run("validate", str(folder / "dags"))
    seconds = time.monotonic() - start

    with capsys.disabled():
        print(f"\nvalidate, 500 tasks: {seconds:.1f} s")
    assert (said.code, said.out) == (0, "")
    assert said.err.endswith("500 tasks, 0 faults, 0 warnings\n")
    assert seconds < 20 * slowness()


def test_every_command_has_help_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("render", "explain", "template", "validate"):
        with pytest.raises(SystemExit):
            parser().parse_args([command, "--help"])
        assert f"Example: airflow kubernetes-executor {command} " in " ".join(capsys.readouterr().out.split())


def test_airflows_own_command_line_has_them_and_does_not_warn(tmp_path: Path) -> None:
    """As installed: through the entry point."""
    code = "import sys; from airflow.__main__ import main; sys.argv[0] = 'airflow'; main()"
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), "kubernetes-executor", "--help"],
        capture_output=True, text=True, timeout=110, check=True, cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "AIRFLOW_HOME": str(tmp_path)},
    )  # fmt: skip
    assert "validate" in done.stdout
    assert "cli" not in done.stderr
