"""PodOperator takes what the installed provider's KubernetesPodOperator takes, and says what it cannot honour."""

from __future__ import annotations

import inspect
import json
from typing import Any

import pytest
import yaml
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.secret import Secret as ProviderSecret
from airflow.sdk import DAG, Asset, task
from airflow.serialization.serialized_objects import DagSerialization
from kubernetes.client import models as k8s

from executor.operators import PodOperator
from executor.operators.carried import XComMarker, unpack
from executor.operators.parameters import BY_NAME, PARAMETERS, TEMPLATE_FIELDS, Use
from executor.operators.plain import RefusedParameterError

EXAMPLES: dict[str, Any] = {
    "image": "i:1",
    "name": "n",
    "random_name_suffix": False,
    "cmds": ["a"],
    "arguments": ["b"],
    "namespace": "ns",
    "ports": [k8s.V1ContainerPort(container_port=80)],
    "volume_mounts": [k8s.V1VolumeMount(name="v", mount_path="/v")],
    "volumes": [k8s.V1Volume(name="v", empty_dir=k8s.V1EmptyDirVolumeSource())],
    "env_vars": [k8s.V1EnvVar(name="A", value="{{ ds }}")],
    "env_from": [k8s.V1EnvFromSource(config_map_ref=k8s.V1ConfigMapEnvSource(name="c"))],
    "secrets": [ProviderSecret("env", "a", "s", "k"), ProviderSecret("volume", "/x", "s")],
    "affinity": {"nodeAffinity": {}},
    "full_pod_spec": k8s.V1Pod(spec=k8s.V1PodSpec(containers=[k8s.V1Container(name="base")])),
    "skip_on_exit_code": range(3, 5),
    "image_pull_secrets": "one,two",
    "on_finish_action": "keep_pod",
    "container_logs": ("base", "other"),
    "pod_template_dict": {"spec": {}},
    "kubernetes_conn_id": "k",
    "configmaps": ["c"],
    "termination_message_policy": "FallbackToLogsOnError",
    "on_kill_action": "keep_pod",
}


def example(name: str) -> Any:
    if name in EXAMPLES:
        return EXAMPLES[name]
    default = BY_NAME[name].default
    if isinstance(default, bool):
        return not default
    return 7 if default is None or isinstance(default, int) else "other"


def test_names_and_defaults_are_the_providers() -> None:
    theirs = inspect.signature(KubernetesPodOperator.__init__).parameters
    ours = inspect.signature(PodOperator.__init__).parameters
    wanted = {name: one.default for name, one in theirs.items() if name not in ("self", "kwargs")}
    assert {name: one.default for name, one in ours.items() if name not in ("self", "kwargs")} == wanted


def test_template_fields_are_the_providers() -> None:
    assert tuple(KubernetesPodOperator.template_fields) == TEMPLATE_FIELDS == PodOperator.template_fields


def test_each_parameter_without_effect_says_why() -> None:
    silent = [one.name for one in PARAMETERS if one.use in (Use.NOTHING, Use.WORKER, Use.REFUSED) and not one.why]
    assert silent == []


@pytest.mark.parametrize("name", [one.name for one in PARAMETERS if one.use in (Use.POD, Use.RUN, Use.CLUSTER)])
def test_each_parameter_reaches_the_triggerer(name: str) -> None:
    """Through the DAG as it is stored: what the trigger is told is plain JSON, and different from the default."""
    with DAG("d", schedule=None) as dag:
        PodOperator(task_id="t", **{name: example(name)})
    stored = json.loads(json.dumps(DagSerialization.to_dict(dag)))
    arguments = stored["dag"]["tasks"][0]["__var"]["start_trigger_args"]["trigger_kwargs"]["__var"]
    told = unpack(arguments["parameters"])[name]
    assert told != BY_NAME[name].default
    assert json.loads(json.dumps(told)) == told


def test_what_the_provider_converts_is_converted() -> None:
    with DAG("d", schedule=None):
        made = PodOperator(task_id="t", **EXAMPLES)
    assert made.env_vars == [{"name": "A", "value": "{{ ds }}"}]
    assert made.image_pull_secrets == [{"name": "one"}, {"name": "two"}]
    assert made.skip_on_exit_code == [3, 4]
    assert made.secrets[0]["deploy_target"] == "A"
    assert made.volumes == [{"name": "v", "emptyDir": {}}]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"trigger_kwargs": {"a": 1}}, "trigger_kwargs cannot be honoured: it holds arguments for the provider's own"),
        ({"is_delete_operator_pod": True}, "is_delete_operator_pod cannot be honoured: the provider ignores it"),
        ({"env_vars": {"A": object()}}, "env_vars.A is a object, which has no meaning in a pod"),
        ({"tolerations": [{"key": {1, 2}}]}, r"tolerations\[0\].key is a set, which has no meaning in a pod"),
        ({"secrets": ["text"]}, r"secrets\[0\] is text"),
    ],
)
def test_what_cannot_be_honoured_is_refused_at_parse(given: dict[str, Any], sentence: str) -> None:
    with DAG("d", schedule=None), pytest.raises(RefusedParameterError, match=f"t: {sentence}"):
        PodOperator(task_id="t", **given)


