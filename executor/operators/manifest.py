"""A container task's pod: template, full_pod_spec, parameters, secrets, result, identity, lowest first.

The executor's own merge, naming, labels and type checks. Differences from the provider: layers merge by name as
`kubectl patch --type=strategic` does, not by position; a template whose containers have other names gives its first
one to the task. Pure: the template's text is read by whoever calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from slugify import slugify

from executor import identity as names
from executor.identity import Identity
from executor.manifest import ManifestError, MergeError, strategic_merge
from executor.manifest.checks import container_without_image, last_env_wins, namespace_problem, require_pod
from executor.manifest.executor_config import read_secrets
from executor.manifest.model import BASE, JsonMap, container_index
from executor.manifest.plain import without_nulls
from executor.manifest.secret_layer import secrets_patch
from executor.manifest.types_check import check_types
from executor.operators import xcom

PARAMETERS: Final = "PodOperator"
MUTATION_HOOK: Final = "pod_mutation_hook"
OPERATOR_LABEL: Final = "airflow-pod-operator"
ON_FINISH: Final = "airflow-on-finish"
ON_KILL: Final = "airflow-on-kill"
CONTAINER: Final = "airflow-container"
_DIGEST: Final = 17  # '-' and the hash that ends a pod's name (`identity.pod_name`)
_GIVEN_NAME: Final = 253  # of a pod (Kubernetes, "Object Names and IDs")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One pod to build. parameters: rendered, plain JSON; template: the pod of pod_template_file or _dict."""

    identity: Identity
    parameters: Mapping[str, Any]
    template: JsonMap | None = None
    namespace: str = "default"  # where neither a parameter nor a template names one
    wrapped: bool = True  # the command may be run by a shell that hands the result over

    @property
    def base(self) -> str:
        """The name of the task's container."""
        return str(self.parameters.get("base_container_name") or BASE)


def pod_name(identity: Identity, name: str | None, *, suffix: bool) -> str:
    """The pod's name, the same for each who asks about this try.

    `name` is its beginning where it is given; without a suffix it is the whole of it.
    """
    ours = names.pod_name(identity)
    given = slugify(name, lowercase=True) if name else ""
    if given and not suffix:
        return given[:_GIVEN_NAME]
    return f"{given[: names.MAX_NAME - _DIGEST].rstrip('-')}{ours[-_DIGEST:]}" if given else ours


def build(wanted: Wanted) -> JsonMap:
    """The pod, ready to be posted. Raises ManifestError, one sentence with layer and field path."""
    pod: JsonMap = {"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": {"restartPolicy": "Never"}}
    for layer, patch in _layers(wanted):
        pod = _merged(pod, layer, patch)
    pod = _with_secrets(pod, wanted)
    if wanted.parameters.get("do_xcom_push") and not wanted.parameters.get("function"):  # which hands it over itself
        pod = xcom.with_result(pod, wanted.base, names.pod_name(wanted.identity), wrapped=wanted.wrapped)
    pod = _merged(pod, "executor", _identity_patch(pod, wanted))
    missing = container_without_image(pod)
    if missing:
        raise ManifestError(PARAMETERS, missing[0], "has no image", "write image=..., or name one in the template")
    return pod


def finalized(changed: JsonMap, built: JsonMap) -> JsonMap:
    """`changed`, as a pod_mutation_hook left `built`, with what identifies the pod as it was. Raises ManifestError."""
    ours, theirs = built["metadata"], changed.get("metadata") or {}
    kept = {name: {**(theirs.get(name) or {}), **ours[name]} for name in ("labels", "annotations")}
    who = {"name": ours["name"], "namespace": ours["namespace"]}
    check_types(changed, MUTATION_HOOK)
    return {**changed, "metadata": {**theirs, **kept, **who}}


def selector(deployment: str) -> str:
    """The label selector for the pods that triggerers of this deployment follow."""
    return f"{OPERATOR_LABEL}={names.safe_label_value(deployment)}"


def _layers(wanted: Wanted) -> list[tuple[str, JsonMap]]:
    given = wanted.parameters
    layers: list[tuple[str, JsonMap]] = []
    if wanted.template is not None:
        layer = f"podTemplate {given.get('pod_template_file') or 'pod_template_dict'}"
        layers.append((layer, _base_named(require_pod(wanted.template, layer), wanted.base)))
    elif given.get("pod_template_dict"):
        named = _base_named(require_pod(given["pod_template_dict"], "pod_template_dict"), wanted.base)
        layers.append(("pod_template_dict", named))
    if given.get("full_pod_spec"):
        layers.append(("full_pod_spec", _base_named(require_pod(given["full_pod_spec"], "full_pod_spec"), wanted.base)))
    return [*layers, (PARAMETERS, last_env_wins(_from_parameters(given, wanted.base)))]


def _base_named(pod: JsonMap, base: str) -> JsonMap:
    """The provider takes a template's first container for the task's, whatever its name."""
    spec = pod.get("spec") or {}
    containers = spec.get("containers") or []
    if not containers or container_index(pod, base) is not None:
        return pod
    return {**pod, "spec": {**spec, "containers": [{**containers[0], "name": base}, *containers[1:]]}}


