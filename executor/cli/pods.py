"""Pods of launches that do not happen: built by the code of those that do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, cast

from executor.airflow_compat import mutation_hook
from executor.airflow_config import read_facts, read_settings
from executor.assembly import Pods
from executor.control.composer import Composer
from executor.control.ports import Airflow, RowsPort
from executor.control.tracker import Tracked
from executor.intake import callback_launch, intake
from executor.kube.hook import apply_hook
from executor.manifest import BuiltPod
from executor.model import Launch
from executor.settings import Settings

EXAMPLE_SECRET: Final = "airflow-workloads-example"
EXAMPLE_TOKEN: Final = "the-token-is-made-at-launch"


@dataclass(frozen=True, slots=True)
class Planned:
    """A pod as it would be posted: `manifest` is `built.manifest`, unless a pod_mutation_hook changed it."""

    built: BuiltPod
    manifest: Mapping[str, Any] = field(repr=False)


class Planner:
    """Plans pods with the configuration of the deployment, or of a team. Raises SettingsError for a bad one."""

    def __init__(self, team: str | None = None, job_id: str | None = None) -> None:
        self.settings: Settings = read_settings(team)
        hook = mutation_hook()
        airflow = Airflow(
            rows=cast("RowsPort", None),  # a plan reads no rows
            intake=intake,
            mint=lambda launch, life: EXAMPLE_TOKEN,
            pods=Pods(self.settings, read_facts(team), job_id or "example", team),
            callback_launch=callback_launch,
            mutate=partial(apply_hook, hook) if hook else None,
        )
        self._composer = Composer(airflow, 0.0)
        self._secret = EXAMPLE_SECRET if self.settings.workload_delivery == "secret" else None

    async def plan(self, launch: Launch) -> Planned:
        """Return the pod of a launch's first attempt. Raises ManifestError."""
        draft = await self._composer.compose(Tracked(launch), self._secret)
        return Planned(draft.built, draft.manifest)

    def close(self) -> None:
        """End the hook's thread."""
        self._composer.close()
