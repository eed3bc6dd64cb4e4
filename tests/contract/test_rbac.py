"""Roles, bindings and tokens of service accounts. The local cluster of these tests enforces roles."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.contract.api import Answer, Api, Json, config_map, eventually, pod

RBAC = "/apis/rbac.authorization.k8s.io/v1"
REVIEWS = "/apis/authorization.k8s.io/v1"
GROUP = "rbac.authorization.k8s.io"


async def token(api: Api, **spec: object) -> Answer:
    return await api.call("POST", f"{api.path('serviceaccounts', 'default')}/token", {"spec": spec})


@pytest.fixture
async def account(api: Api) -> AsyncIterator[Api]:
    """The API as the namespace's default service account sees it."""
    answer = await token(api)
    headers = {"Authorization": f"Bearer {answer.body['status']['token']}"}
    connector = aiohttp.TCPConnector(ssl=api.access.context)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        yield Api(session, api.access, api.namespace)


def user_name(api: Api) -> str:
    return f"system:serviceaccount:{api.namespace}:default"


async def grant(api: Api, *rules: Json, kind: str = "Role") -> None:
    """Give rules to every service account of the namespace."""
    place = f"{RBAC}/namespaces/{api.namespace}"
    made = await api.call("POST", f"{place}/roles", {"metadata": {"name": "r"}, "rules": list(rules)})
    assert made.code == 201, made.text
    await bind(api, "r", kind)


async def bind(api: Api, role: str, kind: str) -> Answer:
    group = {"kind": "Group", "apiGroup": GROUP, "name": f"system:serviceaccounts:{api.namespace}"}
    reference = {"apiGroup": GROUP, "kind": kind, "name": role}
    body = {"metadata": {"name": role}, "roleRef": reference, "subjects": [group]}
    return await api.call("POST", f"{RBAC}/namespaces/{api.namespace}/rolebindings", body)


def rule(verbs: str, resources: str, group: str = "", **more: object) -> Json:
    return {"verbs": verbs.split(), "resources": resources.split(), "apiGroups": [group], **more}


async def allowed(account: Api, method: str, path: str, body: Json | None = None, **query: str) -> None:
    """Wait until roles have arrived: a real server's authorizer reads them from a watch."""

    async def is_allowed() -> bool:
        return (await account.call(method, path, body, **query)).code != 403

    await eventually(is_allowed)


async def test_a_service_account_knows_who_it_is(api: Api, account: Api) -> None:
    answer = await account.call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {})
    info = answer.body["status"]["userInfo"]
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{api.namespace}", "system:authenticated"]
    assert (answer.code, info["username"], info["groups"]) == (201, user_name(api), groups)


@pytest.mark.parametrize(
    ("method", "path", "sentence"),
    [
        ("GET", "pods", 'pods is forbidden: User "{}" cannot list resource "pods" in API group ""'),
        ("GET", "pods?watch=1", 'pods is forbidden: User "{}" cannot watch resource "pods" in API group ""'),
        ("GET", "pods/a", 'pods "a" is forbidden: User "{}" cannot get resource "pods" in API group ""'),
        ("POST", "pods", 'pods is forbidden: User "{}" cannot create resource "pods" in API group ""'),
        ("DELETE", "pods", 'pods is forbidden: User "{}" cannot deletecollection resource "pods" in API group ""'),
        ("GET", "pods/a/log", 'pods "a" is forbidden: User "{}" cannot get resource "pods/log" in API group ""'),
        ("GET", "pods/a/exec", 'pods "a" is forbidden: User "{}" cannot get resource "pods/exec" in API group ""'),
        ("POST", "pods/a/exec", 'pods "a" is forbidden: User "{}" cannot create resource "pods/exec" in API group ""'),
    ],
)
async def test_without_a_role_everything_is_forbidden(
    api: Api, account: Api, method: str, path: str, sentence: str
) -> None:
    name, _, query = path.partition("?")
    parameters = {"watch": "1"} if query else {}
    body = pod("a") if method == "POST" and name == "pods" else None
    answer = await account.call(method, api.path(name), body, **parameters)
    assert (answer.code, answer.body["reason"], answer.body["details"]["kind"]) == (403, "Forbidden", "pods")
    assert answer.message == f'{sentence.format(user_name(api))} in the namespace "{api.namespace}"'


