"""Creating objects: what is filled in, and what is refused in which words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.api import Api, Json, config_map, container, eventually, pod

_PREFIX = 'Pod in version "v1" cannot be handled as a Pod: '
_STRICT = _PREFIX + "strict decoding error: "


async def test_metadata_is_filled_in(api: Api) -> None:
    made = await api.created("pods", pod("a"))
    metadata = made["metadata"]
    assert (made["kind"], made["apiVersion"], metadata["namespace"]) == ("Pod", "v1", api.namespace)
    assert len(metadata["uid"]) == 36
    assert metadata["creationTimestamp"].endswith("Z")
    assert int(metadata["resourceVersion"]) > 0


async def test_pod_defaults(api: Api) -> None:
    made = await api.created("pods", pod("a"))
    spec = made["spec"]
    expected = {
        "restartPolicy": "Always",
        "dnsPolicy": "ClusterFirst",
        "terminationGracePeriodSeconds": 30,
        "schedulerName": "default-scheduler",
        "serviceAccountName": "default",
        "enableServiceLinks": True,
        "securityContext": {},
    }
    assert {name: spec[name] for name in expected} == expected
    first = spec["containers"][0]
    assert (first["terminationMessagePath"], first["terminationMessagePolicy"]) == ("/dev/termination-log", "File")
    assert first["imagePullPolicy"] == "IfNotPresent"
    assert {t["key"]: t["tolerationSeconds"] for t in spec["tolerations"]} == {
        "node.kubernetes.io/not-ready": 300,
        "node.kubernetes.io/unreachable": 300,
    }
    assert (made["status"]["phase"], made["status"]["qosClass"]) == ("Pending", "BestEffort")


async def test_a_gated_pod_says_so(api: Api) -> None:
    made = await api.created("pods", pod("a"))
    condition = next(c for c in made["status"]["conditions"] if c["type"] == "PodScheduled")
    assert (condition["status"], condition["reason"]) == ("False", "SchedulingGated")


async def test_the_service_account_is_mounted(api: Api) -> None:
    made = await api.created("pods", pod("a"))
    volume = next(v for v in made["spec"]["volumes"] if v["name"].startswith("kube-api-access-"))
    kinds = [next(iter(source)) for source in volume["projected"]["sources"]]
    # A distribution may add ConfigMaps with certificates of its own.
    assert list(dict.fromkeys(sorted(kinds))) == ["configMap", "downwardAPI", "serviceAccountToken"]
    mount = made["spec"]["containers"][0]["volumeMounts"][0]
    assert mount["mountPath"] == "/var/run/secrets/kubernetes.io/serviceaccount"


async def test_the_service_account_is_not_mounted_when_unwanted(api: Api) -> None:
    made = await api.created("pods", pod("a", automountServiceAccountToken=False))
    assert "volumes" not in made["spec"]


async def test_quantities_are_canonical_and_requests_follow_limits(api: Api) -> None:
    resources = {"limits": {"cpu": 0.5, "memory": "1024Mi"}}
    made = await api.created("pods", pod("a", containers=[container(resources=resources)]))
    found = made["spec"]["containers"][0]["resources"]
    assert found == {"limits": {"cpu": "500m", "memory": "1Gi"}, "requests": {"cpu": "500m", "memory": "1Gi"}}
    assert made["status"]["qosClass"] == "Guaranteed"


@pytest.mark.parametrize(
    ("image", "policy"),
    [("a", "Always"), ("a:latest", "Always"), ("a:1", "IfNotPresent"), ("host:5000/a", "Always")],
)
async def test_pull_policy_follows_the_tag(api: Api, image: str, policy: str) -> None:
    made = await api.created("pods", pod("a", containers=[container(image=image)]))
    assert made["spec"]["containers"][0]["imagePullPolicy"] == policy


async def test_a_name_is_generated(api: Api) -> None:
    body = pod()
    body["metadata"]["generateName"] = "made-"
    made = await api.created("pods", body)
    assert made["metadata"]["name"].startswith("made-")
    assert len(made["metadata"]["name"]) == len("made-") + 5


async def test_a_dry_run_keeps_nothing(api: Api) -> None:
    assert (await api.create("pods", pod("a"), dryRun="All")).code == 201
    assert (await api.get(api.path("pods", "a"))).code == 404


async def test_the_second_of_a_name_already_exists(api: Api) -> None:
    await api.created("pods", pod("a"))
    answer = await api.create("pods", pod("a"))
    assert (answer.code, answer.body["reason"]) == (409, "AlreadyExists")
    assert answer.message == 'pods "a" already exists'
    assert answer.body["details"] == {"name": "a", "kind": "pods"}


async def test_a_missing_namespace_is_not_found(api: Api) -> None:
    answer = await api.call("POST", "/api/v1/namespaces/no-such-namespace/pods", pod("a"))
    assert (answer.code, answer.body["reason"]) == (404, "NotFound")
    assert answer.message == 'namespaces "no-such-namespace" not found'
    assert answer.body["details"] == {"name": "no-such-namespace", "kind": "namespaces"}


async def test_a_missing_object_is_not_found(api: Api) -> None:
    answer = await api.get(api.path("secrets", "x"))
    expected = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": 404}
    expected |= {"reason": "NotFound", "message": 'secrets "x" not found', "details": {"name": "x", "kind": "secrets"}}
    assert answer.body == expected


async def test_strict_names_every_unknown_field(api: Api) -> None:
    body = pod("a", containers=[container(imagePullPolcy="Never")], nodeSelektor={})
    answer = await api.create("pods", body, fieldValidation="Strict")
    assert (answer.code, answer.body["reason"]) == (400, "BadRequest")
    assert "details" not in answer.body or not answer.body["details"].get("causes")
    unknown = ['unknown field "spec.containers[0].imagePullPolcy"', 'unknown field "spec.nodeSelektor"']
    assert answer.message.startswith(_STRICT)
    assert sorted(answer.message.removeprefix(_STRICT).split(", ")) == unknown


async def test_strict_names_a_duplicate_field(api: Api) -> None:
    body = b'{"metadata":{"name":"a","name":"b"},"spec":{"containers":[{"name":"base","image":"x"}]}}'
    answer = await api.create("pods", body, fieldValidation="Strict")
    assert (answer.code, answer.message) == (400, _STRICT + 'duplicate field "metadata.name"')


async def test_warn_creates_and_warns(api: Api) -> None:
    answer = await api.create("pods", pod("a", nodeSelektor={}), fieldValidation="Warn")
    assert answer.code == 201
    assert answer.headers["Warning"] == '299 - "unknown field \\"spec.nodeSelektor\\""'
    assert "nodeSelektor" not in answer.body["spec"]


async def test_ignore_creates_in_silence(api: Api) -> None:
    answer = await api.create("pods", pod("a", nodeSelektor={}), fieldValidation="Ignore")
    assert answer.code == 201
    assert "Warning" not in answer.headers


_WRONG_TYPES: list[tuple[Json, str]] = [
    (
        {"containers": [container(env=[{"name": "A", "value": 3}])]},
        "json: cannot unmarshal number into Go struct field EnvVar.spec.containers.env.value of type string",
    ),
    (
        {"activeDeadlineSeconds": "3"},
        "json: cannot unmarshal string into Go struct field PodSpec.spec.activeDeadlineSeconds of type int64",
    ),
    (
        {"containers": [container(resources={"requests": {"cpu": "lots"}})]},
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    ),
    (
        {"hostNetwork": "yes"},
        "json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool",
    ),
]


@pytest.mark.parametrize(("spec", "sentence"), _WRONG_TYPES)
async def test_a_wrong_type_cannot_be_decoded(api: Api, spec: Json, sentence: str) -> None:
    answer = await api.create("pods", pod("a", **spec))
    assert (answer.code, answer.body["reason"], answer.message) == (400, "BadRequest", _PREFIX + sentence)


async def test_what_is_no_json(api: Api) -> None:
    answer = await api.create("pods", b"{")
    assert (answer.code, answer.body["reason"]) == (400, "BadRequest")


async def test_another_kind_is_refused(api: Api) -> None:
    answer = await api.create("pods", config_map("a"))
    assert answer.code == 400


_TWO = [container("a"), container("a")]
_INVALID: list[tuple[Any, str, str]] = [
    ({"containers": []}, "FieldValueRequired", "spec.containers: Required value"),
    ({"containers": [{"name": "b"}]}, "FieldValueRequired", "spec.containers[0].image: Required value"),
    ({"containers": [{"image": "x"}]}, "FieldValueRequired", "spec.containers[0].name: Required value"),
    ({"containers": _TWO}, "FieldValueDuplicate", 'spec.containers[1].name: Duplicate value: "a"'),
    (
        {"containers": [container(volumeMounts=[{"name": "x", "mountPath": "/x"}])]},
        "FieldValueNotFound",
        'spec.containers[0].volumeMounts[0].name: Not found: "x"',
    ),
    (
        {"restartPolicy": "Sometimes"},
        "FieldValueNotSupported",
        'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"',
    ),
    (
        {"containers": [container(imagePullPolicy="Often")]},
        "FieldValueNotSupported",
        'spec.containers[0].imagePullPolicy: Unsupported value: "Often": '
        'supported values: "Always", "IfNotPresent", "Never"',
    ),
    (
        {"containers": [container(resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1"}})]},
        "FieldValueInvalid",
        'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
    ),
    (
        {"containers": [container(resources={"requests": {"example.com/gpu": "1"}})]},
        "FieldValueRequired",
        "spec.containers[0].resources.limits: Required value: Limit must be set for non overcommitable resources",
    ),
    (
        {"volumes": [{"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {}}]},
        "FieldValueDuplicate",
        'spec.volumes[1].name: Duplicate value: "v"',
    ),
    (
        {"volumes": [{"name": "v", "emptyDir": {}, "hostPath": {"path": "/x"}}]},
        "FieldValueForbidden",
        "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type",
    ),
    (
        {"containers": [container(ports=[{"containerPort": 70000}])]},
        "FieldValueInvalid",
        "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
    ),
    (
        {"containers": [container(livenessProbe={"periodSeconds": 3})]},
        "FieldValueRequired",
        "spec.containers[0].livenessProbe: Required value: must specify a handler type",
    ),
    (
        {"activeDeadlineSeconds": 0},
        "FieldValueInvalid",
        "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive",
    ),
]


@pytest.mark.parametrize(("spec", "reason", "sentence"), _INVALID)
async def test_an_invalid_pod(api: Api, spec: Json, reason: str, sentence: str) -> None:
    answer = await api.create("pods", pod("a", **spec))
    assert (answer.code, answer.body["reason"]) == (422, "Invalid"), answer.text
    assert answer.message == f'Pod "a" is invalid: {sentence}'
    field, _, message = sentence.partition(": ")
    assert answer.causes == [(reason, field, message)]
    assert (answer.body["details"]["name"], answer.body["details"]["kind"]) == ("a", "Pod")


async def test_every_cause_is_named(api: Api) -> None:
    answer = await api.create("pods", pod("a", restartPolicy="x", containers=[{"name": "b"}, {"name": "c"}]))
    assert answer.message.startswith('Pod "a" is invalid: [')
    fields = {field for _, field, _ in answer.causes}
    assert fields == {"spec.containers[0].image", "spec.containers[1].image", "spec.restartPolicy"}


@pytest.mark.parametrize("name", ["Upper", "under_score", "-dash", "a" * 254])
async def test_an_invalid_name(api: Api, name: str) -> None:
    answer = await api.create("pods", pod(name))
    assert (answer.code, answer.causes[0][:2]) == (422, ("FieldValueInvalid", "metadata.name"))


async def test_an_invalid_label_value(api: Api) -> None:
    answer = await api.create("configmaps", config_map("a", labels={"key": "not good!"}))
    assert (answer.code, answer.causes[0][:2]) == (422, ("FieldValueInvalid", "metadata.labels"))
    assert 'Invalid value: "not good!": a valid label must be an empty string or consist of' in answer.message


async def test_a_name_is_required(api: Api) -> None:
    answer = await api.create("configmaps", {"metadata": {}})
    assert answer.code == 422
    assert answer.causes == [
        ("FieldValueRequired", "metadata.name", "Required value: name or generateName is required")
    ]


async def test_an_unknown_service_account_is_forbidden(api: Api) -> None:
    answer = await api.create("pods", pod("a", serviceAccountName="nobody"))
    assert (answer.code, answer.body["reason"]) == (403, "Forbidden")
    assert answer.message == (
        f'pods "a" is forbidden: error looking up service account {api.namespace}/nobody: '
        'serviceaccount "nobody" not found'
    )


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"priorityClassName": "no-such"}, "no PriorityClass with name no-such was found"),
        ({"runtimeClassName": "no-such"}, 'pod rejected: RuntimeClass "no-such" not found'),
        (
            {"priority": 5},
            "the integer value of priority (5) must not be provided in pod spec; "
            "priority admission controller computed 0 from the given PriorityClass name",
        ),
    ],
)
async def test_an_unknown_class_is_forbidden(api: Api, spec: Json, why: str) -> None:
    answer = await api.create("pods", pod("a", **spec))
    assert (answer.code, answer.message) == (403, f'pods "a" is forbidden: {why}')


async def test_a_class_that_every_cluster_has_is_a_number(api: Api) -> None:
    made = await api.created("pods", pod("a", priorityClassName="system-node-critical"))
    assert made["spec"]["priority"] == 2_000_001_000


async def test_a_fraction_of_a_device_is_invalid(api: Api) -> None:
    limits = {"limits": {"example.com/gpu": "0.5"}}
    answer = await api.create("pods", pod("a", containers=[container(resources=limits)]))
    sentence = 'Invalid value: "500m": must be an integer'
    path = "spec.containers[0].resources"
    assert answer.causes == [
        ("FieldValueInvalid", f"{path}.limits[example.com/gpu]", sentence),
        ("FieldValueInvalid", f"{path}.requests[example.com/gpu]", sentence),
    ]


async def test_a_namespace_carries_its_name_as_a_label(api: Api) -> None:
    labels = (await api.get(f"/api/v1/namespaces/{api.namespace}")).body["metadata"]["labels"]
    assert labels["kubernetes.io/metadata.name"] == api.namespace


async def test_a_body_over_three_mebibytes_is_too_large(api: Api) -> None:
    answer = await api.create("configmaps", config_map("a", big="x" * (3 * 1024 * 1024 + 10)))
    assert answer.code == 413


async def test_string_data_becomes_data(api: Api) -> None:
    body = {"metadata": {"name": "s"}, "stringData": {"k": "value"}}
    made = await api.created("secrets", body)
    assert (made["data"], made["type"], "stringData" in made) == ({"k": "dmFsdWU="}, "Opaque", False)


async def test_a_secret_over_one_mebibyte_is_invalid(api: Api) -> None:
    body = {"metadata": {"name": "s"}, "stringData": {"k": "x" * 1048577}}
    answer = await api.create("secrets", body)
    assert (answer.code, answer.causes) == (
        422,
        [("FieldValueTooLong", "data", "Too long: may not be more than 1048576 bytes")],
    )


async def test_a_quota_wants_every_container_to_say_what_it_counts(api: Api) -> None:
    hard = {"requests.cpu": "1", "limits.memory": "1Gi"}
    await api.created("resourcequotas", {"metadata": {"name": "q"}, "spec": {"hard": hard}})
    await eventually(api.is_full)
    one = container("one", resources={"requests": {"cpu": "100m"}})
    answer = await api.create("pods", pod("a", containers=[one, container("two")]))
    assert (answer.code, answer.body["reason"]) == (403, "Forbidden")
    sentence = "must specify limits.memory for: one,two; requests.cpu for: two"
    assert answer.message == f'pods "a" is forbidden: failed quota: q: {sentence}'


async def test_quota_is_enforced(api: Api) -> None:
    await api.created("resourcequotas", {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "1"}}})
    await api.created("pods", pod("a"))
    await eventually(api.is_full)
    answer = await api.create("pods", pod("b"))
    assert (answer.code, answer.body["reason"]) == (403, "Forbidden")
    expected = 'pods "b" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1'
    assert answer.message == expected
