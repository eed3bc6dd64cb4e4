"""What the API server says about pods: a create with `dryRun=All`, which stores nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from executor.cli.pods import Planned
from executor.errors import ApiError
from executor.kube.requests import create_pod
from executor.kube.settings import KubeSettings
from executor.kube.transport import Transport
from executor.manifest import explain_strict_error

AT_ONCE: Final = 16


async def refusals(settings: KubeSettings, planned: Sequence[Planned]) -> list[str | None]:
    """Return, for each pod, why the API server would refuse it, or None. Raises ApiError if it cannot be reached."""
    transport = await Transport.open(settings)
    limit = asyncio.Semaphore(AT_ONCE)

    async def ask(one: Planned) -> str | None:
        async with limit:
            return await _refusal(transport, one)

    try:
        return list(await asyncio.gather(*map(ask, planned)))
    finally:
        await transport.close()


async def _refusal(transport: Transport, planned: Planned) -> str | None:
    try:
        await dry_run(transport, planned)
    except ApiError as error:
        if error.status == 0:
            raise
        return judgement(error, planned)
    return None


async def dry_run(transport: Transport, planned: Planned) -> None:
    """Post a pod without making one. Raises what the API server says to it as ApiError."""
    manifest: Mapping[str, Any] = planned.manifest
    request = create_pod(str(manifest["metadata"]["namespace"]), manifest)
    await transport.send(replace(request, query={**request.query, "dryRun": "All"}))


def judgement(error: ApiError, planned: Planned) -> str:
    """A refusal in words for whoever wrote the pod."""
    return f"the API server refuses it: {explain_strict_error(error.message, planned.built)}"
