"""What a built pod is made of: which layer wins, what is the executor's, where it runs."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from kubernetes.client import models as k8s

from executor import identity
from executor.manifest import ManifestError, ManifestSettings, PodBuilder, TemplateSource, WorkloadMount
from executor.secret import Secret
from tests.unit.manifest.builders import ARGS, IDENTITY, TEMPLATE, build, builder, container, in_base, override, request

SIDECAR_FIRST = """\
spec:
  namespace: ignored
  containers:
    - {name: sync, image: sync:1, args: [--watch]}
    - name: base
      image: worker:1
      command: [wrapper]
      args: []
      volumeMounts: [{name: airflow-workload, mountPath: /elsewhere}, {name: other, mountPath: /other}]
  initContainers: null
  volumes:
    - {name: airflow-workload, emptyDir: {}}
"""


def test_a_pod_carries_its_identity_and_runs_the_task(tmp_path: Path) -> None:
    built = build(tmp_path)
    metadata = built.manifest["metadata"]
    assert (built.manifest["apiVersion"], built.manifest["kind"]) == ("v1", "Pod")
    assert metadata["name"] == identity.pod_name(IDENTITY)
    assert metadata["labels"] == {"team": "data", **identity.labels(IDENTITY)}
    assert metadata["annotations"] == identity.annotations(IDENTITY)
    assert container(built.manifest)["args"] == list(ARGS)
    assert container(built.manifest)["terminationMessagePolicy"] == "FallbackToLogsOnError"
    assert container(built.manifest)["env"][-1] == {"name": "AIRFLOW_IS_K8S_EXECUTOR_POD", "value": "True"}
    assert built.manifest["spec"]["restartPolicy"] == "Never"
    assert (built.namespace, metadata["namespace"], built.warnings) == ("default", "default", ())


def test_the_shipped_template_is_the_default() -> None:
    built = PodBuilder(ManifestSettings(), TemplateSource()).build(request())
    assert container(built.manifest)["image"].startswith("apache/airflow:")


def test_base_is_found_by_name_wherever_it_is(tmp_path: Path) -> None:
    built = build(tmp_path, override(tty=True), SIDECAR_FIRST)
    sync, base = built.manifest["spec"]["containers"]
    assert sync == {"name": "sync", "image": "sync:1", "args": ["--watch"]}
    assert (base["image"], base["args"], base["tty"]) == ("worker:1", list(ARGS), True)


def test_a_templates_command_stays_and_null_members_go(tmp_path: Path) -> None:
    built = build(tmp_path, {}, SIDECAR_FIRST)
    assert container(built.manifest)["command"] == ["wrapper"]
    assert "initContainers" not in built.manifest["spec"]


def test_each_variable_of_a_template_is_there_once_with_its_last_value(tmp_path: Path) -> None:
    variables = "[{name: A, value: '1'}, {name: B, value: x}, {name: A, value: '2'}]"
    built = build(tmp_path, {}, f"spec: {{containers: [{{name: base, image: i, env: {variables}}}]}}")
    assert container(built.manifest)["env"][:2] == [{"name": "B", "value": "x"}, {"name": "A", "value": "2"}]


# Golden precedence: the field, what each layer says of it (None: nothing), and who wins.
LAYERS = ("template", "configuration", "override")
PRECEDENCE: list[Any] = [
    ("image", ("t", None, None), "t"),
    ("image", ("t", "c", None), "c"),
    ("image", ("t", "c", "o"), "o"),
    ("image", (None, "c", None), "c"),
    ("image", (None, None, "o"), "o"),
    ("namespace", (None, None, None), "default"),
    ("namespace", ("t", None, None), "t"),
    ("namespace", ("t", "c", None), "c"),
    ("namespace", ("t", "c", "o"), "o"),
    ("namespace", ("t", None, "o"), "o"),
]


@pytest.mark.parametrize(("field", "said", "winner"), PRECEDENCE)
def test_the_highest_layer_that_says_something_wins(
    tmp_path: Path, field: str, said: tuple[str | None, ...], winner: str
) -> None:
    pods = {layer: _pod(field, value) for layer, value in zip(LAYERS, said, strict=True)}
    setting = {"image": "worker_image", "namespace": "default_namespace"}[field]
    config = {"pod_override": pods["override"]}
    built = build(tmp_path, config, json.dumps(pods["template"]), **{setting: said[1]})
    found = built.namespace if field == "namespace" else container(built.manifest)["image"]
    assert found == winner
    assert built.manifest["metadata"]["namespace"] == built.namespace


def _pod(field: str, value: str | None) -> dict[str, Any]:
    if field == "image":
        return in_base(image=value) if value else in_base()
    return {"metadata": {"namespace": value} if value else {}, **in_base(image="any")}


def test_a_coordinators_image_is_over_the_configured_and_under_the_override(tmp_path: Path) -> None:
    made = builder(tmp_path, worker_image="configured:1")
    assert _image(made.build(request(coordinator_image="go:1")).manifest) == "go:1"
    assert _image(made.build(request()).manifest) == "configured:1"
    assert _image(made.build(request(override(image="own:1"), coordinator_image="go:1")).manifest) == "own:1"


def _image(manifest: dict[str, Any]) -> str:
    image: str = container(manifest)["image"]
    return image


def test_overrides_of_every_form_give_the_same_pod(tmp_path: Path) -> None:
    made = builder(tmp_path)
    limits = {"cpu": 0.5, "memory": "1Gi"}
    plain = override(resources={"limits": limits})
    model = k8s.V1Pod(
        spec=k8s.V1PodSpec(containers=[k8s.V1Container(name="base", resources={"limits": limits})])  # type: ignore[arg-type]
    )
    text = "---\nspec: {containers: [{name: base, resources: {limits: {cpu: 0.5, memory: 1Gi}}}]}"
    pods = [made.build(request({"pod_override": form})).manifest for form in (plain["pod_override"], model, text)]
    assert container(pods[0])["resources"] == {"limits": limits}
    assert pods[0] == pods[1] == pods[2]


def test_a_v1pod_of_an_older_client_lacks_attributes_and_is_read_all_the_same(tmp_path: Path) -> None:
    pod = k8s.V1Pod(spec=k8s.V1PodSpec(containers=[k8s.V1Container(name="base", tty=True)]))
    del pod.spec._ephemeral_containers
    assert container(build(tmp_path, {"pod_override": pod}).manifest)["tty"] is True


IDENTITY_CLAIMS: list[Any] = [
    ({"metadata": {"name": "mine"}}, "metadata.name"),
    ({"metadata": {"labels": {"dag_id": "other", "own": "x"}}}, "metadata.labels.dag_id"),
    ({"metadata": {"labels": {"map_index": "1"}}}, "metadata.labels.map_index"),
    ({"metadata": {"labels": {"airflow-kind": "callback"}}}, "metadata.labels.airflow-kind"),
    ({"metadata": {"annotations": {"run_id": "other"}}}, "metadata.annotations.run_id"),
    ({"metadata": {"annotations": {"airflow-workload-secret": "x"}}}, "metadata.annotations.airflow-workload-secret"),
    ({"spec": {"containers": [{"name": "base", "args": ["echo"]}]}}, "spec.containers[base].args"),
    ({"spec": {"containers": [{"name": "base", "command": ["sh"]}]}}, "spec.containers[base].command"),
    ({"spec": {"restartPolicy": "OnFailure"}}, "spec.restartPolicy"),
]


@pytest.mark.parametrize(("pod_override", "path"), IDENTITY_CLAIMS, ids=lambda value: str(value)[:40])
def test_an_override_cannot_change_who_the_pod_is(tmp_path: Path, pod_override: Any, path: str) -> None:
    built = build(tmp_path, {"pod_override": pod_override})
    plain = build(tmp_path).manifest
    built.manifest["metadata"]["labels"].pop("own", None)
    assert built.manifest == plain
    assert [warning for warning in built.warnings if path in warning and "ignored" in warning]


def test_a_generated_name_of_the_template_gives_way_to_the_pods_own(tmp_path: Path) -> None:
    metadata = build(tmp_path, {}, TEMPLATE.replace("name: placeholder", "generateName: x-")).manifest["metadata"]
    assert "generateName" not in metadata
    assert metadata["name"] == identity.pod_name(IDENTITY)


def test_what_only_a_merge_understands_is_not_sent(tmp_path: Path) -> None:
    proxy = {
        "name": "proxy",
        "image": "p",
        "tty": None,
        "env": [{"name": "A"}],
        "$setElementOrder/env": [{"name": "A"}],
    }
    volume = {"name": "v", "$retainKeys": ["name", "emptyDir"], "emptyDir": {}}
    spec = build(tmp_path, {"pod_override": {"spec": {"containers": [proxy], "volumes": [volume]}}}).manifest["spec"]
    assert spec["containers"][1] == {"name": "proxy", "image": "p", "env": [{"name": "A"}]}
    assert spec["volumes"] == [{"name": "v", "emptyDir": {}}]


def test_a_template_that_restarts_is_told_that_it_does_not(tmp_path: Path) -> None:
    built = build(tmp_path, {}, TEMPLATE + "  restartPolicy: OnFailure\n")
    assert built.manifest["spec"]["restartPolicy"] == "Never"
    assert "restartPolicy OnFailure was ignored" in built.warnings[0]


def test_other_executors_keys_are_accepted_and_unknown_ones_named(tmp_path: Path) -> None:
    assert build(tmp_path, {"KubernetesExecutor": {"image": "x"}, "CeleryExecutor": {}}).warnings == ()
    assert build(tmp_path, {"pod_overide": {}, "overrides": {}}).warnings == (
        'executor_config["pod_overide"] is not known to this executor and was ignored; did you mean pod_override?',
        'executor_config["overrides"] is not known to this executor and was ignored',
    )


@pytest.mark.parametrize("nothing", [None, {}, "", []])
def test_an_empty_override_is_none_as_upstream_has_it(tmp_path: Path, nothing: Any) -> None:
    assert build(tmp_path, {"pod_override": nothing, "secrets": nothing}).manifest == build(tmp_path).manifest


def test_no_repr_holds_the_tasks_token(tmp_path: Path) -> None:
    wanted = request(
        override(env=[{"name": "PASSWORD", "value": "s3cr3t"}]), args=("run", "--json-string", "eyJ0b2tlbiI")
    )
    built = builder(tmp_path).build(wanted)
    assert container(built.manifest)["args"][-1] == "eyJ0b2tlbiI"
    told = repr(wanted) + repr(built) + repr(built.provenance)
    assert "eyJ" not in told
    assert "s3cr3t" not in told


def test_the_workload_is_mounted_for_every_user_id_and_for_base_only(tmp_path: Path) -> None:
    mount = WorkloadMount("batch-1", "launch-1", "/var/run/airflow-workload")
    pod = builder(tmp_path, SIDECAR_FIRST).build(request(workload_secret=mount)).manifest
    (volume,) = pod["spec"]["volumes"]
    assert volume == {
        "name": "airflow-workload",
        "secret": {
            "secretName": "batch-1",
            "items": [{"key": "launch-1", "path": "workload.json"}],
            "defaultMode": 0o444,
        },
    }
    assert container(pod)["volumeMounts"] == [
        {"name": "other", "mountPath": "/other"},
        {"name": "airflow-workload", "mountPath": "/var/run/airflow-workload", "readOnly": True},
    ]
    assert "volumeMounts" not in container(pod, "sync")
    assert pod["metadata"]["annotations"]["airflow-workload-secret"] == "batch-1"
    assert mount.file_path == "/var/run/airflow-workload/workload.json"


def test_building_changes_nothing_it_was_given_and_pods_do_not_touch_one_another(tmp_path: Path) -> None:
    made = builder(tmp_path, env_secrets=(Secret("env", "S", "s", "k"),))
    config = override(env=[{"name": "LOG", "value": "DEBUG"}, {"name": "NEW", "value": "1"}], image="other:1")
    before = copy.deepcopy(config)
    plain = copy.deepcopy(made.build(request()).manifest)
    first = copy.deepcopy(made.build(request(config)).manifest)
    assert made.build(request(config)).manifest == first
    assert made.build(request()).manifest == plain
    assert config == before


def test_namespaces_are_checked_against_the_allowed(tmp_path: Path) -> None:
    made = builder(tmp_path, allowed_namespaces=frozenset({"a", "b"}), fallback_namespace="a")
    assert made.build(request({"pod_override": {"metadata": {"namespace": "b"}}})).namespace == "b"
    with pytest.raises(ManifestError, match=r"^pod_override: metadata.namespace is c, where .* use one of a, b"):
        made.build(request({"pod_override": {"metadata": {"namespace": "c"}}}))


def test_finalize_gives_a_mutated_pod_its_identity_back(tmp_path: Path) -> None:
    made = builder(tmp_path)
    mutated = copy.deepcopy(made.build(request()).manifest)
    mutated["metadata"] |= {"name": "renamed", "namespace": "elsewhere"}
    mutated["metadata"]["labels"] = {"cost": "1", "dag_id": "other"}
    mutated["spec"] |= {"restartPolicy": "Always", "nodeSelector": {"pool": "a"}, "hostname": None}
    container(mutated)["args"] = ["sleep"]
    final = made.finalize(mutated, request())
    assert final["metadata"]["name"] == identity.pod_name(IDENTITY)
    assert final["metadata"]["labels"] == {"cost": "1", **identity.labels(IDENTITY)}
    assert (final["metadata"]["namespace"], final["spec"]["restartPolicy"]) == ("elsewhere", "Never")
    assert (final["spec"]["nodeSelector"], "hostname" in final["spec"]) == ({"pool": "a"}, False)
    assert container(final)["args"] == list(ARGS)


HOOK_DAMAGE: list[Any] = [
    (lambda pod: pod["spec"].update(containers=[{"name": "x", "image": "i"}]), "no container named base; found: x"),
    (lambda pod: container(pod).pop("image"), "spec.containers[base] has no image"),
    (lambda pod: container(pod)["env"].append({"name": "N", "value": 1}), "env[N].value is the number 1"),
    (lambda pod: pod["metadata"].update(namespace="No!"), "metadata.namespace is 'No!', no namespace"),
]


@pytest.mark.parametrize(("damage", "message"), HOOK_DAMAGE)
def test_finalize_names_what_a_hook_broke(tmp_path: Path, damage: Any, message: str) -> None:
    made = builder(tmp_path)
    mutated = copy.deepcopy(made.build(request()).manifest)
    damage(mutated)
    with pytest.raises(ManifestError) as caught:
        made.finalize(mutated, request())
    assert caught.value.layer == "pod_mutation_hook"
    assert message in str(caught.value)
