"""What the images file says of a name: its configuration, how a pull goes, and who may pull it."""

from __future__ import annotations

import time

from tests.cluster.conftest import Cluster, history, shell, state

PRIVATE = "registry.example/private:1"
EMPTY_CONFIG = '{"auths": {}}'


async def test_configuration_of_an_image(cluster: Cluster) -> None:
    await cluster.create_pod("conf", {"name": "base", "image": "configured:1"})
    await cluster.finished("conf")
    assert await cluster.log("conf") == "hello world  in /usr/share\n"
    changed = {"args": ["you", "there"], "workingDir": "/usr", "env": [{"name": "GREETING", "value": "bye"}]}
    await cluster.create_pod("other", {"name": "base", "image": "configured:1", **changed})
    await cluster.finished("other")
    assert await cluster.log("other") == "bye you there in /usr\n"


async def test_a_slow_pull(cluster: Cluster) -> None:
    start = time.monotonic()
    created = await cluster.create_pod("slow", {**shell("true"), "image": "registry.example/slow:1"})
    assert await cluster.event("slow", "Pulling") == 'Pulling image "registry.example/slow:1"'
    await cluster.finished("slow")
    assert time.monotonic() - start > 0.7
    seen = await history(cluster, created, lambda event: "terminated" in state(event["object"]))
    assert {state(pod)["waiting"]["reason"] for pod in seen if "waiting" in state(pod)} == {"ContainerCreating"}
    pulled = await cluster.event("slow", "Pulled", 'Successfully pulled image "registry.example/slow:1" in ')
    assert " in 0s" not in pulled
    await cluster.create_pod("again", {**shell("true"), "image": "registry.example/slow:1"})
    await cluster.finished("again")
    assert "already present on machine" in await cluster.event("again", "Pulled")


async def test_a_private_image_wants_its_secret(cluster: Cluster) -> None:
    config = {"type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": EMPTY_CONFIG}}
    await cluster.create("secrets", "pull", **config)
    await cluster.create("secrets", "other", **config)
    await cluster.create("secrets", "opaque", stringData={".dockerconfigjson": EMPTY_CONFIG})
    private = {**shell("true"), "image": PRIVATE}

    await cluster.create_pod("nobody", private)
    refused = await cluster.waiting("nobody", "ErrImagePull")
    url = "https://registry.example/token?scope=repository%3Aprivate%3Apull&service=registry.example"
    assert refused["message"] == (
        f'failed to pull and unpack image "{PRIVATE}": failed to resolve reference "{PRIVATE}": failed to authorize: '
        f"failed to fetch anonymous token: unexpected status from GET request to {url}: 401 Unauthorized"
    )
    for name, secrets in (("opaque", ["opaque"]), ("missing", ["nothing"])):
        await cluster.create_pod(name, private, imagePullSecrets=[{"name": one} for one in secrets])
        assert "401 Unauthorized" in (await cluster.waiting(name, "ErrImagePull"))["message"]
    missing = await cluster.event("missing", "FailedToRetrieveImagePullSecret")
    assert missing.startswith("Unable to retrieve some image pull secrets (nothing); attempting to pull")

    await cluster.create_pod("stranger", private, imagePullSecrets=[{"name": "other"}])
    assert "403 Forbidden" in (await cluster.waiting("stranger", "ErrImagePull"))["message"]
    await cluster.create_pod("friend", private, imagePullSecrets=[{"name": "other"}, {"name": "pull"}])
    assert (await cluster.finished("friend"))["status"]["phase"] == "Succeeded"


async def test_images_are_pulled_always_if_so_asked(cluster: Cluster) -> None:
    await cluster.create_pod("always", shell("true", imagePullPolicy="Always"))
    await cluster.finished("always")
    assert await cluster.event("always", "Pulled", "Successfully pulled")
    await cluster.event("always", "Pulling")