async def test_what_is_in_no_namespace_is_forbidden_at_the_cluster_scope(api: Api, account: Api) -> None:
    pods, node = await account.get("/api/v1/pods"), await account.get("/api/v1/nodes/x")
    who = f'User "{user_name(api)}" cannot'
    assert pods.message == f'pods is forbidden: {who} list resource "pods" in API group "" at the cluster scope'
    assert node.message == f'nodes "x" is forbidden: {who} get resource "nodes" in API group "" at the cluster scope'


async def test_a_namespace_is_in_itself(api: Api, account: Api) -> None:
    answer = await account.get(f"/api/v1/namespaces/{api.namespace}")
    assert (answer.code, answer.message.endswith(f'in the namespace "{api.namespace}"')) == (403, True)


async def test_discovery_is_open_to_everybody_who_is_known(account: Api) -> None:
    codes = [(await account.get(path)).code for path in ("/version", "/api", "/apis", "/api/v1")]
    assert codes == [200] * 4


async def test_a_role_allows_what_it_says_and_no_more(api: Api, account: Api) -> None:
    await grant(api, rule("get list create", "configmaps"))
    await allowed(account, "GET", api.path("configmaps"))
    assert (await account.create("configmaps", config_map("a"))).code == 201
    assert (await account.get(api.path("configmaps", "a"))).code == 200
    assert (await account.delete(api.path("configmaps", "a"))).code == 403
    assert (await account.get("/api/v1/namespaces/default/configmaps")).code == 403


async def test_a_service_account_without_a_namespace_is_of_the_bindings_own(api: Api, account: Api) -> None:
    place = f"{RBAC}/namespaces/{api.namespace}"
    role = {"metadata": {"name": "r"}, "rules": [rule("list", "configmaps")]}
    reference = {"apiGroup": GROUP, "kind": "Role", "name": "r"}
    subjects = [{"kind": "ServiceAccount", "name": "default"}]
    binding = {"metadata": {"name": "r"}, "roleRef": reference, "subjects": subjects}
    assert (await api.call("POST", f"{place}/roles", role)).code == 201
    assert (await api.call("POST", f"{place}/rolebindings", binding)).code == 201
    await allowed(account, "GET", api.path("configmaps"))


async def test_applying_what_there_is_not_needs_the_right_to_create(api: Api, account: Api) -> None:
    await grant(api, rule("get list patch", "configmaps"))
    await allowed(account, "GET", api.path("configmaps"))
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}}
    change = ("PATCH", api.path("configmaps", "a"), body, "application/apply-patch+yaml")
    answer = await account.call(*change, fieldManager="me")
    assert (answer.code, 'cannot create resource "configmaps"' in answer.message) == (403, True)
    await api.created("configmaps", config_map("a"))
    assert (await account.call(*change, fieldManager="me")).code == 200


async def test_a_rule_may_name_objects(api: Api, account: Api) -> None:
    await grant(api, rule("get list", "configmaps", resourceNames=["a"]))
    await allowed(account, "GET", api.path("configmaps", "a"))
    assert (await account.get(api.path("configmaps", "b"))).code == 403
    assert (await account.get(api.path("configmaps"))).code == 403
    assert (await account.get(api.path("configmaps"), fieldSelector="metadata.name=a")).code == 200


async def test_subresources_are_granted_apart(api: Api, account: Api) -> None:
    await api.created("pods", pod("a"))
    await grant(api, rule("*", "*/log"))
    await allowed(account, "GET", f"{api.path('pods', 'a')}/log")
    assert (await account.get(api.path("pods", "a"))).code == 403


async def test_exec_by_get_needs_create_too(api: Api, account: Api) -> None:
    await api.created("pods", pod("a"))
    await grant(api, rule("get", "pods/exec pods"))
    await allowed(account, "GET", api.path("pods", "a"))
    answer = await account.get(f"{api.path('pods', 'a')}/exec", command="ls", stdout="1")
    assert (answer.code, answer.message) == (403, 'pods "a" is forbidden: ')


