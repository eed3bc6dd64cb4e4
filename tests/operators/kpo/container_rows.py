"""Rows of the parameters of the container: what it runs, with which environment, files, rights and messages."""

from __future__ import annotations

from typing import Any

from airflow.providers.cncf.kubernetes.secret import Secret
from kubernetes.client import models as k8s

from tests.operators.kpo.row import Kwargs, Place, Row, Seen

TOOLS = "tools:1"  # an image with an environment and an entrypoint of its own
HELPER = "helper"


def _env_var(name: str, **source: Any) -> k8s.V1EnvVar:
    return k8s.V1EnvVar(name=name, value_from=k8s.V1EnvVarSource(**source))


def field_env(name: str, path: str) -> k8s.V1EnvVar:
    """A variable that shows a field of the pod."""
    return _env_var(name, field_ref=k8s.V1ObjectFieldSelector(field_path=path))


def resource_env(name: str, resource: str) -> k8s.V1EnvVar:
    """A variable that shows a resource of the container."""
    return _env_var(name, resource_field_ref=k8s.V1ResourceFieldSelector(resource=resource))


def says(row: str, *lines: str) -> Any:
    """A check: the row's script printed exactly this."""

    def check(seen: Seen) -> None:
        assert seen.said(row) == list(lines), seen.log

    return check


def _environment(place: Place) -> Kwargs:
    return {"env_vars": {"GREETING": "hello", "DAG": "{{ dag.dag_id }}"}}


def _secrets(place: Place) -> Kwargs:
    secret: Any = Secret
    whole, one = secret("volume", "/etc/vault", "vault"), secret("env", "VAULT_USER", "vault", "user")
    return {"secrets": [one, whole]}


def _env_from(place: Place) -> Kwargs:
    return {"env_from": [k8s.V1EnvFromSource(config_map_ref=k8s.V1ConfigMapEnvSource(name="colours"))]}


def _volumes(place: Place) -> Kwargs:
    volume = k8s.V1Volume(name="rules", config_map=k8s.V1ConfigMapVolumeSource(name="rules"))
    return {"volumes": [volume], "volume_mounts": [k8s.V1VolumeMount(name="rules", mount_path="/etc/rules")]}


def _volume_mounts(place: Place) -> Kwargs:
    volume = k8s.V1Volume(name="one", config_map=k8s.V1ConfigMapVolumeSource(name="rules"))
    mount = k8s.V1VolumeMount(name="one", mount_path="/srv/first.txt", sub_path="first", read_only=True)
    return {"volumes": [volume], "volume_mounts": [mount]}


def _init_containers(place: Place) -> Kwargs:
    volume = k8s.V1Volume(name="prepared", empty_dir=k8s.V1EmptyDirVolumeSource())
    mount = k8s.V1VolumeMount(name="prepared", mount_path="/prepared")
    first = k8s.V1Container(
        name="prepare", image="tools:1", command=["sh", "-c", "echo by init > /prepared/file"], volume_mounts=[mount]
    )
    return {"init_containers": [first], "volumes": [volume], "volume_mounts": [mount]}


def _resources(place: Place) -> Kwargs:
    amounts = {"cpu": "200m", "memory": "96Mi"}
    return {
        "container_resources": k8s.V1ResourceRequirements(limits=amounts, requests=amounts),
        "pod_runtime_info_envs": [resource_env("MEMORY", "limits.memory")],
    }


def with_helper(place: Place) -> Kwargs:
    """A second container, beside the operator's."""
    helper = k8s.V1Container(name=HELPER, image=TOOLS, command=["sh", "-c", "echo the helper speaks"])
    metadata = k8s.V1ObjectMeta(labels={"second": "full_pod_spec", "third": "full_pod_spec"})
    spec = k8s.V1PodSpec(containers=[k8s.V1Container(name="base"), helper])
    return {"full_pod_spec": k8s.V1Pod(metadata=metadata, spec=spec)}


def _instead(seen: Seen) -> None:
    assert seen.said("cmds") == ["instead of kpo"]
    assert "the image's own entrypoint" not in seen.log


def _pulled_again(seen: Seen) -> None:
    pulls = [event.message for event in seen.events if event.reason == "Pulling"]
    assert f'Pulling image "{TOOLS}"' in pulls


def _helper_ran(seen: Seen) -> None:
    assert seen.pod.status(HELPER)["state"]["terminated"]["exitCode"] == 0


def _helper_in_log(seen: Seen) -> None:
    assert f"[{HELPER}] the helper speaks" in seen.log
    assert "[base]" in seen.log


def _quiet(seen: Seen) -> None:
    assert seen.pod.status()["state"]["terminated"]
    assert "nobody hears this" not in seen.log


def _nodes_agree(seen: Seen) -> None:
    assert seen.said("pod_runtime_info_envs") == [f"{seen.pod.spec['nodeName']} {seen.pod.name}"]


def _skipped(seen: Seen) -> None:
    assert seen.pod.status()["state"]["terminated"]["exitCode"] == 42


