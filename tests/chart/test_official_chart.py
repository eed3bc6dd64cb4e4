"""From the official chart and Astronomer's: with our values and one manifest the scheduler may do all that it does.

The charts are not here. What their files say of this is written down below, with its source.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from executor.kube.check import VERBS
from executor.localcluster.schema import decode_by
from executor.templating import Template
from tests.chart.rendering import CHART, Object, objects
from tests.contract.api import Api, eventually

FOLDER = CHART / "from-official-chart"
EARLY, MIDDLE, LATE = "up-to-1.18", "1.19-to-1.21", "1.22-and-later"
CHARTS = (EARLY, MIDDLE, LATE)
OURS = "executor.KubernetesExecutor"
ASTRONOMER = ("astronomer", "houston", "config", "deployments", "helm")
PATIENCE = 120.0  # seconds; only reached when something is wrong
RBAC = "/apis/rbac.authorization.k8s.io/v1"

# templates/rbac/pod-launcher-role.yaml, the same from chart 1.17.0 to 1.21.0; 1.22.0 adds `watch` on events.
LAUNCHER = {
    "pods": {"create", "list", "get", "patch", "watch", "delete"},
    "pods/log": {"get"},
    "pods/exec": {"create", "get"},
    "events": {"list"},
}
# values.schema.json: the executors that may be named.
_NAMES = "|".join(
    f"{name}Executor" for name in ("Local", "LocalKubernetes", "Celery", "Kubernetes", "CeleryKubernetes")
)
_DOTTED = "([a-zA-Z_][a-zA-Z0-9_]*.)*[A-Z][a-zA-Z0-9]+Executor"
EXECUTORS = {
    EARLY: f"({_NAMES})(,({_NAMES}))*",
    MIDDLE: f"({_DOTTED})(,({_DOTTED}))*",
    LATE: f"({_DOTTED})(,({_DOTTED}))*",
}
# values.yaml of charts 1.17.0 to 1.22.0: those of its keys that we set.
KEYS = {"executor", "env", "images.airflow.repository", "images.airflow.tag", "cleanup.enabled"}


def renaming(release: str) -> tuple[str, str]:
    """The README's command for that release, and the release."""
    found = re.search(rf"# release {release}\n +(sed .*) rbac.yaml \|", (FOLDER / "README.md").read_text())
    assert found
    return found[1], release


RENAMINGS = {True: renaming("my-airflow"), False: renaming("sales")}


def values(folder: str) -> dict[str, Any]:
    return dict(yaml.safe_load((FOLDER / folder / "values.yaml").read_text()))


