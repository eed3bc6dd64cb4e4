"""The pod templates that come with the executor: each builds, says when to use it, and holds no secret."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from executor.manifest import ManifestSettings, PodBuilder, TemplateSource
from executor.manifest.template_check import check_template
from executor.manifest.template_choice import SUFFIXES
from executor.manifest.template_inputs import TemplateInputs
from executor.manifest.template_source import SHIPPED_TEMPLATE
from executor.manifest.unknown_fields import unknown_fields
from tests.unit.manifest.builders import IDENTITY, container, request

SHIPPED = sorted(path for path in SHIPPED_TEMPLATE.parent.iterdir() if path.name.endswith(SUFFIXES))
POOLS = "pools: {gpu: {nodeSelector: {accelerator: a100}, tolerations: [{key: gpu, operator: Exists}]}}\n"


def build(path: Path, inputs: TemplateInputs | None = None, **values: Any) -> dict[str, Any]:
    built = PodBuilder(ManifestSettings(default_template=path), TemplateSource(inputs)).build(request(**values))
    assert built.warnings == ()
    assert unknown_fields(built) == []
    return built.manifest


def test_they_are_all_here() -> None:
    wanted = {"default.yaml", "git_sync.yaml", "logs_on_volume.yaml", "spot.yaml", "by_queue.yaml.j2"}
    assert wanted <= {path.name for path in SHIPPED}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_shipped_template_builds_and_has_a_header(path: Path) -> None:
    manifest = build(path)
    assert container(manifest)["image"]
    assert check_template(path, TemplateInputs()).warnings == ()
    assert path.read_text().startswith(("#", "{#"))


SECRETS = ("SQL_ALCHEMY_CONN", "FERNET_KEY", "JWT_SECRET", "SECRET_KEY")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_a_worker_is_given_no_database_and_no_key(path: Path) -> None:
    text = json.dumps(build(path)["spec"])
    assert [name for name in SECRETS if name in text] == []


def test_the_one_by_queue_selects_nodes_and_labels_costs(tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(POOLS)
    inputs = TemplateInputs((str(values),))
    path = SHIPPED_TEMPLATE.with_name("by_queue.yaml.j2")

    gpu = build(path, inputs, queue="gpu", team="vision", identity=replace(IDENTITY, dag_id="train: all"))
    other = build(path, inputs, queue="other")

    assert gpu["spec"]["nodeSelector"] == {"accelerator": "a100"}
    assert gpu["spec"]["tolerations"] == [{"key": "gpu", "operator": "Exists"}]
    assert gpu["metadata"]["labels"]["cost-queue"] == "gpu"
    assert gpu["metadata"]["annotations"]["cost.example/dag"] == "train: all"
    assert gpu["metadata"]["annotations"]["cost.example/team"] == "vision"
    assert "nodeSelector" not in other["spec"]
    assert other["metadata"]["annotations"]["cost.example/team"] == "none"
