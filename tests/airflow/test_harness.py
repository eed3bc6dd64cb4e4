"""The pod watch that other tests count pods with: it must neither lose a pod nor hide that it might have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from executor.demo.cluster import LocalCluster
from executor.demo.pods import PodWatch
from executor.demo.processes import wait_until


@pytest.fixture(scope="module")
def still_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A cluster without nodes: pods stay as they are made."""
    with LocalCluster(tmp_path_factory.mktemp("still"), "--no-nodes") as cluster:
        yield cluster


@pytest.fixture
def namespace(still_cluster: LocalCluster) -> str:
    name = f"ns-{uuid4().hex[:8]}"
    still_cluster.ensure_namespace(name)
    return name


def make_pod(cluster: LocalCluster, namespace: str, name: str, launch: str) -> None:
    container = {"name": "base", "image": "none"}
    metadata = {"name": name, "labels": {"airflow-launch": launch}}
    cluster.core.create_namespaced_pod(namespace, {"metadata": metadata, "spec": {"containers": [container]}})


def test_pods_are_remembered_after_they_are_gone(still_cluster: LocalCluster, namespace: str) -> None:
    make_pod(still_cluster, namespace, "before", "launch-1")
    with PodWatch(still_cluster.kubeconfig, namespace) as watch:
        make_pod(still_cluster, namespace, "meanwhile", "launch-2")
        watch.wait_for("the second pod", lambda pod: pod.launch == "launch-2")
        still_cluster.core.delete_namespaced_pod("meanwhile", namespace)
        watch.wait_gone("launch-2")
        assert [pod.name for pod in watch.pods()] == ["before", "meanwhile"]
        assert [pod.name for pod in watch.live()] == ["before"]
        assert (watch.pods("launch-2")[0].phase, watch.gaps) == ("Pending", 0)


def test_a_cut_connection_is_taken_up_where_it_was(still_cluster: LocalCluster, namespace: str) -> None:
    with PodWatch(still_cluster.kubeconfig, namespace) as watch:
        still_cluster.admin("drop-watches")
        make_pod(still_cluster, namespace, "brief", "launch-1")
        still_cluster.core.delete_namespaced_pod("brief", namespace)
        watch.wait_for("the pod that came and went", lambda pod: pod.deleted_at is not None)
        assert watch.gaps == 0


def test_lost_history_is_a_gap(still_cluster: LocalCluster, namespace: str) -> None:
    make_pod(still_cluster, namespace, "doomed", "launch-1")
    with PodWatch(still_cluster.kubeconfig, namespace) as watch:
        # Nobody can watch before all is forgotten.
        still_cluster.admin("fault", effect="drop-request", verb="watch", resource="pods", namespace=namespace)
        still_cluster.admin("drop-watches")
        still_cluster.core.delete_namespaced_pod("doomed", namespace)
        still_cluster.admin("compact")
        still_cluster.admin("reset")
        watch.wait_gone("launch-1")
        wait_until("the gap counted", lambda: watch.gaps == 1, 60)


def test_waiting_in_vain_names_the_pods_there_were(still_cluster: LocalCluster, namespace: str) -> None:
    make_pod(still_cluster, namespace, "alone", "launch-1")
    with PodWatch(still_cluster.kubeconfig, namespace) as watch:
        with pytest.raises(TimeoutError, match=rf"the moon.*{namespace}/alone Pending"):
            watch.wait_for("the moon", lambda pod: False, timeout=0.1)
        with pytest.raises(TimeoutError, match="no pod of launch-1 left"):
            watch.wait_gone("launch-1", timeout=0.1)


def test_a_namespace_that_is_missing_is_empty_and_one_that_is_forbidden_is_an_error(
    still_cluster: LocalCluster, tmp_path: Path
) -> None:
    with PodWatch(still_cluster.kubeconfig, "not-there") as watch:
        assert watch.pods() == []
    with LocalCluster(tmp_path, "--no-nodes", "--forbid", "closed") as cluster:
        watch = PodWatch(cluster.kubeconfig, "closed", list_timeout=0.5)
        with pytest.raises(TimeoutError, match="the first list of pods"):
            watch.__enter__()
