"""Directories of pods that ended while no agent ran: found at its start, removed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from executor.localcluster.node.api import ApiClient
from executor.localcluster.node.container_run import remove_tree
from executor.localcluster.node.enter import withdraw


async def remove_leftovers(api: ApiClient, pods: Path, mine: Callable[[str], bool]) -> None:
    """Remove the directories of pods that no node of the cluster has. mine: whether this agent runs a uid.

    The directories are looked at before the pods are listed: a pod that starts meanwhile is in the list.
    """
    unknown = [folder for folder in await asyncio.to_thread(_folders, pods) if not mine(folder.name)]
    if not unknown:
        return
    listed = await api.get("/api/v1/pods")
    uids = {pod["metadata"]["uid"] for pod in listed.get("items") or ()}
    for folder in unknown:
        if folder.name not in uids:
            await asyncio.to_thread(remove_tree, folder)


def _folders(pods: Path) -> list[Path]:
    return list(pods.iterdir())


def clear_runtime_files(pod_dir: Path) -> None:
    """What containers of an earlier life left in a pod's directory: their own files go, logs and volumes stay."""
    remove_tree(pod_dir / ".layers")
    for folder in pod_dir.glob("[!.]*"):
        withdraw(folder)
