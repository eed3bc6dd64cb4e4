"""Rows of the parameters about waiting, ending and what is left: timeouts, failures, deletion, results, callbacks."""

from __future__ import annotations

import json
from typing import Any

from airflow.providers.cncf.kubernetes.callbacks import KubernetesPodOperatorCallback
from kubernetes.client import models as k8s

from tests.operators.kpo.example_rows import HELLO
from tests.operators.kpo.row import Kwargs, Place, Row, Seen

LOOK, SHORT = 6, 3  # seconds
DEADLINE = 8  # seconds, in which a slow node has run the script
RESULT = {"rows": 3, "name": "Zoë"}
WRITE = f"echo '{json.dumps(RESULT)}' > /airflow/xcom/return.json"


class Chatty(KubernetesPodOperatorCallback):
    """Prints which of its methods was called, for which pod."""

    @staticmethod
    def on_sync_client_creation(*, client: Any, operator: Any, **kwargs: Any) -> None:
        print("callback: client made")

    @staticmethod
    def on_pod_manifest_created(*, pod_request: Any, **kwargs: Any) -> None:
        print("callback: manifest made")

    @staticmethod
    def on_pod_creation(*, pod: Any, **kwargs: Any) -> None:
        print("callback: created", pod.metadata.name)

    @staticmethod
    def on_pod_starting(*, pod: Any, **kwargs: Any) -> None:
        print("callback: starting", pod.metadata.name)

    @staticmethod
    def on_pod_completion(*, pod: Any, **kwargs: Any) -> None:
        print("callback: completed", pod.metadata.name)

    @staticmethod
    def on_pod_teardown(*, pod: Any, **kwargs: Any) -> None:
        print("callback: torn down", pod.metadata.name)

    @staticmethod
    def on_pod_cleanup(*, pod: Any, **kwargs: Any) -> None:
        print("callback: cleaned up", pod.metadata.name)

    @staticmethod
    def progress_callback(*, line: str, **kwargs: Any) -> None:
        print("callback: line", line)


CALLS = ("created", "starting", "completed", "torn down", "cleaned up")


def show_progress(line: str) -> None:
    """A progress_callback."""
    print("progress:", line)


def _called(seen: Seen) -> None:
    told = [line.partition("callback: ")[2].split(" {")[0] for line in seen.log.splitlines() if "callback: " in line]
    lifecycle = [line for line in told if line.startswith(CALLS)]
    assert {"client made", "manifest made"} <= set(told)
    assert lifecycle == [f"{call} {seen.pod.name}" for call in CALLS]
    assert any(line.endswith("> a line of progress") for line in told if line.startswith("line "))


def _returned(seen: Seen) -> None:
    assert seen.xcom == RESULT


def _xcom(place: Place) -> Kwargs:
    return {"do_xcom_push": True}


def _progress_ignored(seen: Seen) -> None:
    assert "progress: " not in seen.log
    assert any(line == "a step" for line in seen.said("progress_callback"))


def _gave_up(seen: Seen) -> None:
    assert f"Pod took too long to start. More than {SHORT}s" in seen.log
    assert seen.pod.lived is not None


def _looked_late(seen: Seen) -> None:
    assert seen.pod.lived is not None
    assert seen.pod.lived > LOOK - 0.5


def _may_not_be_root(seen: Seen) -> None:
    words = "container has runAsNonRoot and image will run as root"
    assert any(event.reason == "Failed" and words in event.message for event in seen.events)


def _never_starts(place: Place) -> Kwargs:
    return {
        "security_context": k8s.V1PodSecurityContext(run_as_non_root=True),
        "schedule_timeout_seconds": 60,
        "startup_timeout_seconds": SHORT,
        "startup_check_interval_seconds": LOOK,
    }


def _deadline(seen: Seen) -> None:
    assert (seen.pod.last["status"]["phase"], seen.pod.last["status"]["reason"]) == ("Failed", "DeadlineExceeded")


def _events_told(seen: Seen) -> None:
    assert "Pod Event: Started" in seen.log or "Pod Event: Scheduled" in seen.log
    assert "Container 'base': state='TERMINATED'" in seen.log


def _no_spec(seen: Seen) -> None:
    assert "returned a failure" in seen.log
    assert "remote_pod:" not in seen.log


def _spec(seen: Seen) -> None:
    assert "remote_pod:" in seen.log
    assert "'dns_policy'" in seen.log


def _kept(seen: Seen) -> None:
    assert seen.pod.lived is None


def _kept_as_checked(seen: Seen) -> None:
    _kept(seen)
    assert seen.pod.last["metadata"]["labels"]["already_checked"] == "True"


def _deleted(seen: Seen) -> None:
    assert seen.pod.lived is not None


