"""Who may do what: exactly what each component asks of the API server."""

from __future__ import annotations

from typing import Any

import pytest

from executor.kube.check import VERBS
from tests.chart.rendering import Object, by_name, render
from tests.chart.sets import SETS, rendered

# What KubernetesPodOperator sends (cncf-kubernetes 10.25: operators/pod.py, utils/pod_manager.py, hooks/kubernetes.py),
# and container tasks, which send less.
POD_OPERATOR = {
    "pods": {"create", "get", "list", "watch", "delete", "patch"},
    "pods/log": {"get"},
    "pods/exec": {"create", "get"},
    "events": {"list", "watch"},
}
API_SERVER = {"pods": {"list"}, "pods/log": {"get"}}
SCHEDULER = {resource: set(verbs) for resource, verbs in VERBS.items()}
ROLES = {"scheduler": SCHEDULER, "api-server": API_SERVER, "pod-operator": POD_OPERATOR}
RBAC = ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")


def granted(role: Object) -> dict[str, set[str]]:
    """resource -> verbs; only of the core group, of no name in particular."""
    found: dict[str, set[str]] = {}
    for rule in role["rules"]:
        assert (set(rule), rule["apiGroups"]) == ({"apiGroups", "resources", "verbs"}, [""])
        for resource in rule["resources"]:
            assert resource not in found
            assert len(set(rule["verbs"])) == len(rule["verbs"])
            found[resource] = set(rule["verbs"])
    return found


def accounts(binding: Object) -> set[str]:
    assert all(one["kind"] == "ServiceAccount" for one in binding["subjects"])
    return {f"{one['namespace']}/{one['name']}" for one in binding["subjects"]}


def rbac(values: dict[str, Any]) -> dict[str, Object]:
    return {name: one for name, one in by_name(render(values)).items() if one["kind"] in RBAC}


@pytest.mark.parametrize("of", ROLES)
def test_a_role_grants_exactly_what_is_asked_for(of: str) -> None:
    assert granted(rbac({})[f"Role airflow/airflow-{of}"]) == ROLES[of]


def test_each_role_is_bound_to_its_own_accounts() -> None:
    found = rbac({})
    assert len(found) == 2 * len(ROLES)
    bound = {of: accounts(found[f"RoleBinding airflow/airflow-{of}"]) for of in ROLES}
    assert bound == {
        "scheduler": {"airflow/airflow-scheduler"},
        "api-server": {"airflow/airflow-api-server"},
        "pod-operator": {"airflow/airflow-worker", "airflow/airflow-triggerer"},
    }
    for of in ROLES:
        reference = found[f"RoleBinding airflow/airflow-{of}"]["roleRef"]
        assert (reference["kind"], reference["name"]) == ("Role", f"airflow-{of}")


def test_without_allow_pod_operator_neither_workers_nor_triggerer_may_do_anything() -> None:
    values = {"allowPodOperator": False}
    assert rbac(values).keys() == {
        f"{kind} airflow/airflow-{of}" for kind in ("Role", "RoleBinding") for of in ("scheduler", "api-server")
    }
    spec = by_name(render(values))["Deployment airflow/airflow-triggerer"]["spec"]["template"]["spec"]
    assert spec["automountServiceAccountToken"] is False


def test_other_namespaces_get_the_same_roles() -> None:
    found = rbac({"executor": {"namespaces": ["team-a", "team-b"]}})
    assert {one["kind"] for one in found.values()} == {"Role", "RoleBinding"}
    assert len(found) == 3 * 2 * len(ROLES)
    for namespace in ("team-a", "team-b"):
        for of, verbs in ROLES.items():
            assert granted(found[f"Role {namespace}/airflow-{of}"]) == verbs
        assert accounts(found[f"RoleBinding {namespace}/airflow-scheduler"]) == {"airflow/airflow-scheduler"}
        assert accounts(found[f"RoleBinding {namespace}/airflow-pod-operator"]) == {
            "airflow/airflow-triggerer",
            "airflow/airflow-worker",
            f"{namespace}/airflow-worker",
        }


def test_the_whole_cluster_only_where_it_is_asked_for() -> None:
    for name in SETS:
        kinds = {one["kind"] for one in rendered(name).values()}
        assert ("ClusterRole" in kinds) is (name == "cluster_wide")
    found = rbac({"executor": {"clusterWide": True}})
    assert granted(found["ClusterRole airflow-airflow-scheduler"]) == SCHEDULER
    assert granted(found["ClusterRole airflow-airflow-api-server"]) == API_SERVER
    assert accounts(found["ClusterRoleBinding airflow-airflow-scheduler"]) == {"airflow/airflow-scheduler"}
    assert [name for name in found if "pod-operator" in name and name.startswith("Cluster")] == []


def test_an_administrator_may_make_them() -> None:
    assert rbac({"rbac": {"create": False}}) == {}


def test_accounts_are_the_ones_that_are_bound() -> None:
    """Every subject is an account the chart makes and pods run as, or one that was named."""
    for name in SETS:
        objects = rendered(name)
        made = {
            f"{one['metadata']['namespace']}/{one['metadata']['name']}"
            for one in objects.values()
            if one["kind"] == "ServiceAccount"
        }
        bound = [accounts(one) for one in objects.values() if one["kind"].endswith("Binding")]
        assert set().union(*bound) <= made
