"""Airflow's configuration, and what of it reaches the workers. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from executor.cli.doctor.facts import AirflowSide, Stranger, Triggerers, Unread
from executor.cli.doctor.finding import Finding, failed, ok, skipped, warning
from executor.cli.doctor.worker import Worker, kind_of

URL: Final = "AIRFLOW__CORE__EXECUTION_API_SERVER_URL"
BASE_URL: Final = "AIRFLOW__API__BASE_URL"
_OF_ONE_POD_OR_NODE: Final = frozenset({"emptyDir", "hostPath"})
CONTAINER_LOGS: Final = "logs of container tasks"
LOCAL_BUNDLE: Final = "LocalDagBundle"
_SET_URL: Final = f"Set {URL} in container base of the pod template, to the API server's address in the cluster."


def executor_findings(side: AirflowSide) -> Iterator[Finding]:
    """Our place in `[core] executor`."""
    if not side.listed:
        text = f"[core] executor = {side.executors}: this executor is not among them"
        yield warning("executors", text, "Set [core] executor = executor.KubernetesExecutor.")
    elif side.warnings:
        for text in side.warnings:
            yield warning("executors", text, "Give this executor an alias, and its tasks executor='<alias>'.")
    else:
        yield ok("executors", side.executors)


def configuration_findings(notices: Sequence[str]) -> Iterator[Finding]:
    """What the scheduler's log says once at start."""
    for text in notices:
        yield warning("configuration", text, "Change or remove the option.")
    if not notices:
        yield ok("configuration", "nothing without effect, no risk chosen")


def execution_api_finding(side: AirflowSide, worker: Worker) -> Finding:
    """Where the workers report."""
    check, stated = "execution API", worker.variable(URL)
    if stated:
        return _url_finding(check, stated, "the pod template's")
    if worker.refers_for(URL):
        return ok(check, f"container base takes {URL} from a Secret or ConfigMap")
    if base := worker.variable(BASE_URL):
        return _url_finding(check, base, "the pod template's [api] base_url")
    if worker.has_airflow_cfg:
        return _url_finding(check, side.execution_api, "the configuration's, which the pod mounts")
    if worker.has_hidden_variables:
        return skipped(check, f"{URL} may be among the variables of envFrom", "Look there.")
    if is_loopback(side.execution_api):
        return failed(check, f"is not set: workers would report to {_safe(side.execution_api)}", _SET_URL)
    text = f"{_safe(side.execution_api)} is the scheduler's own; the pod template does not pass it to the workers"
    return warning(check, text, f"{_SET_URL} Unless the image has it.")


def _url_finding(check: str, url: str, whose: str) -> Finding:
    if is_loopback(url):
        return failed(check, f"{_safe(url)} ({whose}) is, in a worker's pod, the pod itself", _SET_URL)
    if urlsplit(url).scheme not in ("http", "https"):
        return failed(check, f"{_safe(url)} ({whose}) is no URL of HTTP", _SET_URL)
    return ok(check, f"{_safe(url)} ({whose})")


