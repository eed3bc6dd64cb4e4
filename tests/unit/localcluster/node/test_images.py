"""What pulls of the images file's entries give, on one node."""

from __future__ import annotations

import pytest

from executor.localcluster.node import images
from executor.localcluster.node.images import ImageEntry, ImageError, ImageStore

NAME = "registry.example/team/x:1"


def refusal(store: ImageStore, entry: ImageEntry, *secrets: str, name: str = NAME) -> str:
    with pytest.raises(ImageError) as caught:
        store.pull(name, entry, secrets)
    assert caught.value.reason == "ErrImagePull"
    prefix = f'failed to pull and unpack image "{images.canonical_name(name)}": failed to resolve reference '
    assert caught.value.message.startswith(prefix)
    return caught.value.message.removeprefix(prefix + f'"{images.canonical_name(name)}": ')


def test_missing() -> None:
    assert refusal(ImageStore(), ImageEntry(missing=True)) == f"{NAME}: not found"


def test_a_registry_that_fails_a_few_times() -> None:
    store, entry = ImageStore(), ImageEntry(error="503", failures=2)
    assert [refusal(store, entry), refusal(store, entry)] == ["503", "503"]
    store.pull(NAME, entry, ())
    assert store.has(NAME, entry)


def test_a_registry_that_always_fails() -> None:
    store, entry = ImageStore(), ImageEntry(error="503")
    assert {refusal(store, entry) for _ in range(5)} == {"503"}
    assert not store.has(NAME, entry)


def test_pull_secrets() -> None:
    store, entry = ImageStore(), ImageEntry(pull_secret="mine")
    nobody = refusal(store, entry)
    assert nobody.endswith("scope=repository%3Ateam%2Fx%3Apull&service=registry.example: 401 Unauthorized")
    stranger = refusal(store, entry, "theirs")
    assert stranger.endswith("HEAD request to https://registry.example/v2/team/x/manifests/1: 403 Forbidden")
    store.pull(NAME, entry, ("theirs", "mine"))
    assert not store.has(NAME, entry)  # the next pod shows its own secret


def test_a_digest_in_the_place_of_a_tag() -> None:
    name = "registry.example/x@sha256:" + "0" * 64
    assert f"/v2/x/manifests/sha256:{'0' * 64}: 403" in refusal(
        ImageStore(), ImageEntry(pull_secret="s"), "t", name=name
    )


@pytest.mark.parametrize(
    ("entry", "present"),
    [
        (ImageEntry(), True),
        (ImageEntry(root="/r"), True),
        (ImageEntry(delay=1), False),
        (ImageEntry(error="x", failures=1), False),
        (ImageEntry(missing=True), False),
        (ImageEntry(pull_secret="s"), False),
    ],
)
def test_what_is_there_before_any_pull(entry: ImageEntry, present: bool) -> None:
    assert ImageStore().has(NAME, entry) is present


def test_names_in_the_file_are_camel_case() -> None:
    read = images.read_entries({"x": {"pullSecret": "s", "failures": 1, "error": "e", "delay": 2}})
    assert read["x"] == ImageEntry(pull_secret="s", failures=1, error="e", delay=2)
    with pytest.raises(ValueError, match=r"image 'x'.*pull_secret"):
        images.read_entries({"x": {"pull_secret": "s"}})


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (0.35, "350ms"), (1.5, "1.5s"), (2, "2s"), (62.25, "1m2.25s")]
)
def test_go_durations(seconds: float, text: str) -> None:
    assert images.go_duration(seconds) == text
