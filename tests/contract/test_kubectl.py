"""kubectl, as people use it: against the server under test where no node is needed, else against a local cluster.

Skipped where there is no kubectl of 1.30 or newer on the PATH; with ``REQUIRE_KUBECTL=1`` that is a failure.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.api import PATIENCE, Api, Json, eventually, pod

pytestmark = pytest.mark.timeout(300)

_KUBECTL = shutil.which("kubectl")
_OLDEST = (1, 30)
_SAYS = "trap 'exit 0' TERM; i=0; while true; do i=$((i+1)); echo line $i; sleep 0.1; done"


def _missing() -> str:
    """Why there is no kubectl to test with; empty when there is one."""
    if _KUBECTL is None:
        return "no kubectl on the PATH"
    command = [_KUBECTL, "version", "--client", "--output=json"]
    asked = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    version = json.loads(asked.stdout)["clientVersion"]
    found = (int(version["major"]), int(version["minor"].rstrip("+")))
    return "" if found >= _OLDEST else f"kubectl on the PATH is {version['gitVersion']}, older than 1.30"


@pytest.fixture(scope="session", autouse=True)
def _has_kubectl() -> None:
    if reason := _missing():
        (pytest.fail if os.environ.get("REQUIRE_KUBECTL") else pytest.skip)(reason)


Kubectl = Callable[..., subprocess.CompletedProcess[str]]


def _command(kubeconfig: Path, api: Api) -> list[str]:
    return [_KUBECTL or "kubectl", "--kubeconfig", str(kubeconfig), "-n", api.namespace]


def _runner(kubeconfig: Path, api: Api) -> Kubectl:
    def run(*arguments: str, text: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        command = [*_command(kubeconfig, api), *arguments]
        env = os.environ | environment
        return subprocess.run(command, input=text, capture_output=True, text=True, timeout=110, check=False, env=env)

    return run


@pytest.fixture
def kubectl(api: Api, kubeconfig: Path) -> Kubectl:
    return _runner(kubeconfig, api)


@pytest.fixture
def on_nodes(node_api: Api, nodes: Path) -> Kubectl:
    """kubectl for a cluster that runs pods."""
    return _runner(nodes, node_api)


def _ok(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def _text(body: Json) -> str:
    return json.dumps(body)


async def test_apply_twice_changes_and_keeps(kubectl: Kubectl, api: Api) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1"}}
    assert _ok(kubectl("apply", "-f", "-", text=_text(body))) == "configmap/c created\n"
    assert _ok(kubectl("apply", "-f", "-", text=_text(body))) == "configmap/c unchanged\n"
    changed = body | {"data": {"b": "2"}}
    assert _ok(kubectl("apply", "-f", "-", text=_text(changed))) == "configmap/c configured\n"
    assert (await api.get(api.path("configmaps", "c"))).body["data"] == {"b": "2"}


async def test_apply_by_the_server(kubectl: Kubectl, api: Api) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1", "b": "1"}}
    by_server = ("apply", "--server-side", "-f", "-")
    assert _ok(kubectl(*by_server, text=_text(body))) == "configmap/c serverside-applied\n"
    other = _text(body | {"data": {"a": "2"}})
    refused = kubectl(*by_server, "--field-manager=other", text=other)
    assert (refused.returncode, 'conflict with "kubectl": .data.a' in refused.stderr) == (1, True)
    _ok(kubectl(*by_server, "--field-manager=other", "--force-conflicts", text=other))
    _ok(kubectl(*by_server, text=_text(body | {"data": {}})))
    assert (await api.get(api.path("configmaps", "c"))).body["data"] == {"a": "2"}


async def test_what_charts_install_is_shown(kubectl: Kubectl, tmp_path: Path) -> None:
    for index, arguments in enumerate(
        (
            ("deployment", "d", "--image=registry.example/none:1"),
            ("cronjob", "c", "--image=registry.example/none:1", "--schedule=*/5 * * * *"),
            ("job", "j", "--image=registry.example/none:1"),
            ("service", "clusterip", "s", "--tcp=80:8080"),
        )
    ):
        body = _ok(kubectl("create", *arguments, "--dry-run=client", "-o", "yaml"))
        (tmp_path / f"{index}.yaml").write_text(body)
    _ok(kubectl("apply", "-f", str(tmp_path)))
    rows = [line.split() for line in _ok(kubectl("get", "deployments,cronjobs,services", "--no-headers")).splitlines()]
    found = {row[0]: row[1:] for row in rows if row}
    assert found["deployment.apps/d"][0] == "0/1"
    assert found["cronjob.batch/c"][:5] == ["*/5", "*", "*", "*", "*"]
    assert (found["service/s"][0], found["service/s"][3]) == ("ClusterIP", "80/TCP")
    assert "Image:" in _ok(kubectl("describe", "deployment", "d"))
    assert _ok(kubectl("delete", "deployment/d", "job/j", "--timeout=90s")).count("deleted") == 2


async def test_apply_names_a_misspelled_field(kubectl: Kubectl) -> None:
    done = kubectl("apply", "-f", "-", text=_text(pod("a", nodeSelektor={})))
    assert done.returncode == 1
    assert 'strict decoding error: unknown field "spec.nodeSelektor"' in done.stderr


async def test_diff_shows_what_apply_would_change(kubectl: Kubectl) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1"}}
    _ok(kubectl("apply", "-f", "-", text=_text(body)))
    done = kubectl("diff", "-f", "-", text=_text(body | {"data": {"a": "2"}}))
    assert done.returncode == 1
    assert {'-  a: "1"', '+  a: "2"'} <= set(done.stdout.splitlines())


async def test_get_prints_the_columns_of_pods(kubectl: Kubectl, api: Api) -> None:
    await api.created("pods", pod("a"))
    header, row = _ok(kubectl("get", "pods")).splitlines()
    assert header.split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert row.split()[:4] == ["a", "0/1", "SchedulingGated", "0"]


async def test_get_in_other_forms(kubectl: Kubectl, api: Api) -> None:
    await api.created("pods", pod("a"))
    assert _ok(kubectl("get", "pod", "a", "-o", "jsonpath={.spec.containers[0].name}")) == "base"
    assert _ok(kubectl("get", "pods", "-o", "name")) == "pod/a\n"
    assert "kind: Pod\n" in _ok(kubectl("get", "pod", "a", "-o", "yaml"))
    assert _ok(kubectl("get", "pods", "--field-selector", "metadata.name=b", "-o", "name")) == ""
    assert "SchedulingGated" in _ok(kubectl("get", "all"))


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (("secret", "generic", "x", "--from-literal", "k=v"), "secret/x created"),
        (("configmap", "x", "--from-literal", "k=v"), "configmap/x created"),
        (("quota", "x", "--hard", "pods=2,requests.cpu=1"), "resourcequota/x created"),
        (("serviceaccount", "x"), "serviceaccount/x created"),
        (("role", "x", "--verb", "get", "--resource", "pods"), "role.rbac.authorization.k8s.io/x created"),
        (
            ("rolebinding", "x", "--clusterrole", "view", "--user", "bob"),
            "rolebinding.rbac.authorization.k8s.io/x created",
        ),
        (("poddisruptionbudget", "x", "--selector=a=b", "--min-available=50%"), "poddisruptionbudget.policy/x created"),
    ],
)
async def test_create(kubectl: Kubectl, arguments: tuple[str, ...], output: str) -> None:
    assert _ok(kubectl("create", *arguments)).strip() == output


async def test_describe_a_quota(kubectl: Kubectl) -> None:
    _ok(kubectl("create", "quota", "q", "--hard", "configmaps=5"))

    async def counted() -> bool:
        rows = [line.split() for line in _ok(kubectl("describe", "quota", "q")).splitlines()]
        return ["configmaps", "1", "5"] in rows

    await eventually(counted)


async def test_a_new_namespace_and_its_end(kubectl: Kubectl, api: Api) -> None:
    name = f"{api.namespace}-2"
    assert _ok(kubectl("create", "namespace", name)) == f"namespace/{name} created\n"
    assert _ok(kubectl("delete", "namespace", name, "--timeout=90s")).startswith(f'namespace "{name}" deleted')


async def test_label_annotate_and_delete(kubectl: Kubectl, api: Api) -> None:
    await api.created("pods", pod("a"))
    _ok(kubectl("label", "pod", "a", "app=x"))
    _ok(kubectl("annotate", "pod", "a", "note=y"))
    metadata = (await api.get(api.path("pods", "a"))).body["metadata"]
    assert (metadata["labels"], metadata["annotations"]) == ({"app": "x"}, {"note": "y"})
    assert "deleted" in _ok(kubectl("delete", "pods", "-l", "app=x", "--timeout", "90s"))
    assert (await api.get(api.path("pods", "a"))).code == 404


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        ("strategic", '{"spec":{"activeDeadlineSeconds":60}}'),
        ("merge", '{"spec":{"activeDeadlineSeconds":60}}'),
        ("json", '[{"op":"add","path":"/spec/activeDeadlineSeconds","value":60}]'),
    ],
)
async def test_patch(kubectl: Kubectl, api: Api, kind: str, patch: str) -> None:
    await api.created("pods", pod("a"))
    assert _ok(kubectl("patch", "pod", "a", "--type", kind, "-p", patch)) == "pod/a patched\n"
    assert (await api.get(api.path("pods", "a"))).body["spec"]["activeDeadlineSeconds"] == 60


async def test_replace_and_edit(kubectl: Kubectl, api: Api) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "before"}}
    _ok(kubectl("create", "-f", "-", text=_text(body)))
    replaced = body | {"data": {"a": "between"}}
    assert _ok(kubectl("replace", "-f", "-", text=_text(replaced))) == "configmap/c replaced\n"
    assert _ok(kubectl("edit", "configmap", "c", KUBE_EDITOR="sed -i s/between/after/")) == "configmap/c edited\n"
    assert (await api.get(api.path("configmaps", "c"))).body["data"] == {"a": "after"}


async def test_describe_a_pod(kubectl: Kubectl, api: Api) -> None:
    await api.created("pods", pod("a"))
    said = _ok(kubectl("describe", "pod", "a"))
    assert ("QoS Class:" in said, "base:" in said, "PodScheduled" in said) == (True, True, True)


async def test_events(kubectl: Kubectl, api: Api) -> None:
    made = await api.created("pods", pod("a"))
    about = {"namespace": api.namespace, "name": "a", "uid": made["metadata"]["uid"]}
    subject = {"apiVersion": "v1", "kind": "Pod", **about}
    body = {"involvedObject": subject, "reason": "Tested", "message": "as it should be", "type": "Normal"}
    stamps = dict.fromkeys(("firstTimestamp", "lastTimestamp"), made["metadata"]["creationTimestamp"])
    await api.created("events", {"metadata": {"name": "a.1"}, **body, **stamps})
    said = _ok(kubectl("events", "--for", "pod/a"))
    assert ("Tested" in said, "as it should be" in said) == (True, True)
    assert "pod/a" in _ok(kubectl("get", "events"))


async def test_what_may_be_done(kubectl: Kubectl, api: Api) -> None:
    assert _ok(kubectl("auth", "can-i", "create", "pods")) == "yes\n"
    assert "*.*" in _ok(kubectl("auth", "can-i", "--list"))
    account = f"system:serviceaccount:{api.namespace}:default"
    refused = kubectl("auth", "can-i", "create", "pods", "--as", account)
    assert (refused.returncode, refused.stdout) == (1, "no\n")


async def test_who_is_asking(kubectl: Kubectl, api: Api) -> None:
    token = _ok(kubectl("create", "token", "default", "--duration=20m")).strip()
    assert token.count(".") == 2
    assert "system:masters" in _ok(kubectl("auth", "whoami"))
    account = f"system:serviceaccount:{api.namespace}:default"
    assert account in _ok(kubectl("auth", "whoami", "--as", account))


async def test_what_there_is(kubectl: Kubectl) -> None:
    listed = {line.split()[0] for line in _ok(kubectl("api-resources", "--no-headers")).splitlines()}
    assert {"pods", "secrets", "roles", "poddisruptionbudgets", "limitranges"} <= listed
    assert "v1" in _ok(kubectl("api-versions")).split()
    assert "Server Version: v1." in _ok(kubectl("version"))


def _container(script: str) -> list[str]:
    return ["--image=machine:1", "--restart=Never", "--", "sh", "-c", script]


def _started(kubectl: Kubectl, script: str = _SAYS) -> None:
    """Run a pod ``a`` and wait until it is ready."""
    _ok(kubectl("run", "a", "--labels=app=x", *_container(script)))
    _ok(kubectl("wait", "--for=condition=Ready", "pod/a", "--timeout=90s"))


async def test_run_and_wait(on_nodes: Kubectl, node_api: Api) -> None:
    assert _ok(on_nodes("run", "a", *_container("exit 0"))) == "pod/a created\n"
    done = _ok(on_nodes("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/a", "--timeout=90s"))
    assert done == "pod/a condition met\n"
    row = _ok(on_nodes("get", "pod", "a", "--no-headers")).split()
    assert row[:3] == ["a", "0/1", "Completed"]


async def test_exec(on_nodes: Kubectl) -> None:
    _started(on_nodes)
    done = on_nodes("exec", "a", "--", "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (done.returncode, done.stdout, done.stderr.splitlines()[0]) == (3, "out\n", "err")
    assert _ok(on_nodes("exec", "-i", "a", "--", "cat", text="some input")) == "some input"


async def test_cp_there_and_back(on_nodes: Kubectl, tmp_path: Path) -> None:
    _started(on_nodes)
    (tmp_path / "there").write_bytes(bytes(range(256)) * 1000)
    _ok(on_nodes("cp", str(tmp_path / "there"), "a:/tmp/file"))
    _ok(on_nodes("cp", "a:/tmp/file", str(tmp_path / "back")))
    assert (tmp_path / "back").read_bytes() == (tmp_path / "there").read_bytes()


@pytest.fixture
def background(nodes: Path, node_api: Api) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """kubectl commands that go on until they are stopped."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        command = [*_command(nodes, node_api), *arguments]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def _lines_until(process: subprocess.Popen[str], wanted: str, seconds: float = PATIENCE) -> list[str]:
    """Lines of a command up to one in which the pattern ``wanted`` is found."""
    assert process.stdout is not None
    end, lines = time.monotonic() + seconds, [""]
    while not re.search(wanted, lines[-1]):
        assert time.monotonic() < end, lines
        lines.append(process.stdout.readline())
        assert lines[-1], f"it ended with {lines}"
    return lines


