"""What is special about a kind: defaults, validation, admission. One row a kind; kinds without a row have no rules."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass

from executor.localcluster.admission import admit_pod
from executor.localcluster.limit_ranges import check_limits, default_limit_range
from executor.localcluster.pod_defaults import default_pod
from executor.localcluster.resources import Resource
from executor.localcluster.status import FieldError
from executor.localcluster.store import Store
from executor.localcluster.types import Json
from executor.localcluster.validation.data import (
    validate_config_map,
    validate_config_map_update,
    validate_secret,
    validate_secret_update,
)
from executor.localcluster.validation.limits import validate_limit_range, validate_quota
from executor.localcluster.validation.metadata import validate_metadata
from executor.localcluster.validation.networks import validate_network_policy, validate_service
from executor.localcluster.validation.pod import validate_pod, validate_pod_update
from executor.localcluster.validation.policy import (
    validate_binding,
    validate_binding_update,
    validate_budget,
    validate_role,
)
from executor.localcluster.validation.volumes import validate_claim, validate_claim_update
from executor.localcluster.validation.workloads import (
    validate_cron_job,
    validate_deployment_update,
    validate_job,
    validate_job_update,
    validate_lasting,
    validate_stateful_set_update,
)
from executor.localcluster.workload_defaults import (
    default_claim,
    default_cron_job,
    default_deployment,
    default_job,
    default_network_policy,
    default_service,
    default_stateful_set,
)

_RBAC = "rbac.authorization.k8s.io"


def _nothing(obj: Json) -> None:
    """No defaults."""


def _no_admission(store: Store, obj: Json) -> None:
    """Nothing to add, nothing to refuse."""


def _no_update_errors(new: Json, old: Json) -> list[FieldError]:
    return []


@dataclass(frozen=True, slots=True)
class Strategy:
    """The rules of a kind, in the order they run: ``default``, ``admit``, ``validate``, ``check``.

    ``created_with_status``: whether a creator may set the status (a node's does; others start without one).
    ``numbered``: whether ``metadata.generation`` counts the changes of the spec.
    """

    default: Callable[[Json], None] = _nothing
    admit: Callable[[Store, Json], None] = _no_admission
    validate: Callable[[Json], list[FieldError]] = validate_metadata
    validate_update: Callable[[Json, Json], list[FieldError]] = _no_update_errors
    check: Callable[[Store, Json], None] = _no_admission
    created_with_status: bool = False
    numbered: bool = False


_PLAIN = Strategy()


def _default_namespace(namespace: Json) -> None:
    metadata = namespace["metadata"]
    metadata["labels"] = {**(metadata.get("labels") or {}), "kubernetes.io/metadata.name": metadata["name"]}
    namespace.setdefault("spec", {"finalizers": ["kubernetes"]})
    namespace.setdefault("status", {"phase": "Active"})


def _default_secret(secret: Json) -> None:
    """``stringData`` is write-only: it is stored as base64 in ``data``."""
    secret.setdefault("type", "Opaque")
    plain = secret.pop("stringData", None) or {}
    if plain:
        encoded = {name: base64.b64encode(text.encode()).decode() for name, text in plain.items()}
        secret["data"] = {**(secret.get("data") or {}), **encoded}


def _default_quota(quota: Json) -> None:
    quota.setdefault("status", {})


def _default_priority_class(priority_class: Json) -> None:
    priority_class.setdefault("preemptionPolicy", "PreemptLowerPriority")


def _default_budget(budget: Json) -> None:
    none = {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}
    budget.setdefault("status", none)


def _default_binding(binding: Json) -> None:
    """Role and subjects are of the RBAC group where they do not say."""
    if reference := binding.get("roleRef"):
        reference.setdefault("apiGroup", _RBAC)
    for subject in binding.get("subjects") or ():
        if subject.get("kind") in ("User", "Group"):
            subject.setdefault("apiGroup", _RBAC)


def _lasting(
    default: Callable[[Json], None],
    validate: Callable[[Json], list[FieldError]],
    validate_update: Callable[[Json, Json], list[FieldError]] = _no_update_errors,
) -> Strategy:
    """What a controller of a real cluster would act on."""
    return Strategy(default, validate=validate, validate_update=validate_update, numbered=True)


_BINDING = Strategy(_default_binding, validate=validate_binding, validate_update=validate_binding_update)
_STRATEGIES: dict[str, Strategy] = {
    "Pod": Strategy(default_pod, admit_pod, validate_pod, validate_pod_update, check_limits),
    "Node": Strategy(created_with_status=True),
    "Namespace": Strategy(_default_namespace),
    "Secret": Strategy(_default_secret, validate=validate_secret, validate_update=validate_secret_update),
    "ConfigMap": Strategy(validate=validate_config_map, validate_update=validate_config_map_update),
    "LimitRange": Strategy(default_limit_range, validate=validate_limit_range),
    "ResourceQuota": Strategy(_default_quota, validate=validate_quota),
    "PersistentVolumeClaim": Strategy(default_claim, validate=validate_claim, validate_update=validate_claim_update),
    "Deployment": _lasting(default_deployment, validate_lasting, validate_deployment_update),
    "StatefulSet": _lasting(default_stateful_set, validate_lasting, validate_stateful_set_update),
    "Job": _lasting(default_job, validate_job, validate_job_update),
    "CronJob": _lasting(default_cron_job, validate_cron_job),
    "Service": Strategy(default_service, validate=validate_service),
    "NetworkPolicy": _lasting(default_network_policy, validate_network_policy),
    "PriorityClass": Strategy(_default_priority_class),
    "PodDisruptionBudget": Strategy(_default_budget, validate=validate_budget),
    "Role": Strategy(validate=validate_role),
    "ClusterRole": Strategy(validate=validate_role),
    "RoleBinding": Strategy(_default_binding, validate=validate_binding, validate_update=validate_binding_update),
    "ClusterRoleBinding": Strategy(
        _default_binding, validate=validate_binding, validate_update=validate_binding_update
    ),
}


def strategy_for(resource: Resource) -> Strategy:
    return _STRATEGIES.get(resource.kind, _PLAIN)
