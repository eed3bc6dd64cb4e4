"""Workloads, services and the like: kept, with their defaults and rules, for clients that install things."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.api import Answer, Api, Json, container

_SELECTOR: Json = {"matchLabels": {"app": "x"}}
_MISMATCH = "`selector` does not match template `labels`"
_IMMUTABLE = "field is immutable"
_PATHS = {
    "deployments": "apis/apps",
    "statefulsets": "apis/apps",
    "jobs": "apis/batch",
    "cronjobs": "apis/batch",
    "networkpolicies": "apis/networking.k8s.io",
}


def path(api: Api, plural: str, name: str = "") -> str:
    found = f"/{_PATHS.get(plural, 'api')}/v1/namespaces/{api.namespace}/{plural}"
    return f"{found}/{name}" if name else found


def template(labels: Json | None = None, **spec: Any) -> Json:
    return {"metadata": {"labels": labels or {"app": "x"}}, "spec": {"containers": [container()], **spec}}


async def create(api: Api, plural: str, spec: Json) -> Answer:
    return await api.call("POST", path(api, plural), {"metadata": {"name": "x"}, "spec": spec})


async def created(api: Api, plural: str, spec: Json) -> Json:
    answer = await create(api, plural, spec)
    assert answer.code == 201, answer.text
    return answer.body


async def test_a_deployment_has_its_defaults(api: Api) -> None:
    made = await created(api, "deployments", {"selector": _SELECTOR, "template": template(serviceAccountName="a")})
    spec = made["spec"]
    assert (spec["replicas"], spec["progressDeadlineSeconds"], spec["revisionHistoryLimit"]) == (1, 600, 10)
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
    inner = spec["template"]["spec"]
    assert (inner["restartPolicy"], inner["serviceAccount"], inner["schedulerName"]) == (
        "Always",
        "a",
        "default-scheduler",
    )
    assert {"tolerations", "enableServiceLinks", "preemptionPolicy"}.isdisjoint(inner)


@pytest.mark.parametrize("plural", ["deployments", "statefulsets"])
async def test_the_generation_counts_changes_of_the_spec(api: Api, plural: str) -> None:
    made = await created(api, plural, {"selector": _SELECTOR, "template": template()})
    scaled = await api.patch(path(api, plural, "x"), "merge", {"spec": {"replicas": 3}})
    named = await api.patch(path(api, plural, "x"), "merge", {"metadata": {"labels": {"a": "b"}}})
    seen = [one["metadata"]["generation"] for one in (made, scaled.body, named.body)]
    assert (seen, named.body["spec"]["replicas"]) == ([1, 2, 2], 3)


@pytest.mark.parametrize("plural", ["deployments", "statefulsets"])
@pytest.mark.parametrize(
    ("spec", "causes"),
    [
        (
            {"template": template()},
            [
                ("spec.selector", "Required value"),
                ("spec.template.metadata.labels", f'Invalid value: {{"app":"x"}}: {_MISMATCH}'),
            ],
        ),
        (
            {"selector": {"matchLabels": {"app": "y"}}, "template": template()},
            [("spec.template.metadata.labels", f'Invalid value: {{"app":"x"}}: {_MISMATCH}')],
        ),
        (
            {"selector": _SELECTOR, "template": template(restartPolicy="Never")},
            [("spec.template.spec.restartPolicy", 'Unsupported value: "Never": supported values: "Always"')],
        ),
        (
            {"selector": _SELECTOR, "template": template(containers=[{"name": "c"}]), "replicas": -1},
            [
                ("spec.replicas", "Invalid value: -1: must be greater than or equal to 0"),
                ("spec.template.spec.containers[0].image", "Required value"),
            ],
        ),
    ],
)
async def test_what_runs_for_ever_is_refused(api: Api, plural: str, spec: Json, causes: list[tuple[str, str]]) -> None:
    answer = await create(api, plural, spec)
    assert (answer.code, [(field, message) for _, field, message in answer.causes]) == (422, causes)


async def test_selectors_and_claims_are_for_ever(api: Api) -> None:
    await created(api, "deployments", {"selector": _SELECTOR, "template": template()})
    other = {"selector": {"matchLabels": {"app": "z"}}, "template": {"metadata": {"labels": {"app": "z"}}}}
    answer = await api.patch(path(api, "deployments", "x"), "merge", {"spec": other})
    assert answer.causes[0][1:] == ("spec.selector", f'Invalid value: {{"matchLabels":{{"app":"z"}}}}: {_IMMUTABLE}')
    await created(api, "statefulsets", {"selector": _SELECTOR, "template": template(), "serviceName": "s"})
    answer = await api.patch(path(api, "statefulsets", "x"), "merge", {"spec": {"serviceName": "t"}})
    assert "updates to statefulset spec for fields other than 'replicas'" in answer.message
    asked = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    await created(api, "persistentvolumeclaims", asked)
    change = {"spec": {"accessModes": ["ReadWriteMany"]}}
    answer = await api.patch(path(api, "persistentvolumeclaims", "x"), "merge", change)
    assert "Forbidden: spec is immutable after creation except resources.requests" in answer.message


async def test_a_stateful_set_mounts_its_claims(api: Api) -> None:
    mounted = container(volumeMounts=[{"name": "logs", "mountPath": "/logs"}])
    asked = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claims = [{"metadata": {"name": "logs"}, "spec": asked}]
    pods = template(containers=[mounted])
    spec = {"selector": _SELECTOR, "template": pods, "serviceName": "s", "volumeClaimTemplates": claims}
    assert (await create(api, "statefulsets", spec)).code == 201


async def test_a_job_selects_its_own_pods(api: Api) -> None:
    made = await created(api, "jobs", {"template": template(restartPolicy="Never")})
    key, uid = "batch.kubernetes.io/controller-uid", made["metadata"]["uid"]
    assert made["spec"]["selector"] == {"matchLabels": {key: uid}}
    assert made["spec"]["template"]["metadata"]["labels"]["job-name"] == "x"
    change = {"spec": {"template": {"metadata": {"labels": {"new": "label"}}}}}
    answer = await api.patch(path(api, "jobs", "x"), "merge", change)
    assert (answer.code, answer.causes[0][1], answer.message.endswith(_IMMUTABLE)) == (422, "spec.template", True)


_ALWAYS = 'Required value: valid values: "OnFailure", "Never"'


@pytest.mark.parametrize(
    ("plural", "spec", "causes"),
    [
        ("jobs", {"template": template()}, [("spec.template.spec.restartPolicy", _ALWAYS)]),
        (
            "jobs",
            {"template": template(restartPolicy="Never"), "backoffLimit": -1},
            [("spec.backoffLimit", "Invalid value: -1: must be greater than or equal to 0")],
        ),
        (
            "cronjobs",
            {"schedule": "* * *", "jobTemplate": {"spec": {"template": template(restartPolicy="Never")}}},
            [("spec.schedule", 'Invalid value: "* * *": expected exactly 5 fields, found 3: [* * *]')],
        ),
        (
            "cronjobs",
            {"concurrencyPolicy": "X", "jobTemplate": {"spec": {"template": template()}}},
            [
                ("spec.schedule", "Required value"),
                ("spec.concurrencyPolicy", 'Unsupported value: "X": supported values: "Allow", "Forbid", "Replace"'),
                ("spec.jobTemplate.spec.template.spec.restartPolicy", _ALWAYS),
            ],
        ),
        ("services", {"selector": {"a": "b"}}, [("spec.ports", "Required value")]),
        (
            "services",
            {"ports": [{"port": 80}, {"port": 70000, "name": "b"}]},
            [
                ("spec.ports[0].name", "Required value"),
                ("spec.ports[1].port", "Invalid value: 70000: must be between 1 and 65535, inclusive"),
                ("spec.ports[1].targetPort", "Invalid value: 70000: must be between 1 and 65535, inclusive"),
            ],
        ),
        (
            "networkpolicies",
            {"podSelector": {}, "policyTypes": ["Foo"]},
            [("spec.policyTypes[0]", 'Unsupported value: "Foo": supported values: "Ingress", "Egress"')],
        ),
        (
            "persistentvolumeclaims",
            {},
            [
                ("spec.accessModes", "Required value: at least 1 access mode is required"),
                ("spec.resources[storage]", "Required value"),
            ],
        ),
    ],
)
async def test_bad_specs(api: Api, plural: str, spec: Json, causes: list[tuple[str, str]]) -> None:
    answer = await create(api, plural, spec)
    assert (answer.code, [(field, message) for _, field, message in answer.causes]) == (422, causes)


async def test_services_and_policies_have_their_defaults(api: Api) -> None:
    service = (await created(api, "services", {"selector": {"a": "b"}, "ports": [{"port": 80}]}))["spec"]
    assert service["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert (service["type"], service["sessionAffinity"]) == ("ClusterIP", "None")
    policy = (await created(api, "networkpolicies", {"podSelector": {}, "egress": [{}]}))["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
