"""Every kind of bad input and the sentence it gets: what, where, what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kubernetes.client import models as k8s

from executor.manifest import ManifestError
from tests.unit.manifest.builders import TEMPLATE, build, builder, in_base, override, request


def sentence(folder: Path, config: Any, template: str = TEMPLATE, **settings: Any) -> str:
    with pytest.raises(ManifestError) as caught:
        build(folder, config, template, **settings)
    return str(caught.value).replace(str(folder), "")


WRONG_TYPES: list[Any] = [
    (
        {"env": [{"name": "LOG", "value": 1}]},
        'pod_override: spec.containers[base].env[LOG].value is the number 1; Kubernetes wants text; quote it: "1"',
    ),
    (
        {"env": [{"name": "LOG", "value": True}]},
        "pod_override: spec.containers[base].env[LOG].value is the boolean true; Kubernetes wants text; "
        'quote it: "true"',
    ),
    (
        {"ports": [{"containerPort": "8080"}]},
        'pod_override: spec.containers[base].ports[8080].containerPort is text "8080"; '
        "Kubernetes wants a whole number; write it without quotes: 8080",
    ),
    ({"tty": "true"}, '.tty is text "true"; Kubernetes wants true or false; write it without quotes: true'),
    ({"tty": 1}, ".tty is the number 1; Kubernetes wants true or false; write true or false"),
    ({"ports": [{"containerPort": 80.5}]}, ".containerPort is the number 80.5; Kubernetes wants a whole number"),
    ({"env": {"LOG": "1"}}, ".env is a map; Kubernetes wants a list; write a list"),
    ({"env": ["LOG=1"]}, ".env[0] is text; Kubernetes wants a map; write a map"),
    ({"resources": "{'limits': {}}"}, ".resources is text; Kubernetes wants a map; write a dict: other objects become"),
    (
        {"resources": {"limits": {"memory": "1 GB"}}},
        '.resources.limits.memory is text "1 GB"; Kubernetes wants a quant',
    ),
    ({"resources": {"requests": {"cpu": "half"}}}, ".resources.requests.cpu is text"),
    ({"resources": {"limits": {"nvidia.com/gpu": True}}}, ".resources.limits[nvidia.com/gpu] is the boolean true"),
    ({"args": [1]}, ".args[0] is the number 1; Kubernetes wants text"),
    ({"args": "run"}, ".args is text; Kubernetes wants a list"),
    ({"livenessProbe": {"tcpSocket": {"port": 1.5}}}, ".livenessProbe.tcpSocket.port is the number 1.5"),
    ({"securityContext": {"runAsUser": "0"}}, ".securityContext.runAsUser is text"),
    ({"env": [None]}, ".env[0] is null; Kubernetes wants a map"),
]


@pytest.mark.parametrize(("fields", "message"), WRONG_TYPES, ids=lambda value: str(value)[:50])
def test_wrong_types_are_named_with_their_field(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    assert message in sentence(tmp_path, override(**fields))


@pytest.mark.parametrize("fields", [{"labels": {"a": 1}}, {"annotations": {"a": True}}])
def test_label_and_annotation_values_must_be_text(tmp_path: Path, fields: dict[str, Any]) -> None:
    (field,) = fields
    message = sentence(tmp_path, {"pod_override": {"metadata": fields}})
    assert f"pod_override: metadata.{field}.a is the" in message
    assert "Kubernetes wants text" in message


RIGHT_NUMBERS: list[Any] = [
    {"resources": {"limits": {"cpu": 0.5, "memory": 1_000_000}, "requests": {"cpu": 1}}},
    {"resources": {"limits": {"cpu": "500m", "memory": "1.5Gi", "a/b": "1e3", "c": "-1", "d": ".5", "e": "1E"}}},
    {"livenessProbe": {"httpGet": {"port": "http"}}},
    {"livenessProbe": {"httpGet": {"port": 80}}},
    {"fieldOfTomorrow": {"a": [1]}},
]


@pytest.mark.parametrize("fields", RIGHT_NUMBERS)
def test_what_kubernetes_takes_is_sent_as_it_is(tmp_path: Path, fields: dict[str, Any]) -> None:
    base = build(tmp_path, override(**fields)).manifest["spec"]["containers"][0]
    assert fields.items() <= base.items()


def test_a_size_limit_may_be_a_number(tmp_path: Path) -> None:
    volumes = [{"name": "v", "emptyDir": {"sizeLimit": 1024}}]
    assert build(tmp_path, {"pod_override": {"spec": {"volumes": volumes}}}).manifest["spec"]["volumes"] == volumes


MERGES: list[Any] = [
    (
        in_base(**{"$setElementOrder/env": [{"name": "A"}], "env": [{"name": "LOG"}]}),
        "spec.containers[base].$setElementOrder/env does not name the elements of the patch in their order; write what",
    ),
    (
        {"spec": {"$patch": "merge"}},
        "pod_override: spec $patch is 'merge'; it can be 'replace' or 'delete'; write what",
    ),
]


@pytest.mark.parametrize(("value", "message"), MERGES, ids=["order", "directive"])
def test_directives_that_are_none(tmp_path: Path, value: Any, message: str) -> None:
    assert message in sentence(tmp_path, {"pod_override": value})


BAD_OVERRIDES: list[Any] = [
    (["x"], "pod_override: is a list; write a V1Pod, a dict or YAML text"),
    (3, "pod_override: is a int; write a V1Pod, a dict or YAML text"),
    (
        k8s.V1Container(name="base"),
        "pod_override: is a V1Container; write a V1Pod, a dict or YAML text",
    ),
    ("---", "pod_override: is empty; write exactly one pod in it"),
    ("hello", "pod_override: is no map; write a pod"),
    ("a: 1\na: 2", "pod_override: line 2, column 1: the key 'a' is given twice (first in line 1); keep one of the two"),
    ("spec: [", "pod_override: line 2, column 1: did not find expected node content"),
    ("a: 1\n---\nb: 1", "pod_override: holds 2 YAML documents; write exactly one pod in it"),
    ("kind: Deployment", "pod_override: kind is 'Deployment'; write kind: Pod"),
    ({"kind": "Job"}, "pod_override: kind is 'Job'; write kind: Pod"),
    (
        {"spec": {"containers": [{"image": "x"}]}},
        "pod_override: spec.containers[0] has no name; give it a name: elements of",
    ),
    (
        {"spec": {"initContainers": [{"image": "x"}]}},
        "pod_override: spec.initContainers[0] has no name; give it a name",
    ),
    (
        {"spec": {"containers": [{"name": "base", "$patch": "delete"}]}},
        "pod_override: spec.containers: what it leaves has no container named base; found: none",
    ),
    (
        {"spec": {"containers": [{"$patch": "replace"}, {"name": "mine", "image": "i"}]}},
        "has no container named base; found: mine; name the container that runs the task base",
    ),
    ({"spec": None}, "has no container named base; found: none"),
    ({"spec": {"containers": None}}, "has no container named base; found: none"),
    (
        {"spec": {"containers": [{"name": "bse", "tty": True}]}},
        "pod_override: spec.containers[bse] has no image; give it an image, or did you mean base?",
    ),
    (
        in_base(image=None),
        "has no image; set worker_container_repository and worker_container_tag, or image in the pod",
    ),
    (in_base(env=[{"value": "1"}]), "pod_override: spec.containers[base].env[0] has no name; give it a name: elements"),
    (in_base(tty={1, 2}), "pod_override: spec.containers[0].tty is a set, which has no meaning in a pod; write texts"),
    (in_base(tty=float("nan")), "pod_override: spec.containers[0].tty is nan, which JSON cannot carry"),
    (
        {"metadata": {"namespace": "Not_One"}},
        "pod_override: metadata.namespace is 'Not_One', no namespace; write lower",
    ),
]


@pytest.mark.parametrize(("value", "message"), BAD_OVERRIDES, ids=lambda value: str(value)[:50])
def test_bad_overrides(tmp_path: Path, value: Any, message: str) -> None:
    assert message in sentence(tmp_path, {"pod_override": value})


BAD_CONFIGS: list[Any] = [
    ({"pod_template_file": 3}, 'executor_config["pod_template_file"]: is a int; write a text'),
    ({"pod_template_file": "a", "pod_template": "b"}, "names both pod_template_file and pod_template; keep one"),
    ({"secrets": {"a": 1}}, 'executor_config["secrets"]: is a dict; write a list of executor.Secret'),
    ({"secrets": ["Secret(env, A, s, k)"]}, '["secrets"]: [0] is text (other objects become text when Airflow stores'),
    ({"secrets": [3]}, '["secrets"]: [0] is a int; write executor.Secret(...), or a dict of deploy_type'),
    ({"secrets": [{"deploy_type": "file"}]}, "[0] deploy_type is 'file'; write 'env' or 'volume'"),
    ({"secrets": [{"deploy_type": "env", "secret": 1}]}, "[0] secret is 1; write the name of a Kubernetes Secret"),
    ({"secrets": [{"deploy_type": "env", "secret": "s", "key": "k"}]}, "[0] it has a key but no deploy_target"),
    ({"secrets": [{"deploy_type": "volume", "secret": "s"}]}, "deploy_target is None; write the absolute path"),
    (["x"], "executor_config: is a list; write a dict"),
]


@pytest.mark.parametrize(("config", "message"), BAD_CONFIGS, ids=lambda value: str(value)[:50])
def test_bad_executor_configs(tmp_path: Path, config: Any, message: str) -> None:
    assert message in sentence(tmp_path, config)


BAD_TEMPLATES: list[Any] = [
    ("", "podTemplate /pod.yaml: is empty; write exactly one pod in it"),
    ("---\n", "podTemplate /pod.yaml: is empty"),
    ("- a", "podTemplate /pod.yaml: is no map; write a pod"),
    ("kind: Service\nspec: {}", "podTemplate /pod.yaml: kind is 'Service'; write kind: Pod"),
    (TEMPLATE + "---\n" + TEMPLATE, "podTemplate /pod.yaml: holds 2 YAML documents"),
    (TEMPLATE + "  containers: []\n", "podTemplate /pod.yaml: line 13, column 3: the key 'containers' is given twice"),
    ("spec:\n\tcontainers: []", "podTemplate /pod.yaml: line 2, column 1: found character that cannot start any token"),
    ("a: &a [*a]", "podTemplate /pod.yaml: line 1, column 4: found unconstructable recursive node"),
    ("a: *b", "podTemplate /pod.yaml: line 1, column 4: found undefined alias"),
    ("? [a]\n: b", "podTemplate /pod.yaml: line 1, column 3: a key is not plain text"),
    ("a: !!python/object:os.x {}", "line 1, column 4: could not determine a constructor for the tag"),
    (
        "spec: {containers: [{name: worker, image: i}]}",
        "podTemplate /pod.yaml: spec.containers: the template has no container named base; found: worker",
    ),
    (
        "spec: {containers: [{image: i}]}",
        "podTemplate /pod.yaml: spec.containers[0] has no name; give it a name: elements of this list are found by it",
    ),
    (
        "spec: {containers: [{name: base, image: i, ports: [{name: http}]}]}",
        "podTemplate /pod.yaml: spec.containers[base].ports[0] has no containerPort; give it a containerPort",
    ),
    ("metadata: {name: x}", "has no container named base; found: none"),
    ("spec: {containers: [{name: base}]}", "spec.containers[base] has no image; set worker_container_repository"),
    (
        "spec: {containers: [{name: base, image: i}, {name: sync}]}",
        "podTemplate /pod.yaml: spec.containers[sync] has no image; give it an image, or correct its name",
    ),
    (
        "spec: {containers: [{name: base, image: i, env: [{name: A, value: yes}]}]}",
        "podTemplate /pod.yaml: spec.containers[base].env[A].value is the boolean true; Kubernetes wants text",
    ),
    ("spec: {{ toYam .Values }}", '/pod.yaml:1:10: function "toYam" not defined, in {{ toYam .Values }}'),
    ('spec: {containers: [{name: base, image: "{{ .Values.a.b }}"}]}', "nil pointer evaluating interface {}.b"),
    ("spec: " + "[" * 3000 + "]" * 3000, "is nested too deeply"),
]


@pytest.mark.parametrize(("text", "message"), BAD_TEMPLATES, ids=lambda value: str(value)[:50])
def test_bad_templates(tmp_path: Path, text: str, message: str) -> None:
    assert message in sentence(tmp_path, {}, text)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert "/none.yaml: cannot be read (No such file or directory)" in sentence(
        tmp_path, {"pod_template_file": str(tmp_path / "none.yaml")}
    )
    assert "cannot be read (Is a directory)" in sentence(tmp_path, {"pod_template_file": str(tmp_path)})
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe4")
    assert "is not UTF-8 text; save it as UTF-8" in sentence(
        tmp_path, {"pod_template_file": str(tmp_path / "latin.yaml")}
    )


def test_text_that_blows_up_when_it_is_expanded_harms_only_its_task(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "pod_override: holds more than" in sentence(tmp_path, {"pod_override": "\n".join(lines)})


def test_one_bad_task_leaves_the_next_alone(tmp_path: Path) -> None:
    made = builder(tmp_path)
    good = made.build(request()).manifest
    with pytest.raises(ManifestError):
        made.build(request(override(tty="x")))
    assert made.build(request()).manifest == good


def test_no_long_text_is_repeated_in_a_message(tmp_path: Path) -> None:
    secret = "s3cr3t-" * 20
    assert "s3cr3t" not in sentence(tmp_path, override(env=secret))
    assert "s3cr3t" not in sentence(tmp_path, override(env=[{"name": "A", "value": {"secret": secret}}]))