def manifest(folder: str, release: str = "airflow") -> list[Object]:
    """Our objects for a release, renamed by the README's own command for it."""
    command, example = RENAMINGS["airflow" in release]
    text = subprocess.run(
        shlex.split(command.replace(example, release)),
        input=(FOLDER / folder / "rbac.yaml").read_text(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return objects(text, folder)


def launcher_accounts(folder: str) -> list[str]:
    """Whom the chart gives its launcher role (templates/rbac/pod-launcher-rolebinding.yaml).

    Up to 1.21 `executor` has to be one of its names, from 1.22 on the last part of its dotted path.
    """
    named = values(folder)["executor"]
    name = named.rpartition(".")[2] if folder == LATE else named
    return ["airflow-scheduler", "airflow-worker"] if name == "KubernetesExecutor" else []


def granted(roles: Sequence[Object]) -> dict[str, set[str]]:
    rules = [rule for role in roles if role["kind"] == "Role" for rule in role["rules"]]
    return {resource: set(rule["verbs"]) for rule in rules for resource in rule["resources"]}


def leaves(given: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for key, value in given.items():
        path = f"{above}{key}"
        yield from leaves(value, f"{path}.") if isinstance(value, Mapping) else (path,)


@pytest.mark.parametrize("folder", CHARTS)
def test_values_are_keys_and_names_that_the_chart_knows(folder: str) -> None:
    given = values(folder)
    assert set(leaves(given)) <= KEYS
    assert re.fullmatch(EXECUTORS[folder], given["executor"])
    assert given["cleanup"] == {"enabled": False}


@pytest.mark.parametrize("folder", CHARTS)
def test_three_values_choose_this_executor(folder: str) -> None:
    given = values(folder)
    chosen = {one["name"]: one["value"] for one in given.pop("env", ())}.get(
        "AIRFLOW__CORE__EXECUTOR", given["executor"]
    )
    assert chosen == OURS
    assert len(given) == 3
    module, _, name = chosen.rpartition(".")
    assert name in import_module(module).__all__


def test_the_early_charts_know_no_class_of_another_package() -> None:
    """Why it is named by a variable there."""
    assert not re.fullmatch(EXECUTORS[EARLY], OURS)


@pytest.mark.parametrize("folder", CHARTS)
def test_our_role_is_exactly_what_the_launcher_role_lacks(folder: str) -> None:
    lacking = {resource: set(verbs) - LAUNCHER.get(resource, set()) for resource, verbs in VERBS.items()}
    assert granted(manifest(folder)) == {resource: verbs for resource, verbs in lacking.items() if verbs}


@pytest.mark.parametrize("folder", CHARTS)
def test_every_field_is_one_of_kubernetes_and_the_namespace_is_the_callers(folder: str) -> None:
    for one in manifest(folder):
        assert decode_by(f"V1{one['kind']}", one)[1] == []
        assert not any("namespace" in each for each in (one["metadata"], *one.get("subjects", ())))


def accounts_of(release: str) -> list[str]:
    """Service accounts of scheduler and workers (templates/_helpers.yaml, "airflow.serviceAccountName")."""
    prefix = release if "airflow" in release else f"{release}-airflow"
    return [f"{prefix}-scheduler", f"{prefix}-worker"]


@pytest.mark.parametrize("release", ["airflow", "my-airflow", "sales", "bright-star-1234"])
@pytest.mark.parametrize("folder", CHARTS)
def test_names_are_those_the_chart_gives_to_that_release(folder: str, release: str) -> None:
    scheduler, worker = accounts_of(release)
    bindings = {one["roleRef"]["name"]: one for one in manifest(folder, release) if one["kind"] == "RoleBinding"}
    bound = {role: [each["name"] for each in one["subjects"]] for role, one in bindings.items()}
    launcher = {} if folder == LATE else {f"{release}-pod-launcher-role": [scheduler, worker]}
    assert bound == {f"{release}-workload-secrets": [scheduler], **launcher}
    assert manifest(folder, release)[0]["metadata"]["name"] == f"{release}-workload-secrets"


async def made(api: Api, *wanted: Object) -> None:
    """As `kubectl apply --namespace` does: objects without a namespace of their own."""
    for one in wanted:
        path = f"{RBAC}/namespaces/{api.namespace}/{one['kind'].lower()}s"
        answer = await api.call("POST", path, one, fieldValidation="Strict")
        assert answer.code == 201, answer.text


def of_the_chart(folder: str) -> list[Object]:
    """The launcher role and its binding as the chart makes them."""
    group = "rbac.authorization.k8s.io"
    name = {"name": "airflow-pod-launcher-role"}
    rules = [{"apiGroups": [""], "resources": [one], "verbs": sorted(verbs)} for one, verbs in LAUNCHER.items()]
    accounts = [{"kind": "ServiceAccount", "name": one} for one in launcher_accounts(folder)]
    reference = {"apiGroup": group, "kind": "Role", **name}
    binding = {"metadata": {"name": "airflow-pod-launcher-rolebinding"}, "roleRef": reference, "subjects": accounts}
    return [{"kind": "Role", "metadata": name, "rules": rules}, {"kind": "RoleBinding", **binding}]


async def missing(api: Api, account: str = "airflow-scheduler") -> set[str]:
    """Resources on which the API server denies the account any of our verbs."""
    user = f"system:serviceaccount:{api.namespace}:{account}"
    denied = set()
    for resource, verbs in VERBS.items():
        kind, _, part = resource.partition("/")
        about = {"namespace": api.namespace, "resource": kind, "subresource": part}
        for verb in verbs:
            spec = {"user": user, "resourceAttributes": {**about, "verb": verb}}
            path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
            answer = await api.call("POST", path, {"spec": spec})
            assert answer.code == 201, answer.text
            if not answer.body["status"]["allowed"]:
                denied.add(resource)
    return denied


@pytest.mark.parametrize("folder", CHARTS)
async def test_with_the_charts_role_and_our_manifest_nothing_is_missing(api: Api, folder: str) -> None:
    before = set(VERBS) if folder == MIDDLE else {"secrets"}

    async def is_missing(wanted: set[str]) -> bool:
        return await missing(api) == wanted

    await made(api, *of_the_chart(folder))
    await eventually(lambda: is_missing(before), PATIENCE)
    await made(api, *manifest(folder))
    await eventually(lambda: is_missing(set()), PATIENCE)
    assert await missing(api, "airflow-worker") == {"secrets"}
    assert await missing(api, "airflow-api-server") == set(VERBS)


def test_astronomers_chart_makes_the_same_role_for_every_deployment() -> None:
    """Its `extraObjects` are templates (astronomer/airflow-chart, templates/extra-objects.yaml)."""
    nested = values("astronomer")
    for key in ASTRONOMER:
        assert list(nested) == [key]
        nested = nested[key]
    assert set(leaves(nested)) == {"airflow.cleanup.enabled", "extraObjects"}
    assert nested["airflow"]["cleanup"]["enabled"] is False
    for release in ("bright-star-1234", "my-airflow"):
        made = [rendered(one, release) for one in nested["extraObjects"]]
        assert made == manifest(LATE, release)


def rendered(one: Object, release: str) -> Object:
    """As `tpl (toYaml .) $` does."""
    return dict(yaml.safe_load(Template(yaml.safe_dump(one)).render(values={}, release={"Name": release})))


def test_the_folder_has_no_more_than_this() -> None:
    found = {str(one.relative_to(FOLDER)) for one in FOLDER.rglob("*") if one.is_file()}
    ours = {str(Path(folder, file)) for folder in CHARTS for file in ("values.yaml", "rbac.yaml")}
    assert found == ours | {"README.md", "astronomer/values.yaml"}
