"""From a task instance and rendered parameters to a followed pod: settings, connection, watch. No policy here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from airflow.sdk.exceptions import AirflowRuntimeError

from executor.errors import ApiError
from executor.identity import Identity
from executor.kube.client import KubeApi
from executor.manifest import ManifestError
from executor.manifest.model import JsonMap
from executor.manifest.yaml_text import parse_yaml
from executor.observe.diagnosis import PodClass
from executor.observe.pod_view import PodView
from executor.operators import removal
from executor.operators.airflow_side import DEFERRED, AirflowSide
from executor.operators.carried import VersionError
from executor.operators.cluster import ClusterChoice, ClusterChoiceError, choose
from executor.operators.deployment import this_deployment
from executor.operators.function_container import TooLargeError, in_container
from executor.operators.hooks import mutating
from executor.operators.hub import Hub, NamespaceWatch
from executor.operators.life import Life, utcnow
from executor.operators.manifest import selector
from executor.operators.orphans import collect_for_ever
from executor.operators.outcome import Ending, diagnosis_of
from executor.operators.plain import RefusedParameterError
from executor.operators.rendering import RenderingError
from executor.operators.slots import Slots
from executor.operators.stages import Silent, Stages
from executor.operators.task import ContainerTask
from executor.options import SettingsError

FALLBACK_NAMESPACE: Final = "default"
_NAMESPACE_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

#: What may be wrong before there is a pod; the text of each is a sentence for the DAG author.
NOT_TO_BE_MADE: Final = (
    RenderingError,
    ClusterChoiceError,
    ManifestError,
    ApiError,
    SettingsError,
    VersionError,
    TooLargeError,
    RefusedParameterError,
)


def identity_of(ti: Any) -> Identity:
    """Who a task instance's pod is. The launch is the try: its row has an id of its own."""
    here = this_deployment()
    return Identity(
        launch_id=str(ti.id),
        attempt=1,
        ti_id=str(ti.id),
        dag_id=ti.dag_id,
        task_id=ti.task_id,
        run_id=ti.run_id,
        try_number=ti.try_number,
        map_index=-1 if ti.map_index is None else ti.map_index,
        deployment=here.settings.deployment_id,
        job_id="",
        airflow_version=here.airflow_version,
    )


async def task_of(identity: Identity, parameters: Mapping[str, Any], airflow: AirflowSide) -> ContainerTask:
    """Raises ManifestError for a template that cannot be read, ClusterChoiceError for a contradiction, and
    TooLargeError for a function that does not fit into a pod."""
    here, parameters = this_deployment(), in_container(parameters, identity)
    extra = await airflow.extra(parameters.get("kubernetes_conn_id"))
    choice = choose(parameters, extra, here.settings.kube, here.names_cluster)
    template = await _template(parameters.get("pod_template_file"))
    return ContainerTask(
        identity=identity,
        parameters=parameters,
        choice=choice,
        namespace=_namespace(parameters, template, choice),
        selector=selector(identity.deployment),
        template=template,
    )


def _namespace(parameters: Mapping[str, Any], template: JsonMap | None, choice: ClusterChoice) -> str:
    """Where the pod goes: parameter > full_pod_spec > template > connection > configuration > this pod's own."""
    named = (
        parameters.get("namespace"),
        _named_in(parameters.get("full_pod_spec")),
        _named_in(template if template is not None else parameters.get("pod_template_dict")),
        choice.namespace,
        this_deployment().settings.namespace,
        _own_namespace(choice),
    )
    return next((str(one) for one in named if one), FALLBACK_NAMESPACE)


def _named_in(pod: Mapping[str, Any] | None) -> Any:
    return ((pod or {}).get("metadata") or {}).get("namespace")


def _own_namespace(choice: ClusterChoice) -> str:
    inside = choice.settings.in_cluster and _NAMESPACE_FILE.exists()
    return _NAMESPACE_FILE.read_text().strip() if inside else ""


async def _template(path: str | None) -> JsonMap | None:
    """The provider's pod_template_file is plain YAML, and is read where the task runs."""
    if not path:
        return None
    try:
        text = await asyncio.to_thread(Path(path).read_text, encoding="utf-8")
    except OSError as error:
        problem = f"cannot be read in the triggerer: {error.strerror}"
        raise ManifestError(f"podTemplate {path}", "", problem, "put the file where the triggerer sees it") from None
    template: JsonMap = parse_yaml(text, f"podTemplate {path}")
    return template


@dataclass(slots=True)
class Followed:
    """A task that is being followed, and what its end needs."""

    task: ContainerTask
    api: KubeApi
    watch: NamespaceWatch
    airflow: AirflowSide
    slots: Slots
    log: logging.Logger
    stages: Stages = field(default_factory=Silent)
    life: Life | None = None

    @property
    def pod(self) -> PodView | None:
        """Its pod as last seen."""
        return self.life.pod if self.life is not None else None

    async def run(self) -> Ending:
        """Its end. An image without a shell gets a second pod, whose command is left as it is."""
        self.life = self._new(self.task, wrapped=True)
        ending = await self.life.run()
        pod = self.life.pod
        if ending.state != "failed" or pod is None or not self._no_shell(pod):
            return ending
        self.log.info("The image has no /bin/sh: again without it, for a result of at most 4096 bytes")
        await removal.delete(self.api, removal.ref_of(pod), 0)
        again = replace(self.task, identity=replace(self.task.identity, attempt=2))
        self.life = self._new(again, wrapped=False)
        return await self.life.run()

    async def stop(self) -> None:
        """The task was taken from its pod."""
        if self.life is not None:
            await self.life.stop()

    def delete_later(self, pod: PodView) -> None:
        """When Airflow has the task's end."""
        doing = partial(removal.delete_when_taken, self.api, removal.ref_of(pod), self.task.grace, self._taken)
        Hub.here().later(doing)

    async def _taken(self) -> bool:
        try:
            return await self.airflow.state(self.task.identity) != DEFERRED
        except AirflowRuntimeError:
            return False  # not known now; asked again

    def _new(self, task: ContainerTask, *, wrapped: bool) -> Life:
        life = Life(task, self.api, self.watch, self.airflow, self.slots, self.log, wrapped)
        life.mutate, life.stages, life.turns = mutating(), self.stages, Hub.here().turns
        return life

    def _no_shell(self, pod: PodView) -> bool:
        """Only a command that was wrapped can fail so and succeed without."""
        given = self.task.parameters
        if given.get("function"):
            return False
        never = diagnosis_of(pod, self.task.base, present=True).cls is PodClass.NEVER_RUNS
        return never and bool(given.get("do_xcom_push") and given.get("cmds"))


async def _beside(airflow: AirflowSide, watch: NamespaceWatch) -> None:
    await collect_for_ever(watch, airflow, utcnow)


@asynccontextmanager
async def following(task: ContainerTask, airflow: AirflowSide, log: logging.Logger) -> AsyncIterator[Followed]:
    """The connection and the shared watch for a task, for as long as it is followed."""
    hub = Hub.here()
    api = await hub.api(task.choice)
    limit = this_deployment().settings.max_active_pods
    hub.slots = hub.slots or Slots(limit)
    async with hub.watch(task.choice, task.namespace, task.selector, partial(_beside, airflow)) as watch:
        yield Followed(task, api, watch, airflow, hub.slots, log)
