"""What the API server fills in for kinds that are only kept here: workloads, services, network policies.

Sources: ``pkg/apis/apps/v1/defaults.go``, ``pkg/apis/batch/v1/defaults.go``, ``pkg/apis/core/v1/defaults.go``.
Excluded: what controllers and allocators would add, such as a service's address.
"""

from __future__ import annotations

from executor.localcluster.pod_defaults import default_template
from executor.localcluster.types import Json

_JOB_ID = "batch.kubernetes.io/controller-uid"


def _fill(target: Json, **values: object) -> None:
    for name, value in values.items():
        target.setdefault(name, value)


def default_deployment(deployment: Json) -> None:
    spec = deployment.setdefault("spec", {})
    _fill(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600, strategy={})
    _fill(spec["strategy"], type="RollingUpdate")
    if spec["strategy"]["type"] == "RollingUpdate":
        _fill(spec["strategy"], rollingUpdate={})
        _fill(spec["strategy"]["rollingUpdate"], maxSurge="25%", maxUnavailable="25%")
    default_template(spec.setdefault("template", {}))
    _fill(deployment, status={})


def default_stateful_set(stateful_set: Json) -> None:
    spec = stateful_set.setdefault("spec", {})
    retention = {"whenDeleted": "Retain", "whenScaled": "Retain"}
    _fill(spec, replicas=1, revisionHistoryLimit=10, podManagementPolicy="OrderedReady", serviceName="")
    _fill(spec, persistentVolumeClaimRetentionPolicy=retention, updateStrategy={})
    _fill(spec["updateStrategy"], type="RollingUpdate")
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        _fill(spec["updateStrategy"], rollingUpdate={"partition": 0})
    default_template(spec.setdefault("template", {}))
    for claim in spec.get("volumeClaimTemplates") or ():
        default_claim(claim)
    _fill(stateful_set, status={"replicas": 0, "availableReplicas": 0})


def default_claim(claim: Json) -> None:
    """A claim that nobody binds: there is no storage here."""
    claim.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")
    claim.setdefault("status", {"phase": "Pending"})


def default_job(job: Json) -> None:
    """Also the selector that each job is given, and the labels it selects."""
    spec, name, uid = job.setdefault("spec", {}), job["metadata"]["name"], job["metadata"]["uid"]
    _fill(spec, parallelism=1, backoffLimit=6, completionMode="NonIndexed", suspend=False)
    _fill(spec, completions=1, manualSelector=False, podReplacementPolicy="TerminatingOrFailed")
    template = spec.setdefault("template", {})
    default_template(template)
    if not spec["manualSelector"]:
        labels = {_JOB_ID: uid, "controller-uid": uid, "batch.kubernetes.io/job-name": name, "job-name": name}
        metadata = template.setdefault("metadata", {})
        metadata["labels"] = {**(metadata.get("labels") or {}), **labels}
        _fill(spec, selector={"matchLabels": {_JOB_ID: uid}})
    _fill(job, status={})


def default_cron_job(cron_job: Json) -> None:
    spec = cron_job.setdefault("spec", {})
    _fill(spec, concurrencyPolicy="Allow", suspend=False, successfulJobsHistoryLimit=3, failedJobsHistoryLimit=1)
    job = spec.setdefault("jobTemplate", {}).setdefault("spec", {})
    default_template(job.setdefault("template", {}))
    _fill(cron_job, status={})


def default_service(service: Json) -> None:
    spec = service.setdefault("spec", {})
    _fill(spec, type="ClusterIP", sessionAffinity="None")
    if spec["type"] != "ExternalName":
        _fill(spec, internalTrafficPolicy="Cluster")
    for port in spec.get("ports") or ():
        _fill(port, protocol="TCP")
        port["targetPort"] = port.get("targetPort") or port.get("port", 0)
    _fill(service, status={"loadBalancer": {}})


def default_network_policy(policy: Json) -> None:
    spec = policy.setdefault("spec", {})
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
    for rule in [*(spec.get("ingress") or ()), *(spec.get("egress") or ())]:
        for port in rule.get("ports") or ():
            _fill(port, protocol="TCP")
