"""Runs one container once: image, environment, mounts, process, exit. Restarts: `container_loop`.

Of a securityContext only readOnlyRootFilesystem means something, and runAsNonRoot refuses who would be root; fsGroup,
capabilities and the like are ignored, and every container runs as the user of the agent, whatever runAsUser says.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from signal import SIGKILL, Signals

from executor.localcluster.node import enter, images, process, rootfs, sources
from executor.localcluster.node.api import Json
from executor.localcluster.node.cri_log import tail_text
from executor.localcluster.node.env import ConfigError, EnvContext, build_argv, build_env
from executor.localcluster.node.memory import tree_memory
from executor.localcluster.node.node_context import NodeContext, image_env, service_env
from executor.localcluster.node.recorder import now_seconds
from executor.localcluster.node.spec import ContainerSpec, Mount
from executor.localcluster.node.state import Terminated
from executor.localcluster.node.volumes import container_mounts
from executor.localcluster.quantity import parse_quantity

MESSAGE_BYTES, TAIL_BYTES, TAIL_LINES = 4096, 2048, 80
EPOCH = "1970-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Launch:
    """One start of one container. number: restart count; volumes: path on this machine by volume name."""

    pod: Json = field(repr=False)
    container: Json = field(repr=False)
    number: int
    volumes: Mapping[str, str]

    @property
    def name(self) -> str:
        return str(self.container["name"])


class ContainerRun:
    """A container from its preparation to its end. Use: `prepare`, `start`, `wait`; `signal` at any time."""

    def __init__(self, node: NodeContext, launch: Launch) -> None:
        self._node, self._launch = node, launch
        self.container_id = f"containerd://{token_hex(32)}"
        self.started_at = EPOCH
        pod_dir = node.pod_dir(launch.pod)
        self._layer = pod_dir / ".layers" / f"{launch.name}-{launch.number}"
        self._message = pod_dir / ".termination" / f"{launch.name}-{launch.number}"
        self._log = pod_dir / launch.name / f"{launch.number}.log"
        self._process: process.ContainerProcess | None = None
        self._out_of_memory = False

    async def prepare(self, image: images.ImageEntry) -> ContainerSpec:
        """Everything that can be wrong before a process exists. Raises ConfigError, VolumeError, ApiError, OSError."""
        node, launch = self._node, self._launch
        require_user(launch.pod, launch.container)
        found = await sources.fetch(
            node.api, launch.pod["metadata"]["namespace"], sources.env_references(launch.container)
        )
        services = service_env(node.api.url)
        env = build_env(launch.container, EnvContext(launch.pod, node.facts, found), services)
        own = {**image_env(image), "HOSTNAME": hostname(launch.pod)}
        root, scratch = self._layer / "root", self._layer / "scratch"
        for folder in (root, scratch):
            folder.mkdir(parents=True, exist_ok=True)
        return ContainerSpec(
            argv=build_argv(launch.container, image, env),
            env={**own, **env},
            cwd=launch.container.get("workingDir") or image.workdir,
            hostname=hostname(launch.pod),
            user_namespace=node.machine.user,
            root=str(root),
            scratch=str(scratch),
            layers=rootfs.image_layers(image, node.machine),
            overlay_options=rootfs.overlay_options(node.machine.confined),
            mounts=(*container_mounts(launch.container, launch.volumes, env), *self._own_mounts()),
            hidden=(str(node.state_dir),),
            read_only=bool((launch.container.get("securityContext") or {}).get("readOnlyRootFilesystem")),
        )

    def _own_mounts(self) -> tuple[Mount, ...]:
        pod, target = self._launch.pod, self._launch.container.get("terminationMessagePath") or "/dev/termination-log"
        self._message.parent.mkdir(parents=True, exist_ok=True)
        self._message.write_bytes(b"")
        self._message.chmod(0o666)
        hosts = self._node.pod_dir(pod) / ".hosts"
        hosts.write_text(hosts_file(pod))
        mounts = [Mount(str(self._message), target), Mount(str(hosts), "/etc/hosts")]
        taken = {mount["mountPath"] for mount in self._launch.container.get("volumeMounts") or ()}
        return tuple(mount for mount in mounts if mount.target not in taken)

    async def start(self, spec: ContainerSpec) -> None:
        """Raises process.StartError."""
        self._forget_old_logs()
        self._process = await self._node.launcher.start(spec, self._log)
        self.started_at = now_seconds()
        enter.publish(self._log.parent, self._process.pid, spec.env, spec.cwd)

    def _forget_old_logs(self) -> None:
        """Keep the run before this one, for `kubectl logs --previous`, and none before it."""
        for path in self._log.parent.glob("*.log*"):
            if int(path.name.partition(".")[0]) < self._launch.number - 1:
                path.unlink()

    async def wait(self) -> Terminated:
        """Until the container has ended and its output is in the log; its writable layer is gone then."""
        assert self._process is not None
        limit = memory_limit(self._launch.container)
        watcher = asyncio.create_task(self._enforce(self._process, limit)) if limit else None
        try:
            code = await self._process.wait()
        finally:
            if watcher:
                watcher.cancel()
            self._node.memory.remove(self._process.pid)
            enter.withdraw(self._log.parent)
        await asyncio.to_thread(remove_tree, self._layer)
        reason = "OOMKilled" if self._out_of_memory and code == 137 else "Completed" if code == 0 else "Error"
        words = self._last_words(code)
        self._message.unlink(missing_ok=True)
        return Terminated(code, reason, self.started_at, now_seconds(), words, self.container_id)

    async def _enforce(self, running: process.ContainerProcess, limit: int) -> None:
        await self._node.memory.add(running.pid, limit).wait()
        self.run_out_of_memory()

    def run_out_of_memory(self) -> None:
        """What the kernel does to a container at its limit."""
        self._out_of_memory = True
        self.signal(SIGKILL)

    def _last_words(self, code: int) -> str:
        """The termination message (Kubernetes: "Customizing the termination message")."""
        with self._message.open("rb") as file:
            text = file.read(MESSAGE_BYTES).decode(errors="replace")
        policy = self._launch.container.get("terminationMessagePolicy")
        if not text and code != 0 and policy == "FallbackToLogsOnError":
            return tail_text(self._log, TAIL_LINES, TAIL_BYTES)
        return text

    def signal(self, number: Signals) -> None:
        if self._process is not None:
            self._process.signal(number)

    def memory(self) -> int:
        """Bytes that the container's processes hold in memory."""
        return tree_memory(self._process.pid) if self._process is not None else 0

    def discard(self) -> None:
        """Remove what `prepare` made, of a container that never started."""
        remove_tree(self._layer)