def test_a_mapped_tasks_arguments_are_refused_at_parse_too() -> None:
    with DAG("d", schedule=None):
        with pytest.raises(RefusedParameterError, match=r"PodOperator t: env_vars.A is a object"):
            PodOperator.partial(task_id="t", env_vars={"A": object()})
        partial = PodOperator.partial(task_id="u")
        with pytest.raises(RefusedParameterError, match=r"PodOperator u: volumes\[0\] is a set"):
            partial.expand(volumes=[[{1}]])
        partial.expand(image=["a"])


class Callback:
    """A user's."""


class Sub(PodOperator):
    def pre_execute(self, context: Any) -> None:
        """A hook of a user's."""


class Renamed(PodOperator):
    """A subclass without hooks."""

    BASE_CONTAINER_NAME = "main"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, None),
        ({"retries": 3, "queue": "q", "priority_weight": 5}, None),
        ({"on_failure_callback": print}, None),
        ({"pool": "p"}, "pool 'p'"),
        ({"max_active_tis_per_dag": 2}, "max_active_tis_per_dag"),
        ({"max_active_tis_per_dagrun": 2}, "max_active_tis_per_dagrun"),
        ({"outlets": [Asset("a")]}, "outlets"),
        ({"inlets": [Asset("a")]}, "inlets"),
        ({"on_execute_callback": print}, "on_execute_callback"),
        ({"pre_execute": print}, "pre_execute"),
        ({"post_execute": print}, "post_execute"),
        ({"callbacks": [Callback]}, "callbacks"),
        ({"progress_callback": print}, "progress_callback"),
        ({"log_formatter": lambda container, line: line}, "log_formatter"),
    ],
)
def test_what_needs_a_worker_takes_the_worker_path(given: dict[str, Any], reason: str | None) -> None:
    with DAG("d", schedule=None) as dag:
        made = PodOperator(task_id="plain", **given)
        PodOperator.partial(task_id="mapped", **given).expand(image=["a", "b"])
    stored = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    assert [stored.get_task(name).start_from_trigger for name in ("plain", "mapped")] == [reason is None] * 2
    assert [reason in one for one in made.worker_reasons] == ([True] if reason else [])


def test_subclasses_and_templates_that_are_not_stored() -> None:
    with DAG("d", schedule=None, user_defined_macros={"m": print}):
        assert "user_defined_macros" in PodOperator(task_id="t").worker_reasons[0]
    with DAG("e", schedule=None):
        assert Sub(task_id="t").worker_reasons == ("Sub.pre_execute is called by a worker",)
        assert Renamed(task_id="u").worker_reasons == ()
        assert Renamed(task_id="v").base_container_name == "main"


def test_xcoms_of_other_tasks() -> None:
    with DAG("d", schedule=None) as dag:
        up = task(task_id="up")(lambda: "x")()
        direct = PodOperator(task_id="direct", image=up, env_vars={"A": up, "B": "b"}, arguments=["1", up])
        computed = PodOperator(task_id="computed", image=up.map(lambda value: value))
        mapped = PodOperator.partial(task_id="mapped").expand(image=up)
        PodOperator.partial(task_id="mapped_computed").expand(image=up.map(lambda value: value))
    told = unpack(direct.start_trigger_args.trigger_kwargs["parameters"])
    marker = XComMarker("up", "return_value")
    assert told["image"] == marker
    assert told["env_vars"] == [{"name": "A", "value": marker}, {"name": "B", "value": "b"}]
    assert told["arguments"] == ["1", marker]
    assert direct.upstream_task_ids == mapped.upstream_task_ids == {"up"}
    assert computed.worker_reasons == ("image is computed from XComs, which a worker does",)
    stored = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    ways = {one: stored.get_task(one).start_from_trigger for one in ("direct", "computed", "mapped", "mapped_computed")}
    assert ways == {"direct": True, "computed": False, "mapped": True, "mapped_computed": False}


def test_a_dags_default_arguments_reach_plain_and_mapped_tasks() -> None:
    with DAG("d", schedule=None, default_args={"namespace": "ns", "pool": "default_pool"}) as dag:
        plain = PodOperator(task_id="plain")
        PodOperator.partial(task_id="mapped").expand(image=["a"])
    stored = DagSerialization.from_dict(DagSerialization.to_dict(dag)).get_task("mapped").start_trigger_args
    text = next(iter(json.loads(json.dumps(stored.trigger_kwargs))["__var"].values()))
    assert plain.namespace == unpack(text)["namespace"] == "ns"


def test_dry_run_prints_the_pod(capsys: pytest.CaptureFixture[str]) -> None:
    with DAG("d", schedule=None):
        PodOperator(task_id="t", image="{{ ds }}:1", env_vars={"A": "b"}, do_xcom_push=True).dry_run()
    printed = yaml.safe_load(capsys.readouterr().out)
    container = printed["spec"]["containers"][0]
    assert (container["image"], container["env"]) == ("{{ ds }}:1", [{"name": "A", "value": "b"}])
    assert printed["metadata"]["annotations"]["task_id"] == "t"


def test_the_same_dag_is_stored_the_same() -> None:
    def stored() -> str:
        with DAG("d", schedule=None) as dag:
            PodOperator(task_id="t", **EXAMPLES)
            PodOperator.partial(task_id="m", **{**EXAMPLES, "name": "m"}).expand(hostname=["a", "b"])
        return json.dumps(DagSerialization.to_dict(dag), sort_keys=True)

    assert stored() == stored()
