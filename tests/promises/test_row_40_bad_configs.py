"""A configuration that cannot be used fails its task at once, with the place where it is wrong.

What users suffer: a bad `executor_config` is a line in the scheduler's log; the task stays queued until a timer fails
it, half an hour later and without a word.
What we promise: each of 24 bad configurations fails its own task within 5 seconds, with the field's path; the good
tasks beside them run. A real API judges what is only known there; the seconds are those of virtual time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from executor.kube.port import PodRef
from executor.manifest import ManifestSettings
from executor.model import Outcome
from tests.fakes.kube import status_error
from tests.promises.stage_more import DefaultsWorld
from tests.promises.wire import Driven, Namespace
from tests.unit.control.world import Cluster

SECONDS = 5.0
GOOD = 5


def base(**fields: Any) -> dict[str, Any]:
    return pod(containers=[{"name": "base", **fields}])


def pod(**spec: Any) -> dict[str, Any]:
    return {"pod_override": {"spec": spec}}


def meta(**fields: Any) -> dict[str, Any]:
    return {"pod_override": {"metadata": fields}}


# What is configured, and what the person must read: the path, and the value or the right name.
BAD: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "misspelled-field": (base(imagePullPolcy="Always"), ("imagePullPolcy", "imagePullPolicy")),
    "misspelled-in-spec": (pod(nodeSelektor={"a": "b"}), ("spec.nodeSelektor", "nodeSelector")),
    "number-in-env": (base(env=[{"name": "A", "value": 5}]), ("env", "value")),
    "quantity": (base(resources={"limits": {"memory": "8Gib"}}), ("resources.limits.memory", "8Gib")),
    "negative-cpu": (base(resources={"requests": {"cpu": "-1"}}), ("resources.requests", "-1")),
    "request-over-limit": (
        base(resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}),
        ("resources.requests", "limit"),
    ),
    "port": (base(ports=[{"containerPort": 99999}]), ("containerPort", "99999")),
    "unknown-volume": (base(volumeMounts=[{"name": "no", "mountPath": "/x"}]), ("volumeMounts", "no")),
    "volume-name": (pod(volumes=[{"name": "My_Vol", "emptyDir": {}}]), ("volumes", "My_Vol")),
    "dns-policy": (pod(dnsPolicy="Sometimes"), ("spec.dnsPolicy", "Sometimes")),
    "toleration": (pod(tolerations=[{"key": "a", "operator": "Equals"}]), ("tolerations[0].operator", "Equals")),
    "user-is-a-name": (base(securityContext={"runAsUser": "root"}), ("securityContext.runAsUser", "root")),
    "deadline": (pod(activeDeadlineSeconds=-1), ("spec.activeDeadlineSeconds", "-1")),
    "sidecar-without-image": (pod(containers=[{"name": "side"}]), ("image", "side")),
    "label": (meta(labels={"team": "data & more"}), ("pod_override: metadata.labels", "data & more")),
    "annotation": (meta(annotations={"a/b/c": "x"}), ("pod_override: metadata.annotations", "a/b/c")),
    "namespace": (meta(namespace="another"), ("namespace", "another")),
    "override-is-a-number": ({"pod_override": 42}, ("pod_override", "int")),
    "override-is-no-yaml": ({"pod_override": "spec: ["}, ("pod_override", "line 2")),
    "override-is-a-list": ({"pod_override": "- a"}, ("pod_override", "write a pod")),
    "containers-is-a-map": (pod(containers={"base": {}}), ("spec.containers",)),
    "no-template": ({"pod_template_file": "/no/such.yaml"}, ("podTemplate", "/no/such.yaml")),
    "two-templates": ({"pod_template_file": "/a", "pod_template": "b"}, ("pod_template_file", "pod_template")),
    "secret": ({"secrets": [{"deploy_type": "file", "secret": "s"}]}, ('secrets"]', "[0]")),
}


def test_row_40_each_bad_configuration_fails_its_own_task_and_says_where(driven: Driven, namespace: Namespace) -> None:
    bad = {name: driven.rows.add(name, config=config) for name, (config, _) in BAD.items()}
    good = [driven.rows.add(f"good-{number}") for number in range(GOOD)]
    driven.beat_until("the loop's first list", lambda: driven.executor._supervisor.totals())  # type: ignore[union-attr]

    driven.queue(*bad.values(), *good)
    driven.beat_until("all bad ones told", lambda: len(driven.events) >= len(bad))

    told = {event.key[1]: event for event in driven.events}  # type: ignore[index]
    assert set(told) == set(bad)
    assert {event.outcome for event in driven.events} == {Outcome.FAILED}
    unsaid = {name: told[name].info for name, (_, words) in BAD.items() if not all(w in told[name].info for w in words)}
    assert unsaid == {}
    assert {ti.state for ti in bad.values()} == {"failed"}

    driven.beat_until("the good ones", lambda: len(namespace.pods()) == GOOD)
    driven.beat_until("slots of the bad ones free", lambda: driven.slots == GOOD)
    assert {ti.state for ti in good} == {"queued"}


class Refusing(Cluster):
    """An API server that takes no pod of a task whose configuration is bad."""

    async def create_pod(self, namespace: str, manifest: Mapping[str, Any]) -> PodRef:
        if manifest["metadata"]["annotations"]["task_id"] in BAD:
            raise status_error(422, "Invalid", "Pod is invalid")
        return await super().create_pod(namespace, manifest)


async def test_row_40_within_5_s() -> None:
    async with DefaultsWorld(kube=Refusing(latency=0.05), template=ManifestSettings()) as world:
        await world.passes(1)
        bad = world.queue_all([world.task(name, config=config) for name, (config, _) in BAD.items()])
        good = world.queue_all([world.task(f"good-{number}") for number in range(GOOD)])
        await world.passes(SECONDS)

        assert [world.outcomes(launch) for launch in bad] == [[Outcome.FAILED]] * len(bad)
        assert [world.created(launch) for launch in good] == [1] * GOOD
        assert world.slots == GOOD
