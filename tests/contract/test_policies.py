"""Limit ranges, quotas, disruption budgets, priority classes: what a namespace's owner sets for pods."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.api import Answer, Api, Json, config_map, container, eventually, pod

LIMITS: list[Json] = [
    {
        "type": "Container",
        "min": {"cpu": "100m"},
        "max": {"memory": "1Gi"},
        "default": {"cpu": "500m"},
        "defaultRequest": {"memory": "100Mi"},
        "maxLimitRequestRatio": {"cpu": "4"},
    },
    {"type": "Pod", "max": {"cpu": "1"}},
]


def limit_range(*limits: Json) -> Json:
    return {"metadata": {"name": "l"}, "spec": {"limits": list(limits)}}


async def with_limits(api: Api) -> None:
    """A namespace with limits that pods already feel: admission reads them from a watch."""
    await api.created("limitranges", limit_range(*LIMITS))

    async def felt() -> bool:
        tried = await api.create("pods", pod("probe"), dryRun="All")
        return "limits" in (tried.body.get("spec") or {}).get("containers", [{}])[0].get("resources", {})

    await eventually(felt)


async def test_limits_fill_in_what_follows_from_them(api: Api) -> None:
    made = await api.created("limitranges", limit_range(*LIMITS))
    first = made["spec"]["limits"][0]
    assert first["default"] == {"cpu": "500m", "memory": "1Gi"}
    assert first["defaultRequest"] == {"cpu": "500m", "memory": "100Mi"}


async def test_a_pod_gets_what_it_does_not_ask_for(api: Api) -> None:
    await with_limits(api)
    asked = container("b", resources={"requests": {"cpu": "200m"}})
    made = await api.created("pods", pod("a", containers=[container(), asked], initContainers=[container("i")]))
    given = [one["resources"] for one in made["spec"]["containers"]]
    limits = {"cpu": "500m", "memory": "1Gi"}
    assert given[0] == {"limits": limits, "requests": {"cpu": "500m", "memory": "100Mi"}}
    assert given[1] == {"limits": limits, "requests": {"cpu": "200m", "memory": "100Mi"}}
    assert made["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == (
        "LimitRanger plugin set: cpu, memory request for container base; cpu, memory limit for container base; "
        "memory request for container b; cpu, memory limit for container b; "
        "cpu, memory request for init container i; cpu, memory limit for init container i"
    )
    assert made["status"]["qosClass"] == "Burstable"


_LOW = "minimum cpu usage per Container is 100m, but request is 10m"
_FAR = "cpu max limit to request ratio per Container is 4, but provided ratio is {}"


@pytest.mark.parametrize(
    ("resources", "sentences"),
    [
        ({"requests": {"cpu": "10m"}}, {_LOW, _FAR.format("50.000000")}),
        ({"limits": {"memory": "2Gi"}}, {"maximum memory usage per Container is 1Gi, but limit is 2Gi"}),
        (
            {"requests": {"cpu": "500m"}, "limits": {"cpu": "2"}},
            {"maximum cpu usage per Pod is 1, but limit is 2"},
        ),
    ],
)
async def test_a_pod_beyond_the_limits(api: Api, resources: Json, sentences: set[str]) -> None:
    await with_limits(api)
    answer = await api.create("pods", pod("a", containers=[container(resources=resources)]))
    text = answer.message.removeprefix('pods "a" is forbidden: ').strip("[]")
    assert (answer.code, answer.body["reason"], set(text.split(", "))) == (
        403,
        "Forbidden",
        {part for sentence in sentences for part in sentence.split(", ")},
    )


@pytest.mark.parametrize(
    ("limit", "causes"),
    [
        ({"type": "Foo"}, [("type", 'Invalid value: "Foo": must be a standard limit type or fully qualified')]),
        (
            {"type": "Pod", "default": {"cpu": "2"}},
            [("default", "Forbidden: may not be specified when `type` is 'Pod'")],
        ),
        (
            {"type": "Container", "default": {"cpu": "2"}, "max": {"cpu": "1"}},
            [
                ("defaultRequest[cpu]", 'Invalid value: "2": default request value 2 is greater than max value 1'),
                ("default[cpu]", 'Invalid value: "1": default value 2 is greater than max value 1'),
            ],
        ),
        (
            {"type": "Container", "maxLimitRequestRatio": {"cpu": "0.5"}},
            [("maxLimitRequestRatio[cpu]", 'Invalid value: "500m": ratio 500m is less than 1')],
        ),
    ],
)
async def test_bad_limits(api: Api, limit: Json, causes: list[tuple[str, str]]) -> None:
    answer = await api.create("limitranges", limit_range(limit))
    found = [(field.removeprefix("spec.limits[0]."), message) for _, field, message in answer.causes]
    assert (answer.code, found) == (422, causes)


async def with_quota(api: Api, hard: Json, **spec: Any) -> None:
    """A namespace with a quota that a controller has taken up."""
    await api.created("resourcequotas", {"metadata": {"name": "q"}, "spec": {"hard": hard, **spec}})
    await eventually(lambda: counted(api))


async def counted(api: Api, **used: str) -> bool:
    """Whether the quota has a status, with these amounts in use."""
    status = (await api.get(api.path("resourcequotas", "q"))).body.get("status") or {}
    return (
        bool(status.get("used")) and used.items() <= {k.replace("/", "_"): v for k, v in status["used"].items()}.items()
    )


async def test_a_quota_counts_what_is_there(api: Api) -> None:
    await api.created("configmaps", config_map("a"))
    await with_quota(api, {"count/configmaps": "10", "pods": "5", "requests.cpu": "2"})
    await eventually(lambda: counted(api, count_configmaps="2", pods="0"))
    asked = container(resources={"requests": {"cpu": "300m"}})
    await api.created("pods", pod("a", containers=[asked]))
    await eventually(lambda: counted(api, pods="1", **{"requests.cpu": "300m"}))
    await api.delete(api.path("pods", "a"))
    await eventually(lambda: counted(api, pods="0", **{"requests.cpu": "0"}))


async def test_a_quota_of_secrets(api: Api) -> None:
    await with_quota(api, {"secrets": "1"})
    await api.created("secrets", {"metadata": {"name": "s1"}})
    answer = await api.create("secrets", {"metadata": {"name": "s2"}})
    why = "exceeded quota: q, requested: secrets=1, used: secrets=1, limited: secrets=1"
    assert (answer.code, answer.message) == (403, f'secrets "s2" is forbidden: {why}')


async def test_a_quota_of_any_kind(api: Api) -> None:
    name = "count/roles.rbac.authorization.k8s.io"
    await with_quota(api, {name: "0"})
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{api.namespace}/roles"
    answer = await api.call("POST", path, {"metadata": {"name": "r"}})
    why = f"exceeded quota: q, requested: {name}=1, used: {name}=0, limited: {name}=0"
    assert answer.message == f'roles.rbac.authorization.k8s.io "r" is forbidden: {why}'


async def test_a_quota_of_one_scope(api: Api) -> None:
    await with_quota(api, {"pods": "0"}, scopes=["BestEffort"])
    refused = await api.create("pods", pod("a"))
    assert (refused.code, "exceeded quota: q" in refused.message) == (403, True)
    asked = container(resources={"requests": {"cpu": "1"}})
    assert (await api.create("pods", pod("a", containers=[asked]))).code == 201


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"hard": {"pods": "-1"}}, 'spec.hard[pods]: Invalid value: "-1": must be greater than or equal to 0'),
        ({"hard": {"pods": "0.5"}}, 'spec.hard[pods]: Invalid value: "500m": must be an integer'),
        (
            {"hard": {"foo": "1"}},
            '[spec.hard[foo]: Invalid value: "foo": must be a standard resource type or fully qualified, '
            'spec.hard[foo]: Invalid value: "foo": must be a standard resource for quota]',
        ),
        (
            {"hard": {"secrets": "1"}, "scopes": ["BestEffort"]},
            'spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource',
        ),
        (
            {"hard": {"pods": "1"}, "scopes": ["BestEffort", "NotBestEffort"]},
            'spec.scopes: Invalid value: ["BestEffort","NotBestEffort"]: conflicting scopes',
        ),
    ],
)
async def test_bad_quotas(api: Api, spec: Json, sentence: str) -> None:
    answer = await api.create("resourcequotas", {"metadata": {"name": "q"}, "spec": spec})
    assert (answer.code, answer.message) == (422, f'ResourceQuota "q" is invalid: {sentence}')


def eviction(api: Api, name: str = "a", **fields: Any) -> Json:
    metadata = {"name": name, "namespace": api.namespace}
    return {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata, **fields}


async def evict(api: Api, body: Json) -> Answer:
    return await api.call("POST", f"{api.path('pods', 'a')}/eviction", body)


async def bound_pod(api: Api) -> Json:
    return await api.created("pods", pod("a", schedulingGates=None, nodeName=api.namespace))


@pytest.mark.parametrize(
    ("change", "code", "sentence"),
    [
        ({"metadata": {"name": "b"}}, 400, "name in URL does not match name in Eviction object"),
        ({"metadata": {"name": "a", "namespace": "x"}}, 400, "the namespace of the provided object does not match"),
        ({"deleteOptions": {"preconditions": {"uid": "x"}}}, 409, "the UID in the precondition (x) does not match"),
    ],
)
async def test_evictions_that_are_refused(api: Api, change: Json, code: int, sentence: str) -> None:
    await bound_pod(api)
    answer = await evict(api, eviction(api) | change)
    assert (answer.code, sentence in answer.message) == (code, True), answer.message
    left = (await api.get(api.path("pods", "a"))).body
    assert "deletionTimestamp" not in left["metadata"]
    assert "DisruptionTarget" not in {one["type"] for one in left["status"].get("conditions", ())}


async def test_an_eviction_is_rehearsed(api: Api) -> None:
    await bound_pod(api)
    assert (await evict(api, eviction(api, deleteOptions={"dryRun": ["All"]}))).code == 201
    assert "deletionTimestamp" not in (await api.get(api.path("pods", "a"))).body["metadata"]


async def test_a_missing_pod_cannot_be_evicted(api: Api) -> None:
    answer = await evict(api, eviction(api))
    assert (answer.code, answer.message) == (404, 'pods "a" not found')


def budgets(api: Api) -> str:
    return f"/apis/policy/v1/namespaces/{api.namespace}/poddisruptionbudgets"


async def test_a_pod_that_is_not_up_yet_is_beyond_any_budget(api: Api) -> None:
    body = pod("a", schedulingGates=None, nodeName=api.namespace)
    body["metadata"]["labels"] = {"app": "x"}
    await api.created("pods", body)
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "x"}}}
    assert (await api.call("POST", budgets(api), {"metadata": {"name": "d"}, "spec": spec})).code == 201
    assert (await evict(api, eviction(api))).code == 201


async def test_a_budget_holds_a_pod_that_is_up(api: Api) -> None:
    body = pod("a", schedulingGates=None, nodeName=api.namespace)
    body["metadata"]["labels"] = {"app": "x"}
    await api.created("pods", body)
    up = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    await api.patch(f"{api.path('pods', 'a')}/status", "merge", {"status": up})
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "x"}}}
    await api.call("POST", budgets(api), {"metadata": {"name": "d"}, "spec": spec})
    answer = await evict(api, eviction(api))
    sentence = "Cannot evict pod as it would violate the pod's disruption budget."
    assert (answer.code, answer.body["reason"], answer.message) == (429, "TooManyRequests", sentence)
    assert [reason for reason, _, _ in answer.causes] == ["DisruptionBudget"]


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"minAvailable": -1}, "spec.minAvailable: Invalid value: -1: must be greater than or equal to 0"),
        ({"minAvailable": "200%"}, 'spec.minAvailable: Invalid value: "200%": must not be greater than 100%'),
        (
            {"selector": {"matchExpressions": [{"key": "a", "operator": "Foo"}]}},
            'spec.selector.matchExpressions[0].operator: Invalid value: "Foo": not a valid selector operator',
        ),
    ],
)
async def test_bad_budgets(api: Api, spec: Json, sentence: str) -> None:
    answer = await api.call("POST", budgets(api), {"metadata": {"name": "d"}, "spec": spec})
    assert (answer.code, answer.message) == (422, f'PodDisruptionBudget.policy "d" is invalid: {sentence}')


async def test_a_priority_class_gives_its_number(api: Api) -> None:
    classes, name = "/apis/scheduling.k8s.io/v1/priorityclasses", api.namespace
    missing = await api.create("pods", pod("a", priorityClassName=name))
    why = f'pods "a" is forbidden: no PriorityClass with name {name} was found'
    assert (missing.code, missing.message) == (403, why)
    await api.call("POST", classes, {"metadata": {"name": name}, "value": 7, "preemptionPolicy": "Never"})

    async def known() -> bool:
        return (await api.create("pods", pod("probe", priorityClassName=name), dryRun="All")).code == 201

    await eventually(known)
    spec = (await api.created("pods", pod("a", priorityClassName=name)))["spec"]
    assert (spec["priority"], spec["preemptionPolicy"]) == (7, "Never")
    await api.delete(f"{classes}/{name}")
