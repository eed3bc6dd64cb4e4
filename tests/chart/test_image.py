"""The Dockerfile without Docker: its steps are done on this machine, word for word, by a user who is not root.

What a base image has is a virtual environment here, on the packages of the one that runs the tests. What cannot be
seen this way: that the base image exists, and its own entrypoint.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = "airflow_pod_executor"
USER, GROUP = 50000, 0  # of the official image
VERSION = re.compile(r"\$\{(\w+)\}")

SEEN = """
import json, executor, pod_templates
from importlib.metadata import entry_points
from pathlib import Path
from airflow.configuration import conf
from airflow.executors.executor_loader import ExecutorLoader
from airflow.providers_manager import ProvidersManager
print(json.dumps({
    "where": executor.__file__,
    "executor": conf.get("core", "executor"),
    "option": conf.get("kubernetes_pod_executor", "create_concurrency"),
    "class": ExecutorLoader.import_default_executor_cls()[0].__module__,
    "provider": "airflow-pod-executor" in ProvidersManager().providers,
    "policy": [one.value for one in entry_points(group="airflow.policy") if one.name == "executor"],
    "templates": sorted(file.name for file in Path(pod_templates.__file__).parent.glob("*.y*")),
}))
"""


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction of a Dockerfile, its variables replaced."""

    word: str
    text: str


def steps() -> list[Step]:
    """Raises KeyError for a variable that nothing sets."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    found, variables = [], {}
    for line in lines:
        word, _, rest = line.partition(" ")
        if word == "ARG" and "=" in rest:
            name, _, value = rest.partition("=")
            variables[name] = value
        found.append(Step(word, VERSION.sub(lambda match: variables[match[1]], re.sub(r"\s+", " ", rest).strip())))
    return found


def runs() -> list[str]:
    return [step.text for step in steps() if step.word == "RUN"]


def context(folder: Path) -> Path:
    """What .dockerignore leaves of the checkout: everything is excluded, then some names are not, then caches are."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert lines[0] == "*"
    names = [line[1:] for line in lines if line[0] == "!"]
    never = shutil.ignore_patterns(*(line.removeprefix("**/") for line in lines[1:] if line[0] != "!"))
    folder.mkdir(parents=True)
    for name in names:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=never)
        else:
            shutil.copy(ROOT / name, folder)
    return folder


class Machine:
    """A folder that stands for the container's root, and the user of the official image."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source, self.dist, self.home = folder / "tmp/source", folder / "tmp/dist", folder / "home"
        self.python = folder / "venv/bin/python"
        self.home.mkdir()
        context(self.source)
        self._make_environment()
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", f"{USER}:{GROUP}", str(folder)], check=True)
        self._somebody = somebody(self.python)

    def run(self, command: str, cwd: Path, **env: str) -> str:
        """A step's words in a shell, with the container's paths moved into the folder; returns what it printed."""
        moved = command.replace("/tmp/", f"{self.folder}/tmp/")
        environment = {"PATH": f"{self.python.parent}:/usr/bin:/bin", "HOME": str(self.home), **_index(), **env}
        done = subprocess.run(
            [*self._somebody, "sh", "-c", moved],
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def _make_environment(self) -> None:
        """What the base image has: Airflow and pip; not this project."""
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(self.folder / "venv")], check=True)
        packages = self.folder / "packages"
        packages.mkdir()
        for entry in Path(sysconfig.get_path("purelib")).iterdir():
            if PROJECT not in entry.name:
                (packages / entry.name).symlink_to(entry)
        (self.packages / "base_image.pth").write_text(f"{packages}\n")
        pip = self.python.with_name("pip")
        pip.write_text(f'#!/bin/sh\nexec {self.python} -m pip --disable-pip-version-check "$@"\n')
        pip.chmod(0o755)

    @property
    def packages(self) -> Path:
        """Where `pip install` puts things."""
        return next((self.folder / "venv/lib").glob("python*/site-packages"))


def somebody(python: Path) -> list[str]:
    """Words in front of a command: its user is not root, but may read what only root may, where that is needed."""
    if os.geteuid() != 0:
        return []
    plain = ["setpriv", f"--reuid={USER}", f"--regid={GROUP}", "--clear-groups"]
    reading = [*plain, "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    # By way of a shell: setpriv itself still may everything.
    can_read = subprocess.run([*plain, "sh", "-c", f"{python} -c 'import pip'"], capture_output=True, check=False)
    return plain if can_read.returncode == 0 else reading


def _index() -> dict[str, str]:
    """How this machine's pip finds packages."""
    return {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "REQUESTS_"))}


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    # Not pytest's directory: that is closed to other users.
    with tempfile.TemporaryDirectory(prefix="image-") as folder:
        Path(folder).chmod(0o755)
        yield Machine(Path(folder))


