"""What all pods of one node share."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from executor.localcluster.node.api import ApiClient, Json
from executor.localcluster.node.fields import NodeFacts
from executor.localcluster.node.images import ImageEntry, ImageStore
from executor.localcluster.node.memory import MemoryWatch
from executor.localcluster.node.process import Launcher
from executor.localcluster.node.recorder import EventRecorder
from executor.localcluster.node.rootfs import Machine
from executor.localcluster.node.timing import Timings
from executor.localcluster.node.volume_refresh import VolumeRefresher

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class NodeContext:
    """Clients and facts."""

    api: ApiClient
    events: EventRecorder
    memory: MemoryWatch
    launcher: Launcher
    facts: NodeFacts
    state_dir: Path
    images: Mapping[str, ImageEntry]
    machine: Machine
    pulled: ImageStore
    refresher: VolumeRefresher
    timings: Timings

    def pod_dir(self, pod: Json) -> Path:
        return self.state_dir / "pods" / str(pod["metadata"]["uid"])


def service_env(api_url: str) -> dict[str, str]:
    """The variables by which in-cluster clients find the API."""
    parts = urlsplit(api_url)
    port = str(parts.port or (443 if parts.scheme == "https" else 80))
    return {
        "KUBERNETES_SERVICE_HOST": parts.hostname or "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": port,
        "KUBERNETES_SERVICE_PORT_HTTPS": port,
    }


def image_env(image: ImageEntry) -> dict[str, str]:
    """An image's own environment. On this machine's files, the Python environment that runs the cluster comes first."""
    if image.root is not None:
        return {"PATH": SYSTEM_PATH, "HOME": "/root", **image.env}
    home = pwd.getpwuid(os.getuid()).pw_dir
    return {"PATH": f"{sys.prefix}/bin:{SYSTEM_PATH}", "HOME": home, **image.env}
