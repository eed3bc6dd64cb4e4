"""Which layer a line is from, and what it replaced: a field of every layer."""

from __future__ import annotations

import copy
from pathlib import Path

import yaml

from executor.cli.explained import Line, explained
from executor.cli.pods import Planned
from executor.manifest import ManifestSettings, PodBuilder, TemplateSource
from executor.secret import Secret
from tests.unit.manifest.builders import TEMPLATE, request

CONFIG = {
    "pod_override": {
        "metadata": {"annotations": {"a.b/c": "x"}},
        "spec": {"containers": [{"name": "base", "env": [{"name": "MODE", "value": "fast"}]}]},
    },
    "secrets": [Secret("env", "TOKEN", "my-secret", "token")],
}


def planned(folder: Path) -> Planned:
    path = folder / "pod.yaml"
    path.write_text(TEMPLATE)
    settings = ManifestSettings(
        default_template=path,
        worker_image="registry/worker:2",
        env_secrets=(Secret("env", "SHARED", "shared", "key"),),
    )
    built = PodBuilder(settings, TemplateSource()).build(request(CONFIG))
    return Planned(built, built.manifest)


def at(lines: list[Line], path: str) -> Line:
    (line,) = [line for line in lines if line.path == path]
    return line


def test_a_field_of_every_layer(tmp_path: Path) -> None:
    lines = explained(planned(tmp_path))
    template = f"podTemplate {tmp_path}/pod.yaml"
    env = "spec.containers[base].env"

    assert at(lines, "spec.containers[base].terminationMessagePolicy").layer == "executor default"
    assert at(lines, f"{env}[LOG].value").layer == template
    assert at(lines, "metadata.labels.team").layer == template
    assert at(lines, "spec.containers[base].image").layer == "configuration"
    assert at(lines, "spec.containers[base].image").replaced == (f"worker:1 of {template}",)
    assert at(lines, "metadata.namespace").layer == "configuration"
    assert at(lines, f"{env}[SHARED].valueFrom.secretKeyRef.key").layer == "env_secrets"
    assert at(lines, f"{env}[TOKEN].valueFrom.secretKeyRef.name").layer == 'executor_config["secrets"]'
    assert at(lines, f"{env}[MODE].value").layer == "pod_override"
    assert at(lines, f"{env}[MODE].value").replaced == (f"batch of {template}",)
    assert at(lines, "metadata.annotations.a.b/c").layer == "pod_override"
    assert at(lines, "metadata.name").layer == "executor"
    assert at(lines, "metadata.name").replaced == (f"placeholder of {template}",)
    assert at(lines, "spec.containers[base].args").layer == "executor"


def test_what_the_hook_changed_is_the_hooks(tmp_path: Path) -> None:
    one = planned(tmp_path)
    changed = copy.deepcopy(one.built.manifest)
    changed["metadata"]["labels"]["team"] = "costs"
    changed["spec"]["nodeSelector"] = {"pool": "a"}
    lines = explained(Planned(one.built, changed))

    assert at(lines, "metadata.labels.team").layer == "pod_mutation_hook"
    assert at(lines, "metadata.labels.team").replaced == (f"data of podTemplate {tmp_path}/pod.yaml",)
    assert at(lines, "spec.nodeSelector.pool").layer == "pod_mutation_hook"
    assert at(lines, "spec.containers[base].image").layer == "configuration"


def test_the_lines_are_the_pod_in_yaml(tmp_path: Path) -> None:
    one = planned(tmp_path)
    text = "\n".join(f"{line.text}  # {line.origin}" for line in explained(one))
    assert yaml.safe_load(text) == one.manifest


def test_one_field_by_name_or_index(tmp_path: Path) -> None:
    one = planned(tmp_path)
    by_name = explained(one, "spec.containers[base].env[MODE]")
    assert [line.text.strip() for line in by_name] == ["- name: MODE", "value: fast"]
    assert explained(one, "spec.containers[0].env[1]") == by_name
    assert [line.path for line in explained(one, "metadata.annotations.a.b/c")] == ["metadata.annotations.a.b/c"]
    assert explained(one, "spec.containers[base].en") == []
