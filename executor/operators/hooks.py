"""The user's pod_mutation_hook for container tasks, as the provider calls it: on a thread, with a time limit."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from typing import Final

from executor.airflow_compat import mutation_hook
from executor.kube.hook import apply_hook
from executor.manifest import ManifestError
from executor.manifest.model import JsonMap
from executor.operators.life import Mutate
from executor.operators.manifest import MUTATION_HOOK

SECONDS: Final = 5.0  # as for the executor's own pods


@lru_cache(maxsize=1)
def mutating() -> Mutate | None:
    """None where there is no hook."""
    hook = mutation_hook()
    if hook is None:
        return None

    async def mutate(pod: JsonMap) -> JsonMap:
        try:
            async with asyncio.timeout(SECONDS):  # wait_for of Python 3.11 can swallow a cancellation
                return await asyncio.to_thread(apply_hook, hook, pod)
        except TimeoutError:
            problem, advice = f"did not return within {SECONDS:g} s", "let it wait for nothing"
        except Exception as error:  # noqa: BLE001  (a user's code: anything, and it is said)
            problem, advice = f"raised {type(error).__name__}: {error}", "correct it in airflow_local_settings.py"
        raise ManifestError(MUTATION_HOOK, "", problem, advice)

    return mutate