async def test_a_cluster_role_bound_in_a_namespace_counts_there(api: Api, account: Api) -> None:
    await bind(api, "view", "ClusterRole")
    await allowed(account, "GET", api.path("pods"))
    assert (await account.get("/api/v1/pods")).code == 403
    assert (await account.get(api.path("secrets"))).code == 403


async def test_a_role_that_is_missing_is_named(api: Api, account: Api) -> None:
    await bind(api, "nope", "Role")

    async def named() -> bool:
        answer = await account.get(api.path("pods"))
        return answer.message.endswith(f': RBAC: role.{GROUP} "nope" not found')

    await eventually(named)


async def test_own_access_is_reviewed_by_roles(api: Api, account: Api) -> None:
    async def may(verb: str) -> bool:
        asked = {"verb": verb, "resource": "pods", "namespace": api.namespace}
        spec = {"spec": {"resourceAttributes": asked}}
        answer = await account.call("POST", f"{REVIEWS}/selfsubjectaccessreviews", spec)
        return bool(answer.body["status"]["allowed"])

    assert not await may("list")
    await grant(api, rule("list", "pods"))
    await eventually(lambda: may("list"))
    assert not await may("delete")


async def test_somebody_elses_access_is_reviewed(api: Api) -> None:
    asked = {"verb": "list", "resource": "pods", "namespace": api.namespace}
    answer = await api.call(
        "POST", f"{REVIEWS}/subjectaccessreviews", {"spec": {"user": "bob", "resourceAttributes": asked}}
    )
    assert (answer.code, answer.body["status"]["allowed"]) == (201, False)
    masters = {"user": "ann", "groups": ["system:masters"], "resourceAttributes": asked}
    answer = await api.call("POST", f"{REVIEWS}/subjectaccessreviews", {"spec": masters})
    assert answer.body["status"]["allowed"] is True


async def test_a_review_without_a_question_is_invalid(api: Api) -> None:
    answer = await api.call("POST", f"{REVIEWS}/selfsubjectaccessreviews", {"spec": {}})
    field = "spec.resourceAttributes"
    detail = "Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified"
    assert (answer.code, answer.causes) == (422, [("FieldValueInvalid", field, detail)])


async def test_rules_are_listed(api: Api, account: Api) -> None:
    await grant(api, rule("get", "pods"))

    async def listed() -> bool:
        spec = {"spec": {"namespace": api.namespace}}
        answer = await account.call("POST", f"{REVIEWS}/selfsubjectrulesreviews", spec)
        rules = answer.body["status"]["resourceRules"]
        return {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]} in rules

    await eventually(listed)


async def test_an_administrator_may_act_as_somebody_else(api: Api) -> None:
    headers = {"Impersonate-User": "bob", "Impersonate-Group": "crew"}
    url = f"{api.access.url}/apis/authentication.k8s.io/v1/selfsubjectreviews"
    async with api.session.post(url, json={}, headers=headers) as answer:
        info = (await answer.json())["status"]["userInfo"]
    assert (info["username"], info["groups"]) == ("bob", ["crew", "system:authenticated"])


async def test_nobody_else_may(api: Api, account: Api) -> None:
    async with account.session.get(f"{api.access.url}/api", headers={"Impersonate-User": "bob"}) as answer:
        body = await answer.json()
    assert (answer.status, body["reason"]) == (403, "Forbidden")
    assert f'User "{user_name(api)}" cannot impersonate' in body["message"]


