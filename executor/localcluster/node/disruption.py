"""How controllers end pods: the condition DisruptionTarget first, then a deletion (Kubernetes: "Disruptions", pod
disruption conditions). A pod that has gone meanwhile is nobody's concern.
"""

from __future__ import annotations

from dataclasses import dataclass

from executor.localcluster.node.api import ApiClient, ApiError, Json
from executor.localcluster.node.recorder import now_seconds


@dataclass(frozen=True, slots=True)
class PodRef:
    """One pod, and not a newer one of its name."""

    namespace: str
    name: str
    uid: str

    @property
    def path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"

    def involved(self) -> Json:
        """As much of the pod as an event about it needs (see `recorder`)."""
        return {"metadata": {"namespace": self.namespace, "name": self.name, "uid": self.uid}, "spec": {}}


def ref(pod: Json) -> PodRef:
    metadata = pod["metadata"]
    return PodRef(metadata["namespace"], metadata["name"], metadata["uid"])


async def patch_status(api: ApiClient, pod: PodRef, status: Json) -> bool:
    """False if the pod has gone. Raises ApiError, one of `api.UNREACHABLE`."""
    try:
        await api.patch(f"{pod.path}/status", {"metadata": {"uid": pod.uid}, "status": status})
    except ApiError as error:
        if error.status not in (404, 409):
            raise
        return False
    return True


async def set_condition(api: ApiClient, pod: PodRef, **condition: str) -> bool:
    """False if the pod has gone. condition: type, status, and what else it has."""
    return await patch_status(api, pod, {"conditions": [{**condition, "lastTransitionTime": now_seconds()}]})


async def disrupt(api: ApiClient, pod: PodRef, reason: str, message: str) -> bool:
    """Mark a pod and delete it with its own grace period; False if it has gone."""
    marked = await set_condition(api, pod, type="DisruptionTarget", status="True", reason=reason, message=message)
    return marked and await delete(api, pod)


async def delete(api: ApiClient, pod: PodRef, grace: int | None = None) -> bool:
    """grace: seconds, None for the pod's own; False if the pod has gone."""
    options: Json = {"preconditions": {"uid": pod.uid}}
    if grace is not None:
        options["gracePeriodSeconds"] = grace
    try:
        await api.delete(pod.path, options)
    except ApiError as error:
        if error.status not in (404, 409):
            raise
        return False
    return True
