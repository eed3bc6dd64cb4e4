"""`make kind-demo`, as far as it can be checked without a Docker engine: its files fit one another.

The demo itself runs where Docker, kind, kubectl and helm are; `test_runs_demo` plays the same DAGs on the same values.
"""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.rendering import by_name, render

ROOT = Path(__file__).parents[2]
KIND = ROOT / "tests" / "kind"
SCRIPT = KIND / "demo.sh"
PROGRAMS = ("docker", "kind", "kubectl", "helm")
UNAVAILABLE = 69  # EX_UNAVAILABLE of sysexits.h

# sigs.k8s.io/kind/pkg/apis/config/v1alpha4/types.go
PATCHES = {"kubeadmConfigPatches", "kubeadmConfigPatchesJSON6902"}
CLUSTER_FIELDS = {
    *("kind", "apiVersion", "name", "nodes", "networking", "featureGates", "runtimeConfig"),
    *("containerdConfigPatches", "containerdConfigPatchesJSON6902"),
    *PATCHES,
}
NODE_FIELDS = {"role", "image", "labels", "extraMounts", "extraPortMappings", *PATCHES}


def values() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((KIND / "values.yaml").read_text())
    return loaded


def test_the_cluster_has_only_fields_that_kind_knows() -> None:
    """kind decodes it strictly (pkg/internal/apis/config/encoding)."""
    cluster = yaml.safe_load((KIND / "cluster.yaml").read_text())
    assert (cluster["kind"], cluster["apiVersion"]) == ("Cluster", "kind.x-k8s.io/v1alpha4")
    assert set(cluster) <= CLUSTER_FIELDS
    assert all(set(node) <= NODE_FIELDS for node in cluster["nodes"])
    roles = [node["role"] for node in cluster["nodes"]]
    assert roles.count("control-plane") == 1
    assert set(roles) == {"control-plane", "worker"}
    assert f"CLUSTER={cluster['name']} " in SCRIPT.read_text()


def test_the_script_is_a_program_whose_syntax_is_right() -> None:
    assert SCRIPT.stat().st_mode & stat.S_IXUSR
    subprocess.run(["bash", "-n", str(SCRIPT)], check=True)
    assert "set -euo pipefail" in SCRIPT.read_text()


def test_everything_that_the_script_names_is_there() -> None:
    named = re.findall(r"tests/kind/[\w.]+", SCRIPT.read_text())
    assert set(named) >= {
        "tests/kind/cluster.yaml",
        "tests/kind/Dockerfile",
        "tests/kind/values.yaml",
        "tests/kind/play.py",
    }
    assert [name for name in named if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("missing", PROGRAMS)
def test_without_a_program_it_says_so(missing: str, tmp_path: Path) -> None:
    done = run_with(tmp_path, *(name for name in PROGRAMS if name != missing))
    assert done.returncode == UNAVAILABLE
    assert done.stderr.startswith(f"kind-demo needs {missing}, which is not on the PATH (https://")


def test_without_an_engine_it_says_so_and_starts_nothing(tmp_path: Path) -> None:
    done = run_with(tmp_path, *PROGRAMS)
    assert done.returncode == UNAVAILABLE
    assert done.stderr == "kind-demo needs a running Docker engine; 'docker info' fails.\n"
    assert (tmp_path / "called").read_text() == "docker info\n"


def test_with_everything_there_the_steps_are_done_in_order_and_the_cluster_goes(tmp_path: Path) -> None:
    done = run_with(tmp_path, *PROGRAMS, code=0)
    assert done.returncode == 0, done.stderr
    steps = [" ".join(line.split()[:3]) for line in (tmp_path / "called").read_text().splitlines()]
    assert steps == [
        "docker info",
        "kind create cluster",
        "docker build --tag",
        "docker build --tag",
        "kind load docker-image",
        "kubectl create namespace",
        "kubectl --namespace airflow",
        "helm install demo",
        "kubectl --namespace airflow",
        "kubectl --namespace airflow",
        "kind delete cluster",
    ]


def test_a_failure_is_passed_on_and_the_cluster_goes(tmp_path: Path) -> None:
    done = run_with(tmp_path, *PROGRAMS, code=0, failing="helm")
    assert done.returncode == 3
    assert (tmp_path / "called").read_text().splitlines()[-1].startswith("kind delete cluster")


def run_with(folder: Path, *programs: str, code: int = 1, failing: str = "") -> subprocess.CompletedProcess[str]:
    """The script where these programs, and bash's own needs, are all there is; they note how they are called."""
    tools = folder / "bin"
    tools.mkdir()
    for name in ("bash", "dirname", "mktemp", "rm"):
        (tools / name).symlink_to(str(shutil.which(name)))
    for name in programs:
        program = tools / name
        ends = 3 if name == failing else code
        program.write_text(f'#!/bin/sh\necho {name} "$@" >>{folder / "called"}\nexit {ends}\n')
        program.chmod(0o755)
    environment = {"PATH": str(tools), "TMPDIR": str(folder)}
    command = [str(tools / "bash"), str(SCRIPT)]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )


def test_the_values_render_to_the_image_that_the_script_builds() -> None:
    objects = by_name(render(values(), release="demo", namespace="airflow"))
    scheduler = objects["Deployment airflow/demo-scheduler"]["spec"]["template"]["spec"]["containers"][0]
    assert f"IMAGE={scheduler['image']}\n" in SCRIPT.read_text()
    assert scheduler["name"] == "scheduler"
    assert "deploy/demo-scheduler --container scheduler" in SCRIPT.read_text()
    assert {"name": "DEMO_TEMPLATES", "value": "/opt/airflow/pod_templates"} in scheduler["env"]


def test_the_template_of_demo_template_is_the_default_one_and_a_sidecar() -> None:
    data = by_name(render(values(), release="demo", namespace="airflow"))["ConfigMap airflow/demo-pod-templates"][
        "data"
    ]
    default, special = (yaml.safe_load(data[name]) for name in ("pod_template_file.yaml", "with_sidecar.yaml"))
    base, sidecar = special["spec"]["containers"]
    assert base["envFrom"] == default["spec"]["containers"][0]["envFrom"]
    assert base["volumeMounts"][-1] == {"name": "prepared", "mountPath": "/prepared"}
    assert (sidecar["command"], sidecar["image"]) == (["sleep", "infinity"], base["image"])
    assert [one["name"] for one in special["spec"]["initContainers"]] == ["prepare"]


def test_the_base_image_is_of_the_charts_airflow() -> None:
    chart = yaml.safe_load((ROOT / "helm" / "Chart.yaml").read_text())
    assert f"BASE=airflow-pod-executor:{chart['appVersion']} " in SCRIPT.read_text()
    for dockerfile in (ROOT / "Dockerfile", KIND / "Dockerfile"):
        assert re.search(rf"^ARG \w+=\S*{re.escape(chart['appVersion'])}$", dockerfile.read_text(), re.MULTILINE)