@pytest.mark.parametrize(
    ("spec", "code", "sentence"),
    [
        ({"expirationSeconds": 10}, 422, "may not specify a duration less than 10 minutes"),
        ({"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "no"}}, 404, 'pods "no" not found'),
        (
            {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "a", "uid": "x"}},
            409,
            "the UID in the bound object reference (x) does not match the UID in record",
        ),
    ],
)
async def test_tokens_that_are_not_given(api: Api, spec: Json, code: int, sentence: str) -> None:
    await api.created("pods", pod("a"))
    answer = await token(api, **spec)
    assert (answer.code, sentence in answer.message) == (code, True), answer.message


async def test_a_token_says_when_it_ends(api: Api) -> None:
    answer = await token(api, expirationSeconds=1200)
    assert (answer.code, answer.body["kind"], answer.body["spec"]["expirationSeconds"]) == (201, "TokenRequest", 1200)
    assert answer.body["status"]["expirationTimestamp"].endswith("Z")


async def test_a_token_for_somebody_else_is_not_taken(api: Api) -> None:
    answer = await token(api, audiences=["vault"])
    headers = {"Authorization": f"Bearer {answer.body['status']['token']}"}
    async with api.session.get(f"{api.access.url}/api", headers=headers) as refused:
        assert refused.status == 401


async def test_a_token_is_reviewed(api: Api) -> None:
    async def review(text: str) -> Json:
        body = {"spec": {"token": text}}
        answer = await api.call("POST", "/apis/authentication.k8s.io/v1/tokenreviews", body)
        found: Json = answer.body["status"]
        return found

    good = await review((await token(api)).body["status"]["token"])
    assert (good["authenticated"], good["user"]["username"]) == (True, user_name(api))
    bad = await review("no-such-token")
    assert (bad.get("authenticated", False), bad["error"]) == (False, "invalid bearer token")


async def test_a_bound_token_ends_with_its_pod(api: Api) -> None:
    await api.created("pods", pod("a"))
    reference = {"kind": "Pod", "apiVersion": "v1", "name": "a"}
    given = (await token(api, boundObjectRef=reference)).body["status"]["token"]
    await api.delete(api.path("pods", "a"))

    async def refused() -> bool:
        headers = {"Authorization": f"Bearer {given}"}
        async with api.session.get(f"{api.access.url}/api", headers=headers) as answer:
            return answer.status == 401

    await eventually(refused)


@pytest.mark.parametrize(
    ("plural", "body", "causes"),
    [
        (
            "roles",
            {"rules": [{"verbs": []}]},
            [
                ("rules[0].verbs", "Required value: verbs must contain at least one value"),
                ("rules[0].apiGroups", "Required value: resource rules must supply at least one api group"),
                ("rules[0].resources", "Required value: resource rules must supply at least one resource"),
            ],
        ),
        (
            "roles",
            {"rules": [{"verbs": ["get"], "nonResourceURLs": ["/x"]}]},
            [
                (
                    "rules[0].nonResourceURLs",
                    'Invalid value: ["/x"]: namespaced rules cannot apply to non-resource URLs',
                )
            ],
        ),
        (
            "rolebindings",
            {"subjects": [{"kind": "Foo", "name": ""}]},
            [
                ("roleRef.kind", 'Unsupported value: "": supported values: "Role", "ClusterRole"'),
                ("roleRef.name", "Required value"),
                ("subjects[0].name", "Required value"),
                ("subjects[0].kind", 'Unsupported value: "Foo": supported values: "ServiceAccount", "User", "Group"'),
            ],
        ),
    ],
)
async def test_bad_roles_and_bindings(api: Api, plural: str, body: Json, causes: list[tuple[str, str]]) -> None:
    answer = await api.call("POST", f"{RBAC}/namespaces/{api.namespace}/{plural}", {"metadata": {"name": "x"}, **body})
    assert (answer.code, [(field, message) for _, field, message in answer.causes]) == (422, causes)


async def test_a_binding_keeps_its_role(api: Api) -> None:
    await bind(api, "view", "ClusterRole")
    path = f"{RBAC}/namespaces/{api.namespace}/rolebindings/view"
    answer = await api.patch(path, "merge", {"roleRef": {"name": "edit"}})
    shown = f'{{"APIGroup":"{GROUP}","Kind":"ClusterRole","Name":"edit"}}'
    assert answer.causes == [("FieldValueInvalid", "roleRef", f"Invalid value: {shown}: cannot change roleRef")]
