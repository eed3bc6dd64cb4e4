"""One process that is the cluster: API server, node agents, scheduler, from start to a clean end."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import yaml

from executor.localcluster.bookkeeping import Bookkeeper
from executor.localcluster.cluster import new_cluster
from executor.localcluster.collector import Collector
from executor.localcluster.faults import Faults
from executor.localcluster.identity import load_identity, new_identity
from executor.localcluster.journal import Journal
from executor.localcluster.kubeconfig import ServerCertificate, kubeconfig_text, write_private
from executor.localcluster.options import Options
from executor.localcluster.resources import RESOURCES
from executor.localcluster.schema import compile_schemas
from executor.localcluster.server import ApiServer, listen
from executor.localcluster.store import Store

log = logging.getLogger(__name__)

_PARENT_POLL_SECONDS = 0.5
BANNER = "local cluster: a Kubernetes API for demos and tests on this machine's loopback; never for production"
IMAGES_NOTE = "local cluster: containers run on this machine's own files, whatever their image is named"


async def _orphaned(parent: int) -> None:
    """Return when this process has another parent than ``parent``.

    Asked from time to time: ``PR_SET_PDEATHSIG`` would also fire when only the thread that started us ends.
    """
    while os.getppid() == parent:  # noqa: ASYNC110, nothing tells a process that its parent is gone
        await asyncio.sleep(_PARENT_POLL_SECONDS)


async def run(options: Options) -> None:
    """Run until SIGTERM or SIGINT, or, if so asked, until the parent process is gone."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        if options.with_parent:
            watcher = asyncio.create_task(_orphaned(os.getppid()), name="parent watcher")
            watcher.add_done_callback(lambda _: stop.set())
            stack.callback(watcher.cancel)
        await _start(options, stack)
        await stop.wait()


async def _start(options: Options, stack: AsyncExitStack) -> None:
    compile_schemas(resource.model for resource in RESOURCES)
    state = _state_folder(options, stack)
    faults = Faults(latency=options.latency / 1000, forbidden=set(options.forbid))
    identity = load_identity(options.data) if options.data else new_identity()
    keys, certificate = identity.keys, None if options.plain_http else identity.certificate
    authority = certificate.authority.decode() if certificate else ""
    store = Store(options.history)
    if options.data:
        journal = Journal(options.data, store)
        journal.open()
        await stack.enter_async_context(journal.running())
    cluster = new_cluster(state, faults, store=store, authority=authority, keys=keys, rbac=options.rbac)
    await stack.enter_async_context(Collector(cluster.registry).running())
    await stack.enter_async_context(Bookkeeper(cluster.registry).running())
    context = certificate.server_context(state) if certificate else None
    server = ApiServer(cluster, switches=options.faults)
    runner, port = await listen(server.application(), options.port, context)
    stack.push_async_callback(runner.cleanup)
    stack.callback(faults.drop_watches)  # else the end waits for them
    url = f"{'https' if certificate else 'http'}://127.0.0.1:{port}"
    if options.nodes:
        await stack.enter_async_context(_nodes(options, url, keys.inner, certificate, state))
    _announce(options, url, keys.administrator, certificate)


def _state_folder(options: Options, stack: AsyncExitStack) -> Path:
    """Where files of pods are: the folder asked for, one beside the objects kept, or a temporary one."""
    state = options.state or (options.data / "state" if options.data else None)
    if state is None:
        return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="localcluster-")))
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    return state


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _announce(options: Options, url: str, token: str, certificate: ServerCertificate | None) -> None:
    _say(BANNER)
    if options.nodes:
        _say(IMAGES_NOTE)
    if options.kubeconfig:
        authority = certificate.authority if certificate else None
        write_private(options.kubeconfig, kubeconfig_text(url, token, authority).encode())
    where = f", kubeconfig {options.kubeconfig}" if options.kubeconfig else ""
    _say(f"local cluster: listening on {url}{where}")


@asynccontextmanager
async def _nodes(
    options: Options, url: str, token: str, certificate: ServerCertificate | None, state: Path
) -> AsyncIterator[None]:
    """Node agents and the scheduler as tasks; at the end they are cancelled and stopped, with all they started."""
    agent = importlib.import_module("executor.localcluster.node.agent")
    scheduling = importlib.import_module("executor.localcluster.node.scheduling")
    ca_file = None
    if certificate:
        ca_file = str(state / "ca.crt")
        write_private(Path(ca_file), certificate.authority)
    images = _read_images(options.images)
    try:
        agents = [
            agent.NodeAgent(url, token, ca_file, n.name, n.cpu, n.memory, state, images, options.timings)
            for n in options.nodes
        ]
    except ValueError as error:
        sys.exit(f"local cluster: {error}")
    runners: list[Any] = [*agents, scheduling.Scheduler(url, token, ca_file, options.lifecycle)]
    tasks = [asyncio.create_task(runner.run(), name=type(runner).__name__) for runner in runners]
    for task in tasks:
        task.add_done_callback(_report)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(a.stop() for a in agents))


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("%s ended by an error; pods are not run any more", task.get_name(), exc_info=task.exception())


def _read_images(path: Path | None) -> dict[str, Any]:
    """The map of ``--images``; the node agent checks its entries. Ends the process when it cannot be read."""
    if path is None:
        return {}
    try:
        table = yaml.safe_load(path.read_text()) or {}
    except (OSError, yaml.YAMLError) as error:
        sys.exit(f"local cluster: --images {path}: {error}")
    if not isinstance(table, dict):
        example = "'broken:1: {missing: true}'"
        sys.exit(f"local cluster: --images {path}: expected a map of image names, such as {example}; see --help")
    return table
