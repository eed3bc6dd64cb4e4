"""One cluster's API for many container tasks: requests share a few connections, watches and followed logs do not.

Those keep a connection for as long as they last: they would take all of the few, and nothing could be created or
deleted any more. How many logs are followed at once is `turns`' matter.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace

from executor.kube.client import KubeApi
from executor.kube.port import WatchEvent
from executor.kube.settings import KubeSettings
from executor.kube.transport import Transport

AT_ONCE = 16  # requests; a connection costs 70 KB with its TLS
NO_LIMIT = 0


class Connection(KubeApi):
    """KubeApi with connections of their own for what lasts."""

    def __init__(self, transport: Transport, streams: KubeApi) -> None:
        super().__init__(transport)
        self._streams = streams

    @classmethod
    async def open(cls, settings: KubeSettings) -> Connection:
        """Read the credentials; nothing is sent yet. Raises Unreachable when there are none to read."""
        few = replace(settings, small_buffers=True, connection_pool_size=min(settings.connection_pool_size, AT_ONCE))
        streams = await KubeApi.open(replace(few, connection_pool_size=NO_LIMIT))
        return cls(await Transport.open(few), streams)

    def watch_pods(self, namespace: str | None, selector: str, resource_version: str) -> AsyncGenerator[WatchEvent]:
        return self._streams.watch_pods(namespace, selector, resource_version)

    def follow_stamped_log(self, namespace: str, name: str, container: str, since: str) -> AsyncGenerator[bytes]:
        return self._streams.follow_stamped_log(namespace, name, container, since)

    async def close(self) -> None:
        await self._streams.close()
        await super().close()