def is_loopback(url: str) -> bool:
    """Whether the URL's host means the machine that uses it."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def _safe(url: str) -> str:
    """Without user and password."""
    return urlsplit(url)._replace(netloc=urlsplit(url).netloc.rpartition("@")[2]).geturl()


def bundle_findings(side: AirflowSide, worker: Worker) -> Iterator[Finding]:
    """Whether the workers find the DAGs."""
    for bundle in side.bundles:
        check, kind = f"DAG bundle {bundle.get('name')}", str(bundle.get("classpath", "")).rpartition(".")[2]
        if kind == LOCAL_BUNDLE:
            folder = (bundle.get("kwargs") or {}).get("path")
            here = folder or worker.variable("AIRFLOW__CORE__DAGS_FOLDER") or side.dags_folder
            yield _folder_finding(check, str(here), worker)
        elif worker.may_know("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"):
            yield ok(check, f"each worker fetches it ({kind})")
        else:
            text = f"each worker fetches it ({kind}), but the pod template does not tell it from where"
            remedy = "Pass AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST to container base, unless the image has it."
            yield warning(check, text, remedy)


def _folder_finding(check: str, folder: str, worker: Worker) -> Finding:
    volume = worker.volume_of(folder)
    if volume is None:
        text = f"{folder} must be in the image: the pod template mounts nothing there"
        return warning(check, text, "Build the DAGs into the image, mount them there, or use a git bundle.")
    if kind_of(volume) == "emptyDir" and not worker.is_filled(volume):
        text = f"{folder} is the empty volume {volume.get('name')}, and no init container fills it"
        return failed(check, text, "Fill it in an init container (git-sync), or mount what holds the DAGs.")
    return ok(check, f"{folder} is on volume {volume.get('name')} ({kind_of(volume)})")


def log_finding(side: AirflowSide, worker: Worker) -> Finding:
    """Where people see logs of pods that are gone, and why they failed."""
    check = "logs"
    if side.remote_logging:
        return _remote_finding(check, side, worker)
    folder = _log_folder(side, worker)
    volume = worker.volume_of(folder)
    kind = "emptyDir" if volume is None else kind_of(volume)
    if kind == "emptyDir":
        text = "a task's log ends with its pod: no remote logging, and no shared volume at the workers' log folder"
        remedy = "Set [logging] remote_logging, or mount one ReadWriteMany volume there in all of Airflow's pods."
        return warning(check, f"{text}; reasons of failures are in the event log only", remedy)
    if kind == "hostPath":
        text = f"{folder} is a folder of each node: only what ran on the API server's own node is shown"
        return warning(check, text, "Use a ReadWriteMany volume, or [logging] remote_logging.")
    return ok(check, f"on volume {(volume or {}).get('name')} ({kind}), which scheduler and API server must mount, too")


def _remote_finding(check: str, side: AirflowSide, worker: Worker) -> Finding:
    if side.store is None:
        text = "[logging] remote_logging is on, but no remote store could be made of the configuration"
        return failed(check, text, "Check remote_base_log_folder, remote_log_conn_id and the provider's installation.")
    if not worker.may_know("AIRFLOW__LOGGING__REMOTE_LOGGING"):
        text = f"remote ({side.store}), but the pod template does not turn it on for the workers"
        return warning(check, text, "Pass the variables of [logging] to container base, unless the image has them.")
    if not side.shows_reasons:
        text = f"remote ({side.store}); its reader does not show why a pod failed, the event log does"
        return warning(check, text, "Look for reasons in Airflow's event log (Audit Log), or use S3, GCS or WASB.")
    return ok(check, f"remote ({side.store}), with the reasons of failures")


def kept_container_log_finding(side: AirflowSide, worker: Worker | None) -> Finding | None:
    """What keeps the log of a task that ran in a triggerer, for after its end; None where nothing is seen that does."""
    check = CONTAINER_LOGS
    if side.remote_logging:
        return _remote_container_finding(check, side)
    shared = _shared_log_volume(side, worker)
    return ok(check, f"on volume {shared}, which triggerer and API server must mount, too") if shared else None


def triggerer_log_finding(side: AirflowSide, triggerers: Triggerers | Unread) -> Finding:
    """Where nothing else keeps it, the log lies where the triggerer ran (Airflow `file_task_handler.py`)."""
    check = CONTAINER_LOGS
    if isinstance(triggerers, Unread):
        return skipped(check, triggerers.why)
    if not triggerers.hosts:
        return skipped(check, "no triggerer runs, so nothing is known of its log folder", "Ask again when one does.")
    if set(triggerers.hosts) == {triggerers.here}:
        return ok(check, f"the triggerer runs on this host, and writes to {side.base_log_folder} here")
    text = f"what PodOperator and @task.pod log in the triggerer ({', '.join(triggerers.hosts)}) is not shown any more "
    remedy = (
        "Set [logging] remote_logging for triggerer and API server, or mount one ReadWriteMany volume at their "
        f"base_log_folder ({side.base_log_folder}); if they share one already, nothing is to be done."
    )
    return warning(check, f"{text}when the task has ended: no remote logging, and no shared volume", remedy)


def _remote_container_finding(check: str, side: AirflowSide) -> Finding:
    if side.store is None:
        text = "[logging] remote_logging is on without a store: what the triggerer logs is not shown after a task's end"
        return warning(check, text, "Correct [logging], see the check of logs.")
    return ok(check, f"remote ({side.store}), where the triggerer has the same [logging]")


def _shared_log_volume(side: AirflowSide, worker: Worker | None) -> str:
    """The volume with the workers' logs, if it is one for all nodes."""
    if worker is None:
        return ""
    volume = worker.volume_of(_log_folder(side, worker))
    if volume is None or kind_of(volume) in _OF_ONE_POD_OR_NODE:
        return ""
    return f"{volume.get('name')} ({kind_of(volume)})"


def _log_folder(side: AirflowSide, worker: Worker) -> str:
    """Where the workers write their logs."""
    return worker.variable("AIRFLOW__LOGGING__BASE_LOG_FOLDER") or side.base_log_folder


def deployment_finding(deployment: str, strangers: Sequence[Stranger] | Unread) -> Finding:
    """Another installation with our deployment's id: each would delete the other's pods."""
    check = "deployment id"
    if isinstance(strangers, Unread):
        return skipped(check, strangers.why)
    if not strangers:
        return ok(check, f"{deployment}: every living pod that carries it runs a task of this database")
    listed = ", ".join(f"{one.pod} ({one.task})" for one in strangers[:3])
    more = f" and {len(strangers) - 3} more" if len(strangers) > 3 else ""
    if all(one.known for one in strangers):
        text = f"{deployment}: no row of this database is the task of {listed}{more}; was its run deleted?"
        return warning(check, text, "If another Airflow runs there, give each its own deployment_id.")
    text = f"{deployment} is another Airflow's, too: not of this database are {listed}{more}"
    remedy = "Set [kubernetes_pod_executor] deployment_id to different values: each deletes the other's pods."
    return failed(check, text, remedy)