async def _has_said(kubectl: Kubectl, text: str) -> bool:
    return text in _ok(kubectl("logs", "a"))


async def test_get_watching(on_nodes: Kubectl, background: Any) -> None:
    _ok(on_nodes("run", "first", *_container("exit 0")))
    _ok(on_nodes("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/first", "--timeout=90s"))
    watching = background("get", "pods", "-w", "--no-headers")
    _lines_until(watching, "first")
    _ok(on_nodes("run", "a", *_container("exit 0")))
    rows = map(str.split, _lines_until(watching, "^a .*Completed")[1:])
    states = [row[2] for row in rows if row[0] == "a"]
    assert (states[0], states[-1]) == ("Pending", "Completed")


async def test_logs(on_nodes: Kubectl, node_api: Api, background: Any) -> None:
    go = f"/tmp/{node_api.namespace}"
    wait = f"until [ -e {go} ]; do sleep 0.1; done; rm {go}"
    _started(on_nodes, f"for i in 1 2 3; do echo line $i; done; {wait}; echo end")
    await eventually(lambda: _has_said(on_nodes, "line 3"))  # it runs before it has said anything
    following = background("logs", "a", "--tail=1", "-f")
    assert _lines_until(following, "line 3")[1:] == ["line 3\n"]
    _ok(on_nodes("exec", "a", "--", "touch", go))
    assert _lines_until(following, "end")[1:] == ["end\n"]
    assert following.wait(PATIENCE) == 0
    assert _ok(on_nodes("logs", "a", "--limit-bytes=6")) == "line 1"
    assert _ok(on_nodes("logs", "a", "--timestamps", "--tail=1")).endswith("Z end\n")


