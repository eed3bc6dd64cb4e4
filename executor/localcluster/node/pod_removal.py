"""Removes a pod's object from the API when its containers have ended, the last step of a deletion."""

from __future__ import annotations

import asyncio
import logging

from executor.localcluster.node.api import UNREACHABLE, ApiClient, ApiError, Json
from executor.localcluster.node.waiting import set_within

log = logging.getLogger(__name__)
FIRST_RETRY, LAST_RETRY = 0.5, 5.0


async def remove_object(api: ApiClient, metadata: Json, gone: asyncio.Event) -> None:
    """Retried until it works or `gone` says that there is nothing to remove; never a newer pod of the same name."""
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
    options = {"gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]}}
    pause = FIRST_RETRY
    while not gone.is_set():
        try:
            await api.delete(path, options)
        except ApiError as error:
            if error.status in (404, 409):  # it is gone; the watch will say so
                await set_within(gone, LAST_RETRY)
                return
            log.warning("pod %s not removed: %s", metadata["name"], error)
        except UNREACHABLE as error:
            log.debug("pod %s not removed: %r", metadata["name"], error)
        await set_within(gone, pause)
        pause = min(pause * 2, LAST_RETRY)
