"""The values that go into building a pod and come out of it; all frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from executor.identity import Identity
from executor.secret import Secret

if TYPE_CHECKING:
    from executor.manifest.provenance import Provenance

JsonMap = dict[str, Any]

BASE: Final = "base"
WORKLOAD_FILE: Final = "workload.json"


@dataclass(frozen=True, slots=True)
class ManifestSettings:
    """What the configuration says about pods. A value counts as set only if somebody set it.

    `default_namespace` and `worker_image` (repository:tag) are None unless set. `default_template` None means the
    shipped `pod_templates/default.yaml`. `queue_pod_templates` maps a queue to a file, or to a name in
    `pod_templates_folder`. `pod_template_values` and `pod_template_helpers` are files or folders that templates are
    rendered with, `pod_template_release` their `.Release.Name`; with `pod_template_keep_last` a bad new version of a
    template does not replace a good one. `allowed_namespaces` None means any. `fallback_namespace` is where a pod goes
    whose layers name no namespace.
    """

    default_namespace: str | None = None
    worker_image: str | None = None
    default_template: Path | None = None
    queue_pod_templates: Mapping[str, str] = field(default_factory=dict)
    pod_templates_folder: Path | None = None
    pod_template_values: tuple[str, ...] = ()
    pod_template_helpers: tuple[str, ...] = ()
    pod_template_release: str = "airflow"
    pod_template_keep_last: bool = False
    env_secrets: tuple[Secret, ...] = ()
    allowed_namespaces: frozenset[str] | None = None
    fallback_namespace: str = "default"


@dataclass(frozen=True, slots=True)
class WorkloadMount:
    """Where a pod finds its workload: the entry `key` of the Secret `secret`, at `file_path`."""

    secret: str
    key: str
    mount_path: str

    @property
    def file_path(self) -> str:
        """Return the path of the workload file in the container, for `--json-path`."""
        return f"{self.mount_path.rstrip('/')}/{WORKLOAD_FILE}"


@dataclass(frozen=True, slots=True)
class PodRequest:
    """One pod to build. `args` are the arguments of container `base`; `executor_config` is the task's.

    Neither is in the repr: the arguments hold the task's token where it is delivered by them.
    """

    identity: Identity
    args: tuple[str, ...] = field(repr=False)
    executor_config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    queue: str | None = None
    team: str | None = None
    coordinator_template: str | None = None
    coordinator_image: str | None = None
    workload_secret: WorkloadMount | None = None


@dataclass(frozen=True, slots=True)
class BuiltPod:
    """A pod ready to be posted.

    `manifest` shares structure with cached templates: send it, copy it, but never change it in place; it is not in the
    repr. `warnings` are sentences for the DAG author about what was ignored.
    """

    manifest: JsonMap = field(repr=False)
    namespace: str
    provenance: Provenance = field(repr=False)
    warnings: tuple[str, ...] = ()


def container_index(pod: JsonMap, name: str) -> int | None:
    """Return where the container `name` is in `spec.containers` of `pod`, or None."""
    for index, container in enumerate((pod.get("spec") or {}).get("containers") or ()):
        if isinstance(container, dict) and container.get("name") == name:
            return index
    return None