def _base_name(seen: Seen) -> None:
    assert seen.pod.status("etl")["state"]["terminated"]
    assert seen.said("base_container_name") == ["in etl"]
    assert "[etl]" in seen.log


def _told_by_the_log(seen: Seen) -> None:
    message = seen.pod.status()["state"]["terminated"]["message"]
    assert "the last words" in message
    assert "the last words" in seen.log.partition("returned a failure")[2]


ROWS = (
    Row(
        "image",
        "the image's own environment and files are there; the name is rendered",
        says("image", "tools"),
        lambda place: {"image": "{{ 'tools' }}:1"},
        script="echo $MADE_OF",
    ),
    Row(
        "cmds",
        "they run instead of the image's entrypoint, rendered",
        _instead,
        lambda place: {"image": "{{ 'tools' }}:1"},
        script="echo instead of {{ dag.dag_id }}",
    ),
    Row(
        "arguments",
        "the program gets them, rendered, spaces kept",
        says("arguments", "kpo|two words"),
        lambda place: {"arguments": ["{{ dag.dag_id }}", "two words"]},
        script='echo "$0|$1"',
    ),
    Row(
        "env_vars",
        "variables inside the container, rendered",
        says("env_vars", "hello from kpo"),
        _environment,
        script='echo "$GREETING from $DAG"',
    ),
    Row(
        "env_from",
        "the ConfigMap's keys are variables",
        says("env_from", "green"),
        _env_from,
        script="echo $GRASS",
    ),
    Row(
        "configmaps",
        "the ConfigMap's keys are variables",
        says("configmaps", "42"),
        lambda place: {"configmaps": ["settings"]},
        script="echo $ANSWER",
    ),
    Row(
        "secrets",
        "a key as variable (the provider writes its name in capitals), a Secret as files",
        says("secrets", "anna", "anna", "s3cret"),
        _secrets,
        script="echo $VAULT_USER; cat /etc/vault/user; echo; cat /etc/vault/password; echo",
    ),
    Row(
        "volumes",
        "the ConfigMap's keys are files",
        says("volumes", "first second", "1"),
        _volumes,
        script="echo $(ls /etc/rules); cat /etc/rules/first; echo",
    ),
    Row(
        "volume_mounts",
        "one key lies at the path of its `sub_path`, and cannot be written",
        says("volume_mounts", "1", "refused"),
        _volume_mounts,
        script="cat /srv/first.txt; echo; (echo x > /srv/first.txt) 2>/dev/null || echo refused",
    ),
    Row(
        "init_containers",
        "what the init container wrote is there",
        says("init_containers", "by init"),
        _init_containers,
        script="cat /prepared/file",
    ),
    Row(
        "pod_runtime_info_envs",
        "variables show the node's and the pod's name",
        _nodes_agree,
        lambda place: {
            "pod_runtime_info_envs": [field_env("NODE", "spec.nodeName"), field_env("POD", "metadata.name")]
        },
        script="echo $NODE $POD",
    ),
    Row(
        "container_resources",
        "the container sees its limit of 96Mi",
        says("container_resources", str(96 << 20)),
        _resources,
        script="echo $MEMORY",
    ),
    Row(
        "container_security_context",
        "`read_only_root_filesystem`: nothing can be written",
        says("container_security_context", "read-only"),
        lambda place: {"container_security_context": k8s.V1SecurityContext(read_only_root_filesystem=True)},
        script="(touch /somewhere) 2>/dev/null || echo read-only",
    ),
    Row(
        "image_pull_policy",
        "`Always`: the node pulls the image though it has it (Event `Pulling`)",
        _pulled_again,
        lambda place: {"image": "{{ 'tools' }}:1", "image_pull_policy": "Always"},
        script="true",
    ),
    Row(
        "full_pod_spec",
        "its second container runs beside the operator's",
        _helper_ran,
        with_helper,
        script="true",
    ),
    Row(
        "container_logs",
        "lines of both containers are in the task's log",
        _helper_in_log,
        lambda place: {**with_helper(place), "container_logs": ["base", HELPER]},
        script="echo the base speaks",
    ),
    Row(
        "get_logs",
        "`False`: the container's lines are not in the task's log",
        _quiet,
        lambda place: {"get_logs": False},
        script="echo nobody hears this",
    ),
    Row(
        "base_container_name",
        "the container has that name, and its lines are followed",
        _base_name,
        lambda place: {"base_container_name": "etl"},
        script="echo in etl",
    ),
    Row(
        "skip_on_exit_code",
        "the container ended with 42, and the task is skipped",
        _skipped,
        lambda place: {"skip_on_exit_code": 42},
        script="true",
        exit_code=42,
        ends="skipped",
    ),
    Row(
        "termination_message_policy",
        "`FallbackToLogsOnError`: the end of the log is the container's message, and the task's error shows it",
        _told_by_the_log,
        lambda place: {"termination_message_policy": "FallbackToLogsOnError"},
        script="echo the last words",
        exit_code=3,
        ends="failed",
    ),
)
