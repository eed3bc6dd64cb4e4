"""A pod as the one line that kubectl prints of it (``printPod`` in ``pkg/printers/internalversion/printers.go``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from executor.localcluster.stamps import age
from executor.localcluster.types import Json

_NONE = "<none>"


def _statuses(pod: Json, kind: str) -> Sequence[Json]:
    found: Sequence[Json] = (pod.get("status") or {}).get(kind) or ()
    return found


def _sidecars(pod: Json) -> set[str]:
    initial = pod["spec"].get("initContainers") or ()
    return {container["name"] for container in initial if container.get("restartPolicy") == "Always"}


def _end(terminated: Json) -> str:
    """Why a container ended: its reason, else its signal or exit code."""
    signal = terminated.get("signal")
    return terminated.get("reason") or (f"Signal:{signal}" if signal else f"ExitCode:{terminated.get('exitCode')}")


def _is_condition(pod: Json, kind: str) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(one.get("type") == kind and one.get("status") == "True" for one in conditions)


def _initializing(pod: Json) -> str | None:
    """``Init:1/2`` and the like while init containers are at work; ``None`` when they are done."""
    sidecars, total = _sidecars(pod), len(pod["spec"].get("initContainers") or ())
    for index, entry in enumerate(_statuses(pod, "initContainerStatuses")):
        state = entry.get("state") or {}
        ended = state.get("terminated")
        if (ended and ended.get("exitCode") == 0) or (entry.get("name") in sidecars and entry.get("started")):
            continue
        waiting = (state.get("waiting") or {}).get("reason")
        if ended:
            return f"Init:{_end(ended)}"
        return f"Init:{waiting}" if waiting and waiting != "PodInitializing" else f"Init:{index}/{total}"
    return None


def _first_reason(pod: Json) -> str:
    status = pod.get("status") or {}
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "SchedulingGated":
            return "SchedulingGated"
    return str(status.get("reason") or status.get("phase") or "")


def _container_reasons(pod: Json) -> Iterator[tuple[str, bool]]:
    """(reason, whether it is a failure) of containers that wait or have ended, the last one first."""
    for entry in reversed(_statuses(pod, "containerStatuses")):
        state = entry.get("state") or {}
        if waiting := (state.get("waiting") or {}).get("reason"):
            yield waiting, False
        elif ended := state.get("terminated"):
            yield _end(ended), ended.get("exitCode") != 0


def _running_reason(pod: Json, reason: str) -> str:
    """The reason of a pod whose init containers are done."""
    reasons = list(_container_reasons(pod))
    reason = reasons[-1][0] if reasons else reason
    if reason != "Completed":
        return reason
    running = any(_is_up(entry) for entry in _statuses(pod, "containerStatuses"))
    if running and _is_condition(pod, "Ready"):
        return "Running"
    failures = [text for text, failed in reasons if failed]
    return failures[-1] if failures else "NotReady" if running else reason


def _is_up(entry: Json) -> bool:
    return bool(entry.get("ready")) and "running" in (entry.get("state") or {})


def pod_state(pod: Json) -> str:
    """The column STATUS."""
    status, deleted = pod.get("status") or {}, pod["metadata"].get("deletionTimestamp")
    if deleted and status.get("reason") == "NodeLost":
        return "Unknown"
    if deleted and status.get("phase") not in ("Succeeded", "Failed"):
        return "Terminating"
    initializing = _initializing(pod)
    if initializing and not _is_condition(pod, "Initialized"):
        return initializing
    return _running_reason(pod, initializing or _first_reason(pod))


def _restarts(pod: Json) -> str:
    """How often containers were restarted, and when last; of init containers only sidecars count in the end."""
    sidecars, counted = _sidecars(pod), list(_statuses(pod, "initContainerStatuses"))
    if not _initializing(pod) or _is_condition(pod, "Initialized"):
        counted = [entry for entry in counted if entry.get("name") in sidecars]
        counted += _statuses(pod, "containerStatuses")
    total = sum(int(entry.get("restartCount", 0)) for entry in counted)
    ends = [((entry.get("lastState") or {}).get("terminated") or {}).get("finishedAt") for entry in counted]
    last = max(filter(None, ends), default=None)
    return f"{total} ({age(last)} ago)" if total and last else str(total)


def _ready(pod: Json) -> str:
    sidecars = _sidecars(pod)
    ready = sum(_is_up(entry) for entry in _statuses(pod, "containerStatuses"))
    started = (entry for entry in _statuses(pod, "initContainerStatuses") if entry.get("name") in sidecars)
    ready += sum(bool(entry.get("started") and entry.get("ready")) for entry in started)
    return f"{ready}/{len(pod['spec'].get('containers') or ()) + len(sidecars)}"


def _gates(pod: Json) -> str:
    gates = pod["spec"].get("readinessGates") or ()
    return f"{sum(_is_condition(pod, gate['conditionType']) for gate in gates)}/{len(gates)}" if gates else _NONE


def pod_cells(pod: Json) -> list[object]:
    """All cells of a pod's row."""
    status, metadata = pod.get("status") or {}, pod["metadata"]
    address = next((one.get("ip") for one in status.get("podIPs") or ()), "") or _NONE
    where = [address, pod["spec"].get("nodeName") or _NONE, status.get("nominatedNodeName") or _NONE, _gates(pod)]
    first = [metadata["name"], _ready(pod), pod_state(pod), _restarts(pod), age(metadata.get("creationTimestamp"))]
    return [*first, *where]
