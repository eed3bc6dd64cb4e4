"""What kubectl prints."""

from __future__ import annotations

from datetime import timedelta

import pytest

from executor.localcluster.stamps import timestamp, utc_now
from executor.localcluster.tables import age, pod_state, table, wanted
from executor.localcluster.types import Json


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (119, "119s"), (125, "2m5s"), (600, "10m"), (7260, "2h1m"), (49 * 3600, "2d1h")],
)
def test_age(seconds: int, text: str) -> None:
    now = utc_now()
    assert age(timestamp(now - timedelta(seconds=seconds)), now) == text


def pod(initial: list[Json] | None = None, containers: list[Json] | None = None, **fields: object) -> Json:
    status = {"phase": "Pending", "initContainerStatuses": initial or [], "containerStatuses": containers or []}
    return {"metadata": {"name": "a"}, "spec": {}, "status": status, **fields}


@pytest.mark.parametrize(
    ("given", "state"),
    [
        (pod(), "Pending"),
        (pod(metadata={"deletionTimestamp": "x"}), "Terminating"),
        (pod(spec={"schedulingGates": [{"name": "g"}]}), "SchedulingGated"),
        (pod(initial=[{"state": {"running": {}}}, {}]), "Init:0/2"),
        (pod(initial=[{"state": {"terminated": {"exitCode": 1, "reason": "Error"}}}]), "Init:Error"),
        (pod(initial=[{"state": {"waiting": {"reason": "ImagePullBackOff"}}}]), "Init:ImagePullBackOff"),
        (pod(containers=[{"state": {"waiting": {"reason": "ErrImagePull"}}}]), "ErrImagePull"),
        (pod(containers=[{"state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}]), "OOMKilled"),
    ],
)
def test_state_of_a_pod(given: Json, state: str) -> None:
    assert pod_state(given) == state


def test_rows_have_a_cell_for_each_column() -> None:
    made = table("Pod", [pod(containers=[{"ready": True, "restartCount": 2}])], {}, "Metadata")
    assert len(made["rows"][0]["cells"]) == len(made["columnDefinitions"])
    assert made["rows"][0]["cells"][:4] == ["a", "1/0", "Pending", "2"]
    assert made["rows"][0]["object"]["kind"] == "PartialObjectMetadata"


def test_only_a_table_of_the_first_version_is_a_table() -> None:
    assert wanted("application/json;as=Table;v=v1;g=meta.k8s.io,application/json")
    assert not wanted("application/json")
    assert not wanted("application/json;as=Table;v=v1beta1;g=meta.k8s.io")