def _merged(pod: JsonMap, layer: str, patch: JsonMap) -> JsonMap:
    check_types(patch, layer)
    try:
        return dict(without_nulls(strategic_merge(pod, patch)))
    except MergeError as error:
        raise ManifestError(layer, error.path, error.problem, "write what Kubernetes takes there") from None


#: Kubernetes' name of a parameter that goes into the container, and into the pod's spec, as it is.
_CONTAINER: Final = {
    "image": "image",
    "cmds": "command",
    "arguments": "args",
    "ports": "ports",
    "image_pull_policy": "imagePullPolicy",
    "container_resources": "resources",
    "volume_mounts": "volumeMounts",
    "container_security_context": "securityContext",
    "termination_message_policy": "terminationMessagePolicy",
}
_SPEC: Final = {
    "runtime_class_name": "runtimeClassName",
    "node_selector": "nodeSelector",
    "affinity": "affinity",
    "tolerations": "tolerations",
    "init_containers": "initContainers",
    "host_aliases": "hostAliases",
    "image_pull_secrets": "imagePullSecrets",
    "service_account_name": "serviceAccountName",
    "automount_service_account_token": "automountServiceAccountToken",
    "hostnetwork": "hostNetwork",
    "hostname": "hostname",
    "subdomain": "subdomain",
    "security_context": "securityContext",
    "dnspolicy": "dnsPolicy",
    "dns_config": "dnsConfig",
    "schedulername": "schedulerName",
    "priority_class_name": "priorityClassName",
    "volumes": "volumes",
    "active_deadline_seconds": "activeDeadlineSeconds",
    "termination_grace_period": "terminationGracePeriodSeconds",
}
_MAY_BE_FALSE: Final = frozenset({"automount_service_account_token", "termination_grace_period"})


def _from_parameters(given: Mapping[str, Any], base: str) -> JsonMap:
    container = {"name": base, **_fields(given, _CONTAINER)}
    env = [*(given.get("env_vars") or ()), *(given.get("pod_runtime_info_envs") or ())]
    sources = [*(given.get("env_from") or ()), *({"configMapRef": {"name": one}} for one in given["configmaps"] or ())]
    container |= {name: value for name, value in (("env", env), ("envFrom", sources)) if value}
    metadata = {name: given[name] for name in ("namespace", "labels", "annotations") if given.get(name)}
    return {"metadata": metadata, "spec": {**_fields(given, _SPEC), "containers": [container]}}


def _fields(given: Mapping[str, Any], table: Mapping[str, str]) -> JsonMap:
    """What is empty is not set, as in the provider."""
    present = {name: given.get(name) for name in table}
    return {
        table[name]: value for name, value in present.items() if value or (name in _MAY_BE_FALSE and value is not None)
    }


def _with_secrets(pod: JsonMap, wanted: Wanted) -> JsonMap:
    uses = read_secrets(wanted.parameters.get("secrets"))
    if not uses:
        return pod
    patch = secrets_patch(uses, _renamed(pod, wanted.base, BASE))
    return _merged(pod, "secrets", _renamed(patch, BASE, wanted.base))


def _renamed(pod: JsonMap, old: str, new: str) -> JsonMap:
    if old == new:
        return pod
    swap = {old: new, new: old}
    containers = [{**one, "name": swap.get(one["name"], one["name"])} for one in pod["spec"]["containers"]]
    return {**pod, "spec": {**pod["spec"], "containers": containers}}


def _identity_patch(pod: JsonMap, wanted: Wanted) -> JsonMap:
    given, who = wanted.parameters, wanted.identity
    namespace = (pod.get("metadata") or {}).get("namespace") or wanted.namespace
    problem = namespace_problem(namespace, None)
    if problem:
        raise ManifestError(PARAMETERS, "metadata.namespace", *problem)
    name = given.get("name") or (pod.get("metadata") or {}).get("name")
    metadata = {
        "name": pod_name(who, name, suffix=bool(given.get("random_name_suffix", True))),
        "namespace": namespace,
        "labels": _labels(who),
        "annotations": {
            **names.annotations(who),
            ON_FINISH: given["on_finish_action"],
            ON_KILL: given["on_kill_action"],
            CONTAINER: wanted.base,
        },
    }
    return {"metadata": metadata, "spec": {"restartPolicy": "Never"}}


def _labels(who: Identity) -> dict[str, str]:
    """The provider's labels of such a pod, and ours. Not the executor's: it would take the pod for a worker of its."""
    labels = names.labels(who)
    kept = ("dag_id", "task_id", "run_id", "try_number", "map_index", "airflow_version", names.LAUNCH_LABEL)
    chosen = {name: labels[name] for name in (*kept, names.TI_LABEL) if name in labels}
    return {**chosen, "kubernetes_pod_operator": "True", OPERATOR_LABEL: labels[names.DEPLOYMENT_LABEL]}
