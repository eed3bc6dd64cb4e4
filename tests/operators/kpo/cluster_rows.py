"""Rows of the parameters that say which cluster, and how the operator comes to it."""

from __future__ import annotations

from kubernetes.client import models as k8s

from tests.operators.kpo.row import Kwargs, Place, Row, Seen

PRIVATE, PULL_SECRET = "registry.example/private:1", "registry"
CONNECTION = "second_cluster"


def second(place: Place) -> Kwargs:
    """The second cluster, by a kubeconfig in which it is not the current context."""
    path = f"{{{{ '{place.kubeconfig}' }}}}"
    return {
        "in_cluster": False,
        "config_file": path,
        "cluster_context": f"{{{{ '{place.context}' }}}}",
        "namespace": "default",
    }


def _first_cluster(seen: Seen) -> None:
    assert seen.pod.cluster == "first"
    assert seen.pod.first["metadata"]["labels"]["airflow_kpo_in_cluster"] == "True"


def _second_cluster(seen: Seen) -> None:
    assert seen.pod.cluster == "second"


def _accepted(seen: Seen) -> None:
    assert seen.pod.status()["state"]["terminated"]


def _forbidden(seen: Seen) -> None:
    assert seen.pods == ()
    account = "system:serviceaccount:airflow:airflow-worker"
    for words in (
        "Exception when attempting to create Namespaced Pod",
        "Reason: Forbidden",
        f'pods is forbidden: User \\"{account}\\" cannot create',
        'in the namespace \\"datarouter\\"',
        '"reason":"Forbidden","details":{"kind":"pods"},"code":403',
    ):
        assert words in seen.log, words


def _refused(seen: Seen) -> None:
    assert "Image cannot be pulled, unable to start: " in seen.log
    assert any(event.reason == "Failed" and "401 Unauthorized" in event.message for event in seen.events)
    assert seen.pod.lived is not None


ROWS = (
    Row(
        "in_cluster",
        "`True` inside a worker pod: the pod was made with the worker's own account, in the worker's cluster",
        _first_cluster,
        lambda place: {"in_cluster": True},
        "true",
    ),
    Row(
        "config_file",
        "the pod is in the second cluster, which that file names; its path is rendered",
        _second_cluster,
        second,
        "true",
    ),
    Row(
        "cluster_context",
        "the pod is in the context's cluster, not in that of the file's current context",
        _second_cluster,
        second,
        "true",
    ),
    Row(
        "kubernetes_conn_id",
        "the pod is in the second cluster, whose kubeconfig is in the connection",
        _second_cluster,
        lambda place: {"kubernetes_conn_id": CONNECTION},
        "true",
    ),
    Row(
        "image_pull_secrets",
        "a registry that refuses without it gave the image",
        _accepted,
        lambda place: {"image": PRIVATE, "image_pull_secrets": [k8s.V1LocalObjectReference(PULL_SECRET)]},
        "true",
    ),
)

EXAMPLES = (
    Row(
        "a private registry, without the pull secret",
        "fails within seconds, with the registry's `401 Unauthorized`",
        _refused,
        lambda place: {"image": PRIVATE},
        "true",
        ends="failed",
    ),
    Row(
        "a namespace without rights",
        'the guide\'s 403: `pods is forbidden: User "system:serviceaccount:..." cannot create ...`',
        _forbidden,
        lambda place: {"namespace": "datarouter"},
        "true",
        ends="failed",
    ),
)
