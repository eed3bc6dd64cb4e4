"""Rows of the parameters of the pod: its name, place, node, account and network."""

from __future__ import annotations

from kubernetes.client import models as k8s

from tests.operators.kpo.container_rows import field_env, says, with_helper
from tests.operators.kpo.row import Check, Kwargs, Place, Row, Seen

JOBS = "{{ 'jobs' }}"
GPU, EUROPE, PORT = {"pool": "gpu"}, {"zone": "eu"}, 18_080


def constraints(place: Place) -> Kwargs:
    """What leaves one node: the others have no such pool, another zone, or the port taken."""
    zone = k8s.V1NodeSelectorRequirement(key="zone", operator="In", values=["eu"])
    terms = k8s.V1NodeSelector(node_selector_terms=[k8s.V1NodeSelectorTerm(match_expressions=[zone])])
    return {
        "node_selector": dict(GPU),
        "affinity": k8s.V1Affinity(
            node_affinity=k8s.V1NodeAffinity(required_during_scheduling_ignored_during_execution=terms)
        ),
        "tolerations": [k8s.V1Toleration(key="dedicated", operator="Equal", value="etl", effect="NoSchedule")],
        "ports": [k8s.V1ContainerPort(name="web", container_port=PORT, host_port=PORT)],
    }


def _on(**labels: str) -> Check:
    def check(seen: Seen) -> None:
        node = seen.pod.spec["nodeName"]
        assert labels.items() <= seen.nodes[node].items(), node

    return check


def _spec(**fields: object) -> Check:
    """The pod was accepted with these fields: nothing more can be seen on one machine."""

    def check(seen: Seen) -> None:
        assert {name: seen.pod.spec.get(name) for name in fields} == fields

    return check


def _named(seen: Seen) -> None:
    prefix, _, suffix = seen.pod.name.rpartition("-")
    assert prefix == "nightly-load"
    assert len(suffix) == 8


def _exactly_named(seen: Seen) -> None:
    assert seen.pod.name == "exactly-this"


def _in_jobs(seen: Seen) -> None:
    assert seen.pod.namespace == "jobs"
    assert seen.said("namespace") == ["jobs"]


def _priority(seen: Seen) -> None:
    assert seen.pod.spec["priority"] == 1000


def _from_file(place: Place) -> Kwargs:
    return {"pod_template_file": f"{place.folder}/{{{{ 'pod' }}}}.yaml"}


def _from_dict(place: Place) -> Kwargs:
    env = [{"name": "FROM_DICT", "value": "{{ dag.dag_id }}"}]
    spec = {"containers": [{"name": "base", "image": "registry.example/none:1", "env": env}]}
    return {"pod_template_dict": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}}


def _precedence(place: Place) -> Kwargs:
    return {**_from_file(place), **with_helper(place), "labels": {"third": "parameter"}}


def _layers(seen: Seen) -> None:
    labels = seen.pod.first["metadata"]["labels"]
    found = [labels[name] for name in ("first", "second", "third")]
    assert found == ["pod_template_file", "full_pod_spec", "parameter"]


ROWS = (
    Row("name", "the pod has that name, and 8 random characters", _named, lambda p: {"name": "nightly-load"}, "true"),
    Row(
        "random_name_suffix",
        "`False`: the pod has exactly that name",
        _exactly_named,
        lambda place: {"name": "exactly-this", "random_name_suffix": False},
        "true",
    ),
    Row(
        "namespace",
        "the pod is in another namespace than the worker's; the name is rendered",
        _in_jobs,
        lambda place: {"namespace": JOBS},
        "cat /var/run/secrets/kubernetes.io/serviceaccount/namespace; echo",
    ),
    Row(
        "labels",
        "the pod has them, rendered; the container sees one by `fieldRef`",
        says("labels", "kpo-blue"),
        lambda place: {
            "labels": {"team": "{{ dag.dag_id }}-blue"},
            "pod_runtime_info_envs": [field_env("TEAM", "metadata.labels['team']")],
        },
        "echo $TEAM",
    ),
    Row(
        "annotations",
        "the pod has them, rendered; the container sees one by `fieldRef`",
        says("annotations", "made for kpo: 100 %"),
        lambda place: {
            "annotations": {"note": "made for {{ dag.dag_id }}: 100 %"},
            "pod_runtime_info_envs": [field_env("NOTE", "metadata.annotations['note']")],
        },
        'echo "$NOTE"',
    ),
    Row("node_selector", "it decides: a roomier node has no such label", _on(**GPU), constraints, "true"),
    Row("affinity", "it decides: a roomier node of the pool is in another zone", _on(**EUROPE), constraints, "true"),
    Row("tolerations", "all nodes of the pool have the taint", _on(tainted="yes"), constraints, "true"),
    Row("ports", "`host_port`: not the roomier node where it is taken", _on(port="free"), constraints, "true"),
    Row(
        "priority_class_name",
        "the API server gave the pod the class's priority",
        _priority,
        lambda place: {"priority_class_name": "urgent"},
        "true",
    ),
    Row(
        "service_account_name",
        "the mounted token is that account's",
        says("service_account_name", "system:serviceaccount:jobs:reader"),
        lambda place: {"service_account_name": "reader", "namespace": JOBS},
        "cut -d. -f2 /var/run/secrets/kubernetes.io/serviceaccount/token | tr _- /+ | base64 -d 2>/dev/null"
        " | grep -o 'system:serviceaccount:[a-z:]*'",
    ),
    Row(
        "pod_template_file",
        "what only the file says is there; its name is rendered",
        says("pod_template_file", "from the file"),
        _from_file,
        "echo $FROM_FILE",
    ),
    Row(
        "pod_template_dict",
        "what only the dict says is there, rendered; its image gives way to `image`",
        says("pod_template_dict", "kpo"),
        _from_dict,
        "echo $FROM_DICT",
    ),
    Row(
        "hostname",
        "the container's host name",
        says("hostname", "loader-7"),
        lambda place: {"hostname": "loader-{{ 3 + 4 }}"},
        "uname -n",
    ),
    Row(
        "host_aliases",
        "a line in /etc/hosts",
        says("host_aliases", "1"),
        lambda place: {"host_aliases": [k8s.V1HostAlias(ip="10.9.8.7", hostnames=["warehouse"])]},
        "grep -c '10.9.8.7.*warehouse' /etc/hosts",
    ),
    Row("subdomain", "accepted", _spec(subdomain="jobs"), lambda p: {"subdomain": "jobs"}, "true", spec_only=True),
    Row(
        "hostnetwork", "accepted", _spec(hostNetwork=True), lambda place: {"hostnetwork": True}, "true", spec_only=True
    ),
    Row(
        "dnspolicy",
        "accepted",
        _spec(dnsPolicy="ClusterFirstWithHostNet"),
        lambda place: {"dnspolicy": "ClusterFirstWithHostNet"},
        "true",
        spec_only=True,
    ),
    Row(
        "dns_config",
        "accepted",
        _spec(dnsConfig={"nameservers": ["10.0.0.10"]}),
        lambda place: {"dns_config": k8s.V1PodDNSConfig(nameservers=["10.0.0.10"])},
        "true",
        spec_only=True,
    ),
)

BEHAVIOURS = (
    Row(
        "build_pod_request_obj",
        "parameters go before `full_pod_spec`, and that before `pod_template_file`",
        _layers,
        _precedence,
        "true",
    ),
)
