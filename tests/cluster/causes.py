"""Everything that can keep a task's pod from doing its work, each as one task that meets it.

A cause is an executor_config, perhaps something that is done to the pod once it is there, and the event of Airflow's
event log in which the executor tells of it. Excluded: who runs them (`sentences.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from executor.demo.mishaps import Mishaps
from executor.model import GivenBack

Json = dict[str, Any]

FAILED, WAITING, RELAUNCHED, DISRUPTED = "pod failed", "pod waiting", "pod relaunched", "pod disrupted"
SAYS = "reading all orders"
FOREVER = "while :; do sleep 0.1; done"
DRAINABLE = f"trap 'exit 143' TERM; echo {SAYS}; {FOREVER}"
EAT = f"echo {SAYS}; exec python3 -I -S -c 'import time; x = bytearray(200 << 20); time.sleep(60)'"


class World(Protocol):
    """What a cause may do: calls by name and namespace of a pod, or by node."""

    mishaps: Mishaps

    def log(self, pod: Json) -> str:
        """What its container `base` has said so far."""

    def write_status(self, pod: Json, status: Json) -> None:
        """As its node would."""


Act = Callable[[World, Json], None]


@dataclass(frozen=True, slots=True)
class Cause:
    """title: the row of the README's table; row: what Airflow's row says; given_back: what becomes of a try that was
    taken; act: what happens to the pod once `when` is true of it (late: and all of PLACES was told, which counts
    nodes); event: where it is told."""

    title: str
    config: Json
    row: str = "running"
    given_back: GivenBack = GivenBack.NO_RETRIES
    act: Act | None = None
    when: Callable[[World, Json], bool] = lambda world, pod: True
    late: bool = False
    event: str = FAILED


def base(**fields: Any) -> Json:
    """An executor_config that sets these fields of the container `base`."""
    return {"pod_override": {"spec": {"containers": [{"name": "base", **fields}]}}}


def script(text: str, *, spec: Json | None = None, beside: Sequence[Json] = (), **fields: Any) -> Json:
    """One whose container `base` runs a shell script; beside: other containers."""
    env = [{"name": "TASK", "value": text}, *fields.pop("env", ())]
    config = base(env=env, **fields)
    config["pod_override"]["spec"] |= spec or {}
    config["pod_override"]["spec"]["containers"] += beside
    return config


def on(node: str) -> Json:
    tolerant = [{"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 0}]
    return {"nodeSelector": {"kubernetes.io/hostname": node}, "tolerations": tolerant}


def in_namespace(name: str) -> Json:
    return {"pod_override": {"metadata": {"namespace": name}}}


def reference(**source: Json) -> Json:
    return script("true", env=[{"name": "PASSWORD", "valueFrom": source}])


def init(text: str, **more: Any) -> Json:
    container = {"name": "prepare", "image": "local", "command": ["sh", "-c", text], **more}
    return script("true", spec={"initContainers": [container]})


def is_running(world: World, pod: Json) -> bool:
    statuses = pod["status"].get("containerStatuses") or ()
    return any(one["name"] == "base" and "running" in one["state"] for one in statuses)


def has_begun(world: World, pod: Json) -> bool:
    return is_running(world, pod) and SAYS in world.log(pod)


def _names(pod: Json) -> tuple[str, str]:
    return pod["metadata"]["name"], pod["metadata"]["namespace"]


def _shutdown(world: World, pod: Json) -> None:
    """What a kubelet writes while its machine shuts down (Kubernetes: "Node Shutdowns")."""
    message = "Pod was terminated in response to imminent node shutdown."
    target = {"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet", "message": message}
    failed = {"phase": "Failed", "reason": "Terminated", "message": message, "conditions": [target]}
    world.write_status(pod, failed)


def _restart(world: World, pod: Json) -> None:
    """Its machine was without power for a moment, too short for anybody else to notice."""
    world.mishaps.stop_node(pod["spec"]["nodeName"])
    world.mishaps.mend_node(pod["spec"]["nodeName"])


def drain(world: World, pod: Json) -> None:
    world.mishaps.drain(*_names(pod))


def delete(world: World, pod: Json) -> None:
    world.mishaps.delete(*_names(pod))


def delete_by_force(world: World, pod: Json) -> None:
    world.mishaps.delete(*_names(pod), grace=0)


GATES = {"schedulingGates": [{"name": "kueue.x-k8s.io/admission"}]}
MEMORY = {"requests": {"memory": "900Gi"}}

ENDED = {
    "exit_code": Cause("the task's process ends with an error", script("echo no such table: orders; exit 3")),
    "signal": Cause("it crashes", script("exec python3 -I -S -c 'import ctypes; ctypes.string_at(0)'")),
    "out_of_memory": Cause(
        "it needs more memory than it may have", script(EAT, resources={"limits": {"memory": "64Mi"}})
    ),
    "no_report": Cause("it ends well, but is no Airflow worker", script("exit 0")),
    "deadline": Cause("the pod's `activeDeadlineSeconds` pass", script(DRAINABLE, spec={"activeDeadlineSeconds": 10})),
    "no_program": Cause("the image has no Python", {"pod_template_file": "no_program.yaml"}, row="queued"),
    "init_fails": Cause("an init container fails", init("echo no route to the vault; exit 7"), row="queued"),
    "init_memory": Cause(
        "an init container needs more memory than it may have",
        init(EAT, resources={"limits": {"memory": "64Mi"}}),
        row="queued",
    ),
}
DISRUPTIONS = {
    "drained": Cause("its node is drained", script(DRAINABLE), act=drain, when=has_begun),
    "given_back": Cause(
        "the same, and the task has retries",
        script(DRAINABLE),
        given_back=GivenBack.GIVEN,
        act=drain,
        when=has_begun,
        event=DISRUPTED,
    ),
    "budget_spent": Cause(
        "the same, and its `disruption_retries` are spent",
        script(DRAINABLE),
        given_back=GivenBack.SPENT,
        act=drain,
        when=has_begun,
    ),
    "evicted": Cause(
        "its node runs out of memory",
        script(FOREVER),
        act=lambda world, pod: world.mishaps.evict(*_names(pod)),
        when=is_running,
    ),
    "preempted": Cause(
        "a more important pod needs the room",
        script(DRAINABLE),
        act=lambda world, pod: world.mishaps.preempt(*_names(pod)),
        when=has_begun,
    ),
    "shutdown": Cause("its node shuts down", script(FOREVER), act=_shutdown, when=is_running),
    "node_restarted": Cause("its node restarts", script(FOREVER, spec=on("node-4")), act=_restart, when=is_running),
    "node_stopped": Cause(
        "its node dies",
        script(FOREVER, spec=on("node-2")),
        act=lambda world, pod: world.mishaps.stop_node(pod["spec"]["nodeName"]),
        late=True,
        when=is_running,
    ),
    "node_deleted": Cause(
        "its node is removed from the cluster",
        script(FOREVER, spec=on("node-3")),
        act=lambda world, pod: world.mishaps.delete_node(pod["spec"]["nodeName"]),
        late=True,
        when=is_running,
    ),
    "deleted": Cause("somebody deletes the pod", script(DRAINABLE), act=delete, when=has_begun),
    "forced": Cause("somebody deletes it by force", script(FOREVER), act=delete_by_force, when=is_running),
    "deleted_before": Cause(
        "somebody deletes the pod before the task starts",
        script("true", spec=GATES),
        row="queued",
        act=delete,
        event=RELAUNCHED,
    ),
    "deleted_always": Cause("the same, again and again", script("true", spec=GATES), row="queued", act=delete),
}
IMAGES = {
    "image_missing": Cause(
        "the image does not exist", script("true", image="registry.example/missing:1"), row="queued"
    ),
    "image_name": Cause("the image's name is not valid", script("true", image="Registry/Not A Name"), row="queued"),
    "image_never": Cause(
        "the image is not on the node, and may not be pulled",
        script("true", image="registry.example/missing:1", imagePullPolicy="Never"),
        row="queued",
    ),
    "registry_down": Cause(
        "the registry does not answer", script("true", image="registry.example/down:1"), row="queued"
    ),
    "registry_down_waits": Cause(
        "the same, meanwhile", script("true", image="registry.example/down:1"), row="queued", event=WAITING
    ),
    "pull_secret": Cause(
        "the pull secret is missing",
        script("true", image="registry.example/private:1", spec={"imagePullSecrets": [{"name": "no-such"}]}),
        row="queued",
    ),
}
CONFIGURATION = {
    "no_secret": Cause(
        "a Secret is missing",
        reference(secretKeyRef={"name": "no-such-secret", "key": "password"}),
        row="queued",
    ),
    "no_config_map": Cause(
        "a ConfigMap is missing",
        reference(configMapKeyRef={"name": "no-such-map", "key": "password"}),
        row="queued",
    ),
    "no_key": Cause(
        "a key of a Secret is missing", reference(secretKeyRef={"name": "database", "key": "pasword"}), row="queued"
    ),
    "no_volume": Cause(
        "a volume's Secret is missing",
        script("true", spec={"volumes": [{"name": "keys", "secret": {"secretName": "no-such-secret"}}]}),
        row="queued",
    ),
}
PLACES = {
    "unschedulable": Cause("no node has room, for too long", script("true", resources=MEMORY), row="queued"),
    "unschedulable_waits": Cause("the same, meanwhile", script("true", resources=MEMORY), row="queued", event=WAITING),
    "selector": Cause(
        "no node has the label it asks for",
        script("true", spec={"nodeSelector": {"gpu": "yes"}}),
        row="queued",
        event=WAITING,
    ),
    "gated": Cause("a queue such as Kueue holds it", script("true", spec=GATES), row="queued", event=WAITING),
    "quota": Cause("the namespace's quota is used up", in_namespace("full"), row="queued", event=WAITING),
    "busy": Cause("the API server is overloaded", in_namespace("busy"), row="queued", event=WAITING),
    "unreachable": Cause("the API server does not answer", in_namespace("cut"), row="queued", event=WAITING),
}
REFUSALS = {
    "unknown_field": Cause("a field is misspelled", base(imagePullPolcy="Always"), row="queued"),
    "wrong_type": Cause("a value has the wrong type", base(env=[{"name": "LEVEL", "value": 3}]), row="queued"),
    "invalid": Cause("a value is not allowed", base(ports=[{"containerPort": 99999}]), row="queued"),
    "forbidden": Cause("the executor may not create pods there", in_namespace("secured"), row="queued"),
    "no_secrets": Cause("the executor may not create Secrets there", in_namespace("no-secrets"), row="queued"),
    "no_namespace": Cause("the namespace does not exist", in_namespace("nowhere"), row="queued"),
    "no_template": Cause("the pod template does not exist", {"pod_template": "gpu"}, row="queued"),
    "bad_template": Cause("the pod template is no YAML", {"pod_template_file": "bad.yaml"}, row="queued"),
}
SECTIONS: dict[str, dict[str, Cause]] = {
    "The task ended": ENDED,
    "Its pod was taken away": DISRUPTIONS,
    "No image": IMAGES,
    "No configuration": CONFIGURATION,
    "No place": PLACES,
    "Refused": REFUSALS,
}
# The worker has reported success; what else is in its pod is stopped, and nobody is told.
NEVER_ENDS = {
    "sidecar": Cause(
        "a sidecar never ends",
        script("true", beside=[{"name": "proxy", "image": "local", "command": ["sh", "-c", DRAINABLE]}]),
        row="success",
        event="",
    )
}
CAUSES: dict[str, Cause] = {name: one for section in SECTIONS.values() for name, one in section.items()} | NEVER_ENDS
