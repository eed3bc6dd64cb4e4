"""What cannot be posted fails with a sentence, and alone."""

from __future__ import annotations

from executor.control.launcher import LaunchPolicy
from executor.errors import ApiError
from executor.model import Outcome
from tests.fakes.kube import Call, status_error
from tests.unit.control.world import Cluster, World, in_namespace


async def test_a_missing_namespace_gets_a_second_try_after_5_s():
    kube = Cluster(namespaces={"default"})
    async with World(kube=kube, namespaces=("default", "late", "never")) as world:
        late = world.queue(world.task("late", config=in_namespace("late")))
        never = world.queue(world.task("never", config=in_namespace("never")))
        await world.passes(2)
        kube.namespaces = {"default", "late"}
        assert not world.events(late)
        assert not world.events(never)
        await world.passes(7)
        assert world.created(late) == 1
        assert world.outcomes(never)[:1] == [Outcome.FAILED]
        assert 'namespaces "never" not found' in world.events(never)[0].info
        assert "Create namespace never" in world.events(never)[0].info
        assert world.slots == 1
        assert not [key for key in kube.secrets if key[0] == "never"]


async def test_a_missing_namespace_is_no_push_back():
    """It has its second try, and is named, however few tries `task_publish_max_retries` leaves for others."""
    kube = Cluster(namespaces={"default"})
    async with World(kube=kube, namespaces=("default", "never"), launch=LaunchPolicy(publish_retries=0)) as world:
        never = world.queue(world.task("never", config=in_namespace("never")))
        await world.passes(3)
        assert world.events(never) == []
        await world.passes(6)
        assert 'namespaces "never" not found' in world.events(never)[0].info


async def test_a_forbidden_create_fails_at_once_and_alone():
    kube = Cluster(forbidden={"closed"})
    async with World(kube=kube, namespaces=("default", "closed")) as world:
        refused = world.queue(world.task("no", config=in_namespace("closed")))
        fine = world.queue(world.task("yes"))
        await world.passes(3)
        assert world.outcomes(refused) == [Outcome.FAILED]
        assert "closed" in world.events(refused)[0].info
        assert "Role" in world.events(refused)[0].info
        assert world.created(fine) == 1
        await world.passes(3)
        assert world.settled(refused) == 1


async def test_what_an_admission_webhook_says_is_told_as_the_refusal_that_it_is():
    message = 'admission webhook "policy.example" denied the request: no team label'

    def fail(call: Call) -> ApiError | None:
        return status_error(400, "BadRequest", message) if (call.verb, call.resource) == ("create", "pods") else None

    async with World(kube=Cluster(fail=fail)) as world:
        launch = world.queue(world.task("a"))
        await world.passes(3)
        assert world.events(launch)[0].info == f"Kubernetes refused the pod: {message}"


async def test_a_misspelled_field_names_container_layer_and_the_right_name():
    message = (
        'Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field '
        '"spec.containers[0].imagePullPolcy"'
    )
    config = {"pod_override": {"spec": {"containers": [{"name": "base", "imagePullPolcy": "Always"}]}}}

    def fail(call: Call) -> ApiError | None:
        wrong = call.verb == "create" and call.resource == "pods" and "typo" in call.name
        return status_error(400, "BadRequest", message) if wrong else None

    kube = Cluster(fail=fail)
    async with World(kube=kube) as world:
        typo, fine = world.queue(world.task("typo", config=config)), world.queue(world.task("fine"))
        await world.passes(5)
        (event,) = world.events(typo)
        assert "spec.containers[base].imagePullPolcy" in event.info
        assert "pod_override" in event.info
        assert "imagePullPolicy" in event.info
        assert world.said(typo, "pod failed") == [event.info]
        assert world.created(fine) == 1
        assert [secret.data.keys() for secret in kube.secrets.values()] != []
        assert world.settled(typo) == 1


async def test_a_semantic_refusal_names_field_and_layer():
    details = {"causes": [{"field": "spec.containers[0].image", "message": "must not be blank", "reason": "Invalid"}]}
    kube = Cluster()
    kube.fail = lambda c: (
        status_error(422, "Invalid", "Pod is invalid", **details)
        if (c.verb, c.resource) == ("create", "pods")
        else None
    )
    async with World(kube=kube) as world:
        launch = world.queue(world.task("a"))
        await world.passes(3)
        assert ": spec.containers[base].image: must not be blank" in world.events(launch)[0].info


async def test_a_forbidden_secret_refuses_its_launches_and_takes_their_pods():
    def fail(call: Call) -> ApiError | None:
        if (call.verb, call.resource) == ("create", "secrets"):
            return status_error(403, "Forbidden", "secrets is forbidden", kind="secrets")
        return None

    kube = Cluster(fail=fail)
    async with World(kube=kube) as world:
        launches = world.queue_all(world.tasks(3))
        await world.passes(6)
        for launch in launches:
            (event,) = world.events(launch)
            assert "workload Secret could not be created in namespace default" in event.info
            assert "workload_delivery = args" in event.info
        assert (kube.pods, world.slots) == ({}, 0)


async def test_a_manifest_error_harms_its_task_only():
    async with World() as world:
        bad = world.queue(world.task("bad", config={"pod_override": {"spec": {"containers": "none"}}}))
        good = world.queue(world.task("good"))
        await world.passes(4)
        assert world.outcomes(bad) == [Outcome.FAILED]
        assert "pod_override" in world.events(bad)[0].info
        assert world.created(good) == 1
        assert (world.created(bad), world.settled(bad)) == (0, 1)


async def test_a_defect_while_building_harms_its_task_only():
    async with World() as world:
        before, bad, after = world.queue_all(
            [world.task("a"), world.task("bad", config={"break": True}), world.task("z")]
        )
        await world.passes(4)
        assert world.created(before) == world.created(after) == 1
        assert world.outcomes(bad) == [Outcome.FAILED]
        assert "KeyError" in world.events(bad)[0].info
        assert world.settled(bad) == 1


async def test_a_defect_while_posting_harms_its_task_only():
    kube = Cluster()
    carry_out = kube.create_pod

    async def create_pod(namespace, manifest):
        if "bad" in manifest["metadata"]["name"]:
            raise TypeError("Type is not JSON serializable: object")
        return await carry_out(namespace, manifest)

    kube.create_pod = create_pod  # type: ignore[method-assign]
    async with World(kube=kube) as world:
        before, bad, after = world.queue_all([world.task("a"), world.task("bad"), world.task("z")])
        await world.passes(4)
        assert world.created(before) == world.created(after) == 1
        assert world.outcomes(bad) == [Outcome.FAILED]
        assert "TypeError" in world.events(bad)[0].info
        assert world.runs(before)
        assert world.runs(after)
        await world.passes(3)
        assert kube.secrets == {}


async def test_a_workload_that_cannot_be_read_harms_itself_only():
    async with World() as world:
        good = world.database.queue(world.task("good"))
        world.machine.submit([ValueError("not a workload"), good])
        await world.passes(2)
        assert world.created(good) == 1
