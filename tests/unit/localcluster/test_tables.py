"""What kubectl prints."""

from __future__ import annotations

from datetime import timedelta

import pytest

from executor.localcluster.pod_row import pod_state
from executor.localcluster.stamps import age, timestamp, utc_now
from executor.localcluster.tables import table, wanted
from executor.localcluster.types import Json


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (119, "119s"),
        (125, "2m5s"),
        (600, "10m"),
        (7260, "121m"),
        (5 * 3600 + 60, "5h1m"),
        (30 * 3600, "30h"),
        (49 * 3600, "2d1h"),
        (100 * 86400, "100d"),
        (3 * 365 * 86400, "3y"),
        (9 * 365 * 86400 + 86400, "9y"),
    ],
)
def test_age(seconds: int, text: str) -> None:
    now = utc_now()
    assert age(timestamp(now - timedelta(seconds=seconds)), now) == text


_DONE = {"terminated": {"exitCode": 0, "reason": "Completed"}}


def pod(
    initial: list[Json] | None = None, containers: list[Json] | None = None, gated: bool = False, **fields: object
) -> Json:
    status: Json = {"phase": "Pending", "initContainerStatuses": initial or [], "containerStatuses": containers or []}
    if gated:
        status["conditions"] = [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]
    spec = {"initContainers": [{"name": f"i{n}"} for n, _ in enumerate(initial or [])]}
    return {"metadata": {"name": "a"}, "spec": spec, "status": status, **fields}


@pytest.mark.parametrize(
    ("given", "state"),
    [
        (pod(), "Pending"),
        (pod(metadata={"deletionTimestamp": "x"}), "Terminating"),
        (pod(gated=True), "SchedulingGated"),
        (pod(initial=[{"state": {"running": {}}}, {}]), "Init:0/2"),
        (pod(initial=[{"state": {"terminated": {"exitCode": 1, "reason": "Error"}}}]), "Init:Error"),
        (pod(initial=[{"state": {"waiting": {"reason": "ImagePullBackOff"}}}]), "Init:ImagePullBackOff"),
        (pod(containers=[{"state": {"waiting": {"reason": "ErrImagePull"}}}]), "ErrImagePull"),
        (pod(containers=[{"state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}]), "OOMKilled"),
        (pod(containers=[{"state": {"terminated": {"exitCode": 7}}}]), "ExitCode:7"),
        (pod(containers=[{"state": {"terminated": {"exitCode": 9, "signal": 9}}}]), "Signal:9"),
        (pod(containers=[{"state": _DONE}, {"ready": True, "state": {"running": {}}}]), "NotReady"),
        (pod(containers=[{"state": _DONE}]), "Completed"),
    ],
)
def test_state_of_a_pod(given: Json, state: str) -> None:
    assert pod_state(given) == state


def test_rows_have_a_cell_for_each_column() -> None:
    made = table(
        "Pod", [pod(containers=[{"ready": True, "restartCount": 2, "state": {"running": {}}}])], {}, "Metadata"
    )
    assert len(made["rows"][0]["cells"]) == len(made["columnDefinitions"])
    assert made["rows"][0]["cells"][:4] == ["a", "1/0", "Pending", "2"]
    assert made["rows"][0]["object"]["kind"] == "PartialObjectMetadata"


def test_only_a_table_of_the_first_version_is_a_table() -> None:
    assert wanted("application/json;as=Table;v=v1;g=meta.k8s.io,application/json")
    assert not wanted("application/json")
    assert not wanted("application/json;as=Table;v=v1beta1;g=meta.k8s.io")
