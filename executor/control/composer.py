"""From a tracked launch to the pod that is posted: arguments, manifest, the user's pod_mutation_hook, the token.

The token is minted here, at POST, so that a launch that waited for a quota for hours starts with a fresh one. With
`workload_delivery = secret` it goes into the workload Secret and nowhere else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from executor.control.ports import Airflow, Attempt
from executor.control.tracker import Tracked
from executor.control.workload_secrets import MOUNT_PATH
from executor.kube.port import PodRef
from executor.manifest import BuiltPod, ManifestError, WorkloadMount

ENTRY = ("python", "-m", "airflow.sdk.execution_time.execute_workload")
HOOK_SECONDS = 5.0


@dataclass(slots=True)
class Draft:
    """One attempt, ready to be posted. `workload` carries the token: never log it."""

    tracked: Tracked
    built: BuiltPod
    manifest: Mapping[str, Any]
    workload: bytes
    answered: bool = False  # its create is no longer under way
    ref: PodRef | None = None  # the pod that came of it
    ambiguous: bool = False  # whether the create was carried out is not known
    met_twin: bool = False  # its pod existed already, and mounts another Secret

    @property
    def namespace(self) -> str:
        """Where it goes; a hook may have moved it."""
        return str(self.manifest["metadata"]["namespace"])

    @property
    def name(self) -> str:
        """Its pod's."""
        return str(self.manifest["metadata"]["name"])

    def __repr__(self) -> str:
        return f"Draft({self.tracked.launch})"


class Composer:
    """Everything that happens to a pod before it is posted."""

    def __init__(self, airflow: Airflow, token_life: float) -> None:
        self._airflow = airflow
        self._token_life = token_life
        self._hook_thread: ThreadPoolExecutor | None = None

    async def compose(self, tracked: Tracked, secret: str | None) -> Draft:
        """secret: the batch's Secret, None to hand the workload over in the pod's args. Raises ManifestError."""
        launch = tracked.launch
        workload = with_token(launch.workload, self._airflow.mint(launch, self._token_life))
        mount = WorkloadMount(secret, launch.id, MOUNT_PATH) if secret else None
        source = ("--json-path", mount.file_path) if mount else ("--json-string", workload.decode())
        attempt = Attempt(launch, tracked.attempt, (*ENTRY, *source), mount)
        built = self._airflow.pods.build(attempt)
        if self._airflow.mutate is None:
            return Draft(tracked, built, built.manifest, workload)
        mutated = await self._mutate(built, self._airflow.mutate)
        return Draft(tracked, built, self._airflow.pods.finalize(attempt, mutated), workload)

    def close(self) -> None:
        """Let the hook's thread end, as soon as the hook returns."""
        if self._hook_thread is not None:
            self._hook_thread.shutdown(wait=False)
            self._hook_thread = None

    async def _mutate(self, built: BuiltPod, hook: Callable[[Mapping[str, Any]], dict[str, Any]]) -> dict[str, Any]:
        """The user's hook, on a thread of its own: it may block or query."""
        self._hook_thread = self._hook_thread or ThreadPoolExecutor(1, thread_name_prefix="pod-mutation-hook")
        loop = asyncio.get_running_loop()
        call = loop.run_in_executor(self._hook_thread, hook, built.manifest)
        done, _ = await asyncio.wait({call}, timeout=HOOK_SECONDS)
        if not done:
            call.cancel()
            self.close()  # the stuck thread is left behind; the next task gets a fresh one
            raise _hook_error(f"it did not return within {HOOK_SECONDS:.0f} s", "Make it faster.")
        try:
            return call.result()
        except (Exception, SystemExit) as error:
            raise _hook_error(f"it raised {type(error).__name__}: {error}", "Mend the hook.") from error


def _hook_error(problem: str, advice: str) -> ManifestError:
    return ManifestError("pod_mutation_hook", "", problem, advice)


def with_token(workload: bytes, token: str) -> bytes:
    """Put the token into a workload's JSON object. A token is base64url and dots: nothing to escape."""
    comma = b"" if workload[1:2] == b"}" else b","
    return b'{"token":"' + token.encode() + b'"' + comma + workload[1:]
