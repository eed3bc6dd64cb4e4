"""kubectl, for what needs no node; skipped where there is none on the PATH."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract.api import Api, pod

_KUBECTL = shutil.which("kubectl")
pytestmark = pytest.mark.skipif(
    _KUBECTL is None and not os.environ.get("REQUIRE_KUBECTL"), reason="no kubectl on the PATH"
)

Kubectl = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def kubectl(api: Api, kubeconfig: Path) -> Kubectl:
    def run(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        command = [_KUBECTL or "kubectl", "--kubeconfig", str(kubeconfig), "-n", api.namespace, *arguments]
        return subprocess.run(command, input=text, capture_output=True, text=True, timeout=30, check=False)

    return run


def _ok(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_apply_twice_changes_and_keeps(kubectl: Kubectl, api: Api) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1"}}
    assert _ok(kubectl("apply", "-f", "-", text=json.dumps(body))) == "configmap/c created\n"
    assert _ok(kubectl("apply", "-f", "-", text=json.dumps(body))) == "configmap/c unchanged\n"
    changed = body | {"data": {"b": "2"}}
    assert _ok(kubectl("apply", "-f", "-", text=json.dumps(changed))) == "configmap/c configured\n"
    assert (await api.get(api.path("configmaps", "c"))).body["data"] == {"b": "2"}


async def test_apply_names_a_misspelled_field(kubectl: Kubectl) -> None:
    done = kubectl("apply", "-f", "-", text=json.dumps(pod("a", nodeSelektor={})))
    assert done.returncode == 1
    assert 'strict decoding error: unknown field "spec.nodeSelektor"' in done.stderr


async def test_get_prints_the_columns_of_pods(kubectl: Kubectl, api: Api) -> None:
    await api.created("pods", pod("a"))
    header, row = _ok(kubectl("get", "pods")).splitlines()
    assert header.split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert row.split()[:4] == ["a", "0/1", "SchedulingGated", "0"]


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (("secret", "generic", "x", "--from-literal", "k=v"), "secret/x created"),
        (("configmap", "x", "--from-literal", "k=v"), "configmap/x created"),
        (("quota", "x", "--hard", "pods=2,requests.cpu=1"), "resourcequota/x created"),
        (("serviceaccount", "x"), "serviceaccount/x created"),
        (("role", "x", "--verb", "get", "--resource", "pods"), "role.rbac.authorization.k8s.io/x created"),
    ],
)
async def test_create(kubectl: Kubectl, arguments: tuple[str, ...], output: str) -> None:
    assert _ok(kubectl("create", *arguments)).strip() == output


async def test_label_annotate_and_delete(kubectl: Kubectl, api: Api) -> None:
    await api.created("pods", pod("a"))
    _ok(kubectl("label", "pod", "a", "app=x"))
    _ok(kubectl("annotate", "pod", "a", "note=y"))
    metadata = (await api.get(api.path("pods", "a"))).body["metadata"]
    assert (metadata["labels"], metadata["annotations"]) == ({"app": "x"}, {"note": "y"})
    assert "deleted" in _ok(kubectl("delete", "pods", "-l", "app=x", "--timeout", "10s"))
    assert (await api.get(api.path("pods", "a"))).code == 404


async def test_describe_and_access(kubectl: Kubectl, api: Api) -> None:
    await api.created("pods", pod("a"))
    assert "QoS Class:" in _ok(kubectl("describe", "pod", "a"))
    assert _ok(kubectl("auth", "can-i", "create", "pods")) == "yes\n"
