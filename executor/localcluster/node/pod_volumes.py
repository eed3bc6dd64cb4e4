"""The volumes of one pod: set up once, refreshed when what is in them changes, with the kubelet's events."""

from __future__ import annotations

import time
from collections.abc import Callable

from executor.localcluster.node import sources
from executor.localcluster.node.account_tokens import Token, TokenKey, request_token, token_keys
from executor.localcluster.node.api import ApiError, Json
from executor.localcluster.node.node_context import NodeContext
from executor.localcluster.node.sources import Sources
from executor.localcluster.node.volume_files import VolumeContext, VolumeError, volume_files
from executor.localcluster.node.volume_refresh import Held
from executor.localcluster.node.volumes import FILE_KINDS, set_up_volume, update_files


class PodVolumes:
    """`pod()` gives the newest object of the pod."""

    def __init__(self, node: NodeContext, pod: Callable[[], Json]) -> None:
        self._node, self._pod = node, pod
        self._metadata = pod()["metadata"]
        self._folder = node.pod_dir(pod()) / ".volumes"
        self._tokens: dict[TokenKey, Token] = {}

    async def set_up(self) -> dict[str, str]:
        """Make all volumes; paths on this machine by name. Raises VolumeError, ApiError, OSError, `UNREACHABLE`."""
        found = await self._fetch()
        self._folder.mkdir(parents=True, exist_ok=True)
        made = {}
        for volume in self._volumes():
            try:
                await self._get_tokens(volume)
                made[volume["name"]] = set_up_volume(volume, self._folder / volume["name"], self._context(found))
            except VolumeError as error:
                self._tell(volume, error)
                raise
        uid, namespace = self._metadata["uid"], self._metadata["namespace"]
        self._node.refresher.watch(uid, namespace, self._held(found), self._refresh)
        return made

    def close(self) -> None:
        """The pod has ended: nobody reads its volumes any more."""
        self._node.refresher.forget(self._metadata["uid"])

    def refresh_fields(self) -> None:
        """Labels or annotations have changed: rewrite the downwardAPI volumes that show them."""
        context = self._context(Sources(self._metadata["namespace"], {}))
        for volume in self._volumes():
            if "downwardAPI" in volume and (self._folder / volume["name"]).is_dir():
                update_files(self._folder / volume["name"], volume_files(volume, context))

    async def _refresh(self) -> Held:
        """Rewrite what has changed; what cannot be made now keeps its old content."""
        found = await self._fetch()
        for volume in self._volumes():
            if any(kind in volume for kind in FILE_KINDS):
                try:
                    await self._get_tokens(volume)
                    update_files(self._folder / volume["name"], volume_files(volume, self._context(found)))
                except VolumeError as error:
                    self._tell(volume, error)
        return self._held(found)

    async def _fetch(self) -> Sources:
        references = sources.volume_references(self._volumes())
        return await sources.fetch(self._node.api, self._metadata["namespace"], references)

    async def _get_tokens(self, volume: Json) -> None:
        """Have the tokens of one volume, none of them near its end. Raises VolumeError, one of `UNREACHABLE`."""
        for key in token_keys([volume]):
            known = self._tokens.get(key)
            if known is None or known.renew_at <= time.monotonic():
                try:
                    self._tokens[key] = await request_token(self._node.api, self._pod(), key)
                except ApiError as error:
                    raise VolumeError(f"failed to fetch token: {error}") from error

    def _held(self, found: Sources) -> Held:
        return Held(found.versions, min((token.renew_at for token in self._tokens.values()), default=float("inf")))

    def _volumes(self) -> list[Json]:
        return self._pod()["spec"].get("volumes") or []

    def _context(self, found: Sources) -> VolumeContext:
        texts = {key: token.text for key, token in self._tokens.items()}
        return VolumeContext(self._pod(), self._node.facts, found, texts)

    def _tell(self, volume: Json, error: VolumeError) -> None:
        message = f'MountVolume.SetUp failed for volume "{volume["name"]}" : {error}'
        self._node.events.record(self._pod(), "FailedMount", message, "Warning")