def require_user(pod: Json, container: Json) -> None:
    """Refuse root where runAsNonRoot is set (pkg/kubelet/kuberuntime/security_context.go); images here are root's.

    Raises ConfigError.
    """
    context = {**(pod["spec"].get("securityContext") or {}), **(container.get("securityContext") or {})}
    user = context.get("runAsUser")
    if not context.get("runAsNonRoot") or user:
        return
    metadata = pod["metadata"]
    where = f'(pod: "{metadata["name"]}_{metadata["namespace"]}({metadata["uid"]})", container: {container["name"]})'
    if user == 0:
        raise ConfigError(f"container's runAsUser breaks non-root policy {where}")
    raise ConfigError(f"container has runAsNonRoot and image will run as root {where}")


def memory_limit(container: Json) -> int:
    """Bytes; 0 without a limit."""
    limit = ((container.get("resources") or {}).get("limits") or {}).get("memory")
    return int(parse_quantity(limit)) if limit is not None else 0


def hostname(pod: Json) -> str:
    return str(pod["spec"].get("hostname") or pod["metadata"]["name"])[:63].rstrip("-.")


def hosts_file(pod: Json) -> str:
    lines = ["# Kubernetes-managed hosts file.", "127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback"]
    lines.append(f"127.0.0.1\t{hostname(pod)}")
    aliases = pod["spec"].get("hostAliases") or ()
    lines += [f"{alias['ip']}\t{' '.join(alias.get('hostnames') or ())}" for alias in aliases]
    return "\n".join(lines) + "\n"


def remove_tree(path: Path) -> None:
    """Remove a directory tree, even one that its own modes protect (overlayfs makes its work directory unreadable)."""
    shutil.rmtree(path, ignore_errors=True)
    if path.exists():
        _open_up(path)
        shutil.rmtree(path, ignore_errors=True)


def _open_up(folder: str | Path) -> None:
    os.chmod(folder, 0o700)
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            _open_up(entry.path)