ROWS = (
    Row(
        "do_xcom_push",
        "what the container wrote to /airflow/xcom/return.json is the task's XCom",
        _returned,
        _xcom,
        WRITE,
    ),
    Row(
        "callbacks",
        "each method was called once, in order, with the pod; `progress_callback` with each line",
        _called,
        lambda place: {"callbacks": Chatty},
        "echo a line of progress",
    ),
    Row(
        "progress_callback",
        "does nothing: the installed provider takes it and never calls it (use `callbacks`)",
        _progress_ignored,
        lambda place: {"progress_callback": show_progress},
        "echo a step",
    ),
    Row(
        "startup_timeout_seconds",
        "the pod that did not start was given up and deleted; the log says so",
        _gave_up,
        _never_starts,
        "true",
        ends="failed",
    ),
    Row(
        "startup_check_interval_seconds",
        f"with {LOOK} a pod that may take {SHORT} seconds to start is given up after {LOOK}",
        _looked_late,
        _never_starts,
        "true",
        ends="failed",
    ),
    Row(
        "security_context",
        "`run_as_non_root`: an image that runs as root is not started",
        _may_not_be_root,
        _never_starts,
        "true",
        ends="failed",
    ),
    Row(
        "active_deadline_seconds",
        "the pod was ended by its node (`DeadlineExceeded`)",
        _deadline,
        lambda place: {"active_deadline_seconds": DEADLINE, "on_finish_action": "delete_succeeded_pod"},
        "echo waits; sleep 600",
        ends="failed",
    ),
    Row(
        "log_events_on_failure",
        "the pod's Events and its containers' states are in the task's log",
        _events_told,
        lambda place: {"log_events_on_failure": True},
        "true",
        exit_code=3,
        ends="failed",
    ),
    Row(
        "log_pod_spec_on_failure",
        "`False`: the task's error is without the pod's spec",
        _no_spec,
        lambda place: {"log_pod_spec_on_failure": False},
        "true",
        exit_code=3,
        ends="failed",
    ),
    Row(
        "on_finish_action",
        "`delete_succeeded_pod`: the pod that failed is still there",
        _kept,
        lambda place: {"on_finish_action": "delete_succeeded_pod"},
        "true",
        exit_code=3,
        ends="failed",
    ),
    Row(
        "is_delete_operator_pod",
        "`False` does nothing: the installed provider deletes the pod all the same (use `on_finish_action`)",
        _deleted,
        lambda place: {"is_delete_operator_pod": False},
        "true",
    ),
)


def _cleaned_up(seen: Seen) -> None:
    after = seen.log.partition(f"Deleting pod: {seen.pod.name}")[2]
    assert f"callback: cleaned up {seen.pod.name}" in after


def _sidecar_told(seen: Seen) -> None:
    assert "airflow-xcom-sidecar" in [container["name"] for container in seen.pod.spec["containers"]]
    assert "Running command... kill -2" in seen.log  # whether it ends before the pod is deleted is chance
    assert seen.xcom == RESULT


def _with_proxy(place: Place) -> Kwargs:
    proxy = k8s.V1Container(name="istio-proxy", image="istio/proxyv2:1", command=["sleep", "infinity"])
    spec = k8s.V1PodSpec(containers=[k8s.V1Container(name="base"), proxy])
    return {"image": HELLO, "full_pod_spec": k8s.V1Pod(spec=spec)}


def _proxy_outlived(seen: Seen) -> None:
    assert "istio-proxy" in [container["name"] for container in seen.pod.spec["containers"]]
    assert seen.pod.lived is not None


def _synchronous(seen: Seen) -> None:
    assert seen.workers == 1
    assert seen.pod.lived is not None


BEHAVIOURS = (
    Row(
        "execute",
        "without `deferrable` one worker pod waits until the container has ended",
        _synchronous,
        script="true",
    ),
    Row(
        "extract_xcom",
        "the sidecar was asked for the value, and told to end",
        _sidecar_told,
        _xcom,
        WRITE,
    ),
    Row(
        "post_complete_action, cleanup",
        "when the pod is gone, `on_pod_cleanup` of the callbacks is called",
        _cleaned_up,
        lambda place: {"callbacks": Chatty},
        "true",
    ),
    Row(
        "is_istio_enabled",
        "a pod with a container `istio-proxy`, which never ends, is over when the operator's container is",
        _proxy_outlived,
        _with_proxy,
    ),
    Row(
        "patch_already_checked",
        "a pod that failed and is kept has the label `already_checked`",
        _kept_as_checked,
        lambda place: {"on_finish_action": "delete_succeeded_pod"},
        "true",
        exit_code=3,
        ends="failed",
    ),
    Row(
        "process_pod_deletion",
        "the pod is gone when its task has ended",
        _deleted,
        script="true",
    ),
)