@pytest.fixture(scope="module")
def wheel(machine: Machine) -> Path:
    """What the first stage makes."""
    machine.run(runs()[0], machine.source)
    (made,) = machine.dist.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(machine: Machine, wheel: Path) -> Machine:
    """With the second stage's step done; what it depends on is there already, as `pip check` says."""
    command = runs()[1]
    mount, _, rest = command.partition(" ")
    assert mount == "--mount=type=bind,from=wheel,source=/tmp/dist,target=/tmp/dist"
    assert " && pip check && " in rest
    machine.run(rest.replace("pip install", "pip install --no-deps"), machine.home, AIRFLOW_HOME=str(machine.home))
    return machine


def test_two_stages_on_the_official_image_and_nobody_is_root() -> None:
    images = [step.text for step in steps() if step.word == "FROM"]
    assert images == ["apache/airflow:3.3.2-python3.12 AS wheel", "apache/airflow:3.3.2-python3.12"]
    assert {step.word for step in steps()} == {"ARG", "FROM", "WORKDIR", "COPY", "RUN", "ENV"}
    assert len(runs()) == 2


def test_no_layer_keeps_what_was_only_needed_to_build() -> None:
    last_stage = steps()[[step.word for step in steps()].index("FROM", 3) :]
    assert [step.word for step in last_stage if step.word in ("COPY", "ADD")] == []
    assert all("--no-cache-dir" in command for command in runs())


def test_the_wheel_has_the_packages_data_and_no_tests(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"executor", "pod_templates", f"{PROJECT}-0.1.0.dist-info"}
    tracked = subprocess.run(["git", "ls-files", "executor", "pod_templates"], cwd=ROOT, capture_output=True, text=True)
    assert [name for name in tracked.stdout.split() if name not in names and (ROOT / name).exists()] == []
    assert [name for name in names if "__pycache__" in name or "test_" in name] == []
    assert f"{PROJECT}-0.1.0.dist-info/licenses/LICENSE" in names


def test_airflow_finds_everything_in_the_installed_wheel(installed: Machine) -> None:
    variables = dict(step.text.split("=", 1) for step in steps() if step.word == "ENV")
    command = f"python -c {shlex.quote(SEEN)}"
    seen = json.loads(installed.run(command, installed.home, AIRFLOW_HOME=str(installed.home), **variables))
    assert seen.pop("where").startswith(str(installed.packages))
    shipped = sorted(file.name for file in (ROOT / "pod_templates").glob("*.y*"))
    assert seen == {
        "executor": "executor.KubernetesExecutor",
        "option": "64",
        "class": "executor.kubernetes_executor",
        "provider": True,
        "policy": ["executor.dag_policy"],
        "templates": shipped,
    }


def test_its_commands_are_there(installed: Machine) -> None:
    command = "python -m airflow kubernetes-executor template pod_templates/default.yaml"
    assert "name: base" in installed.run(command, installed.packages, AIRFLOW_HOME=str(installed.home))


def test_the_user_could_not_have_written_elsewhere(installed: Machine) -> None:
    who = installed.run("id -u; touch /usr/written 2>/dev/null || echo refused", installed.home).split()
    assert who[0] != "0"
    assert who[1] == "refused"
