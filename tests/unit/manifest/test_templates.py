"""Reading template files: YAML as Kubernetes means it, which file, and when it is read again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from executor.manifest import ManifestError, ManifestSettings, PodBuilder, TemplateSource
from executor.manifest.template_source import SHIPPED_TEMPLATE
from executor.manifest.yaml_text import parse_yaml
from tests.unit.manifest.builders import TEMPLATE, build, container, request

SCALARS: list[Any] = [
    ("2026-11-20", "2026-11-20"),
    ("2026-11-20T14:45:11Z", "2026-11-20T14:45:11Z"),
    ("12:30:45", "12:30:45"),
    ("=", "="),
    ("0o17", 15),
    ("0644", 420),
    ("0x1F", 31),
    ("1_000", 1000),
    ("-3", -3),
    ("1.5", 1.5),
    ("1e3", 1000),
    ("1.00065e+09", 1000650000),
    ("1e21", 1e21),
    ("-.inf", float("-inf")),
    ("1.", 1),
    ("08", "08"),
    ("yes", True),
    ("off", False),
    ("~", None),
    ("'1'", "1"),
    ("1Gi", "1Gi"),
]


@pytest.mark.parametrize(("text", "value"), SCALARS)
def test_scalars_are_read_as_kubernetes_reads_them(text: str, value: Any) -> None:
    read = parse_yaml(f"a: {text}", "x")["a"]
    assert (read, type(read)) == (value, type(value))


def test_keys_are_text_and_merge_keys_work() -> None:
    read = parse_yaml("x: &x {1: a, true: b}\ny: {<<: *x, 1: c}", "x")
    assert read["y"] == {"1": "c", "true": "b"}


def test_merge_keys_that_grow_without_end_are_refused() -> None:
    lines = ["a0: &a0 {" + ", ".join(f"k{n}: 1" for n in range(10)) + "}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 9)]
    with pytest.raises(ManifestError, match="merge keys"):
        parse_yaml("\n".join(lines), "x")


def test_the_braces_of_other_tools_may_stand_in_annotations(tmp_path: Path) -> None:
    text = TEMPLATE.replace("labels: {team: data}", "annotations: {vault: '{{ with secret \"a\" }}'}")
    assert build(tmp_path, {}, text).manifest["metadata"]["annotations"]["vault"] == '{{ with secret "a" }}'


def test_a_template_with_what_charts_install(tmp_path: Path) -> None:
    text = "---\n" + TEMPLATE + "      args: []\n  initContainers: null\n  imagePullSecrets: []\n"
    assert build(tmp_path, {}, text).manifest["spec"]["imagePullSecrets"] == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("coordinator", "task", "gpu", "configured", "queue"):
        (tmp_path / f"{name}.yaml").write_text(TEMPLATE.replace("worker:1", f"{name}:1"))
    return tmp_path


def image_of(folder: Path, *, configured: bool = True, **values: Any) -> str:
    settings = ManifestSettings(
        default_template=folder / "configured.yaml" if configured else None,
        queue_pod_templates={"gpu": "gpu", "big": str(folder / "queue.yaml")},
        pod_templates_folder=folder,
    )
    built = PodBuilder(settings, TemplateSource()).build(request(**values))
    image: str = container(built.manifest)["image"]
    return image.partition(":")[0]


def test_the_first_template_of_the_order_is_taken(folder: Path) -> None:
    coordinator = str(folder / "coordinator.yaml")
    config = {"pod_template_file": str(folder / "task.yaml")}
    assert image_of(folder, config=config, coordinator_template=coordinator, queue="gpu") == "coordinator"
    assert image_of(folder, config=config, queue="gpu") == "task"
    assert image_of(folder, config={"pod_template": "task"}, queue="gpu") == "task"
    assert image_of(folder, config={"pod_template": "task.yaml"}) == "task"
    assert image_of(folder, queue="gpu") == "gpu"
    assert image_of(folder, queue="big") == "queue"
    assert image_of(folder, queue="default") == "configured"
    assert image_of(folder, configured=False) == "apache/airflow"
    assert SHIPPED_TEMPLATE.is_file()


BAD_NAMES: list[Any] = [
    ("tusk", "did you mean task?"),
    ("zzz", "use one of: configured, coordinator, gpu, queue, task"),
    ("../etc/passwd", "which is no template in"),
    ("..", "which is no template in"),
]


@pytest.mark.parametrize(("name", "message"), BAD_NAMES)
def test_a_name_is_looked_for_in_the_folder_only(folder: Path, name: str, message: str) -> None:
    with pytest.raises(ManifestError, match=r'^executor_config\["pod_template"\]: ') as caught:
        image_of(folder, config={"pod_template": name})
    assert message in str(caught.value)


def test_a_name_cannot_leave_the_folder(tmp_path: Path) -> None:
    (tmp_path / "outside.yaml").write_text(TEMPLATE)
    (tmp_path / "folder").mkdir()
    with pytest.raises(ManifestError, match=r"which is no template in .*/folder; put a template there"):
        build(tmp_path, {"pod_template": "../outside"}, pod_templates_folder=tmp_path / "folder")


def test_a_name_without_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="pod_templates_folder is not set; set it, or name a file"):
        build(tmp_path, {"pod_template": "gpu"})


def test_a_file_is_read_once_and_again_when_it_changed(tmp_path: Path) -> None:
    path = tmp_path / "pod.yaml"
    path.write_text(TEMPLATE)
    made = PodBuilder(ManifestSettings(default_template=path), TemplateSource())
    status = path.stat()
    assert container(made.build(request()).manifest)["image"] == "worker:1"

    path.write_text(TEMPLATE.replace("worker:1", "worker:2"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert container(made.build(request()).manifest)["image"] == "worker:1", "same time and size: not read again"

    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert container(made.build(request()).manifest)["image"] == "worker:2"