async def test_logs_that_are_followed(on_nodes: Kubectl, background: Any) -> None:
    _started(on_nodes)
    assert _lines_until(background("logs", "-f", "a"), "line 10\n")[1] == "line 1\n"


async def test_attach(on_nodes: Kubectl, background: Any) -> None:
    _started(on_nodes)
    _lines_until(background("attach", "a"), "line")


async def test_delete_with_a_grace(on_nodes: Kubectl, node_api: Api) -> None:
    _started(on_nodes, "trap '' TERM; while true; do sleep 0.1; done")
    _ok(on_nodes("delete", "pod", "a", "--grace-period=1", "--timeout=90s"))
    assert (await node_api.get(node_api.path("pods", "a"))).code == 404
    _started(on_nodes)
    _ok(on_nodes("delete", "pod", "a", "--grace-period=0", "--force", "--timeout=90s"))
    assert (await node_api.get(node_api.path("pods", "a"))).code == 404


async def test_nodes_are_shown_tainted_and_cordoned(on_nodes: Kubectl) -> None:
    row = _ok(on_nodes("get", "nodes", "--no-headers", "-o", "wide")).split()
    assert row[:2] == ["local", "Ready"]
    assert "Allocatable:" in _ok(on_nodes("describe", "node", "local"))
    _ok(on_nodes("taint", "node", "local", "example.com/t=1:PreferNoSchedule"))
    _ok(on_nodes("taint", "node", "local", "example.com/t-"))
    _ok(on_nodes("cordon", "local"))
    try:
        assert _ok(on_nodes("get", "nodes", "--no-headers")).split()[1] == "Ready,SchedulingDisabled"
    finally:
        _ok(on_nodes("uncordon", "local"))


async def test_drain_asks_the_budgets(on_nodes: Kubectl, node_api: Api) -> None:
    _started(on_nodes)
    _ok(on_nodes("create", "poddisruptionbudget", "d", "--selector=app=x", "--min-available=1"))
    drain = ("drain", "local", "--force", "--pod-selector=app=x", "--disable-eviction=false")
    try:
        held = on_nodes(*drain, "--timeout=2s")
        assert (held.returncode, "global timeout reached" in held.stderr) == (1, True)
        assert (await node_api.get(node_api.path("pods", "a"))).body["status"]["phase"] == "Running"
        _ok(on_nodes("delete", "poddisruptionbudget", "d"))
        assert "pod/a evicted" in _ok(on_nodes(*drain, "--timeout=90s"))
    finally:
        _ok(on_nodes("uncordon", "local"))
