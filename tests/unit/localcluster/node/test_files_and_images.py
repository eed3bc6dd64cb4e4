"""Image names, log lines, volume contents, mount plans."""

from __future__ import annotations

import re
from contextlib import nullcontext
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.localcluster.node import images, rootfs
from executor.localcluster.node.account_tokens import TokenKey
from executor.localcluster.node.container_run import hosts_file, memory_limit, remove_tree, require_user
from executor.localcluster.node.cri_log import PART, LineSplitter, tail_text
from executor.localcluster.node.env import ConfigError
from executor.localcluster.node.fields import NodeFacts
from executor.localcluster.node.images import ImageEntry, ImageError
from executor.localcluster.node.sources import Sources
from executor.localcluster.node.spec import Layer, Mount
from executor.localcluster.node.volume_files import VolumeContext, VolumeError, volume_files
from executor.localcluster.node.volumes import container_mounts, set_up_volume

SOURCES = Sources(
    "ns", {("Secret", "s"): {"a": b"1", "b": b"2"}, ("ConfigMap", "c"): {"k": b"v"}, ("Secret", "no"): None}
)
POD: dict[str, Any] = {"metadata": {"name": "p", "namespace": "ns"}, "spec": {"containers": []}}
CONTEXT = VolumeContext(
    POD, NodeFacts("n", Decimal(1), Decimal(1)), SOURCES, {TokenKey("", 3600): "token", TokenKey("vault", 600): "other"}
)


@pytest.mark.parametrize(
    "name", ["busybox", "apache/airflow:3.3.2", "r.example:5000/a/b@sha256:" + "0" * 64, "localhost/x_y.z:1"]
)
def test_good_image_names(name: str) -> None:
    assert images.find(name, {}) == ImageEntry()


@pytest.mark.parametrize("name", ["Bad", "a b", "x:", "x@sha256:12", "-x", "a//b", "", "группа"])
def test_bad_image_names(name: str) -> None:
    with pytest.raises(ImageError) as caught:
        images.find(name, {})
    assert caught.value.reason == "InvalidImageName"


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("x", "docker.io/library/x:latest"),
        ("a/x:1", "docker.io/a/x:1"),
        ("r.example/x", "r.example/x:latest"),
        ("localhost/x:2", "localhost/x:2"),
    ],
)
def test_canonical_names(name: str, full: str) -> None:
    assert images.canonical_name(name) == full


def test_images_file_names_the_bad_entry() -> None:
    assert images.read_entries({"x": {"root": "/r"}})["x"].root == "/r"
    with pytest.raises(ValueError, match=r"image 'x'.*rott"):
        images.read_entries({"x": {"rott": "/r"}})


def text_of(lines: bytes) -> bytes:
    parts = [line.split(b" ", 3) for line in lines.splitlines()]
    return b"".join(part[3] + (b"\n" if part[2] == b"F" else b"") for part in parts)


def test_log_lines() -> None:
    splitter = LineSplitter("stdout")
    assert splitter.feed(b"one\ntw", 0) == b"1970-01-01T00:00:00.000000000Z stdout F one\n"
    assert splitter.feed(b"o\n\n", 1) == (
        b"1970-01-01T00:00:00.000000001Z stdout F two\n1970-01-01T00:00:00.000000001Z stdout F \n"
    )
    assert splitter.feed(b"end", 2) == b""
    assert splitter.close(2) == b"1970-01-01T00:00:00.000000002Z stdout P end\n"


def test_long_lines_are_parted() -> None:
    lines = LineSplitter("stderr").feed(b"x" * (2 * PART + 1) + b"\n", 0).splitlines()
    assert [line.split(b" ")[2] for line in lines] == [b"P", b"P", b"F"]
    assert LineSplitter("stderr").feed(b"x" * PART, 0).endswith(b"P " + b"x" * PART + b"\n")


@given(st.lists(st.text(alphabet="ab\n", max_size=30).map(str.encode), max_size=10))
def test_no_output_is_lost(chunks: list[bytes]) -> None:
    splitter = LineSplitter("stdout")
    assert text_of(b"".join(splitter.feed(chunk, 0) for chunk in chunks) + splitter.close(0)) == b"".join(chunks)


def test_tail_text(tmp_path: Path) -> None:
    log = tmp_path / "log"
    splitter = LineSplitter("stdout")
    log.write_bytes(splitter.feed(b"".join(b"line %d\n" % n for n in range(200)), 0))
    assert tail_text(log, 3, 2048) == "line 197\nline 198\nline 199\n"
    assert tail_text(log, 80, 10) == "\nline 199\n"


@pytest.mark.parametrize(
    ("volume", "files"),
    [
        ({"secret": {"secretName": "s"}}, {"a": (b"1", 0o644), "b": (b"2", 0o644)}),
        (
            {"secret": {"secretName": "s", "defaultMode": 256, "items": [{"key": "a", "path": "x/y"}]}},
            {"x/y": (b"1", 256)},
        ),
        ({"secret": {"secretName": "no", "optional": True}}, {}),
        ({"configMap": {"name": "c", "items": [{"key": "k", "path": "k", "mode": 448}]}}, {"k": (b"v", 448)}),
        ({"downwardAPI": {"items": [{"path": "n", "fieldRef": {"fieldPath": "metadata.name"}}]}}, {"n": (b"p", 0o644)}),
        ({"projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}, {"t": (b"token", 0o644)}),
        (
            {
                "projected": {
                    "sources": [{"serviceAccountToken": {"path": "t", "audience": "vault", "expirationSeconds": 600}}]
                }
            },
            {"t": (b"other", 0o644)},
        ),
    ],
)
def test_volume_files(volume: dict[str, Any], files: dict[str, tuple[bytes, int]]) -> None:
    found = volume_files({"name": "v", **volume}, CONTEXT)
    assert {path: (file.data, file.mode) for path, file in found.items()} == files


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        ({"secret": {"secretName": "no"}}, 'secret "no" not found'),
        (
            {"secret": {"secretName": "s", "items": [{"key": "z", "path": "z"}]}},
            "references non-existent secret key: z",
        ),
        ({"configMap": {"name": "c", "items": [{"key": "z", "path": "z"}]}}, "references non-existent config key: z"),
    ],
)
def test_volumes_that_cannot_be_made(volume: dict[str, Any], message: str) -> None:
    with pytest.raises(VolumeError) as caught:
        volume_files({"name": "v", **volume}, CONTEXT)
    assert str(caught.value) == message


def test_unknown_volume_types_are_named(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match="does not support volume type nfs"):
        set_up_volume({"name": "v", "nfs": {}}, tmp_path / "v", CONTEXT)


@pytest.mark.parametrize("kind", ["Directory", "File", ""])
def test_host_path_that_is_not_there(tmp_path: Path, kind: str) -> None:
    with pytest.raises(VolumeError, match="hostPath type check failed"):
        set_up_volume({"name": "v", "hostPath": {"path": str(tmp_path / "no"), "type": kind}}, tmp_path / "v", CONTEXT)


def test_mounts_parents_first(tmp_path: Path) -> None:
    mounts = [
        {"name": "v", "mountPath": "/a/b/c"},
        {"name": "v", "mountPath": "/a", "subPathExpr": "$(X)/y", "readOnly": True},
    ]
    found = container_mounts({"volumeMounts": mounts}, {"v": str(tmp_path)}, {"X": "x"})
    assert found == (Mount(f"{tmp_path}/x/y", "/a", True), Mount(str(tmp_path), "/a/b/c"))
    assert (tmp_path / "x" / "y").is_dir()


@pytest.mark.parametrize("sub_path", ["../up", "/etc", "link"])
def test_sub_path_stays_in_its_volume(tmp_path: Path, sub_path: str) -> None:
    (tmp_path / "link").symlink_to("/etc")
    with pytest.raises(VolumeError, match="subPath"):
        container_mounts(
            {"volumeMounts": [{"name": "v", "mountPath": "/a", "subPath": sub_path}]}, {"v": str(tmp_path)}, {}
        )


MOUNTINFO = """22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
23 22 0:5 / /proc rw - proc proc rw
24 22 0:6 / /home/my\\040user rw shared:1 - ext4 /dev/vdb rw
25 22 0:7 / /run rw - tmpfs tmpfs rw
26 25 0:8 / /run/netns rw - nsfs nsfs rw
27 22 0:9 / /dev/shm rw - tmpfs tmpfs rw
"""


def test_mount_points() -> None:
    assert rootfs.mount_points(MOUNTINFO) == ["/home/my user", "/run"]


@pytest.mark.parametrize(
    ("effective", "mounts"), [("000001ffffffffff", True), ("0000000000200000", True), ("00000000a80425fb", False)]
)
def test_who_may_mount(effective: str, mounts: bool) -> None:
    assert rootfs.may_mount(f"Name:\tx\nCapEff:\t{effective}\nSeccomp:\t0\n") is mounts


def test_layers_as_root() -> None:
    layers = rootfs.machine_layers(["/run"], confined=False)
    assert layers == (Layer("overlay", "/", "/"), Layer("overlay", "/run", "/run"))


def test_layers_in_a_user_namespace_have_no_mounts_below(tmp_path: Path) -> None:
    point = str(tmp_path)
    layers = rootfs.machine_layers([point], confined=True)
    overlays = [layer.lower for layer in layers if layer.kind == "overlay"]
    assert point in overlays
    assert not [lower for lower in overlays if lower != point and rootfs.is_below(point, [lower])]


def test_image_directory_must_exist(tmp_path: Path) -> None:
    machine = rootfs.Machine((), user=False, confined=False)
    assert rootfs.image_layers(ImageEntry(root=str(tmp_path)), machine)[0].lower == str(tmp_path.resolve())
    with pytest.raises(FileNotFoundError):
        rootfs.image_layers(ImageEntry(root=str(tmp_path / "no")), machine)


def test_remove_tree_opens_closed_directories(tmp_path: Path) -> None:
    closed = tmp_path / "tree" / "closed"
    (closed / "in").mkdir(parents=True)
    closed.chmod(0)
    remove_tree(tmp_path / "tree")
    assert not (tmp_path / "tree").exists()


def test_memory_limit_in_bytes() -> None:
    assert memory_limit({"resources": {"limits": {"memory": "1Ki"}}}) == 1024
    assert memory_limit({"resources": {"requests": {"memory": "1Ki"}}}) == 0


def test_hosts_file() -> None:
    spec = {"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a", "b"]}]}
    text = hosts_file({"metadata": {"name": "p"}, "spec": spec})
    assert text.endswith("127.0.0.1\tp\n10.0.0.1\ta b\n")


def test_secrets_are_in_no_representation() -> None:
    files = volume_files({"name": "v", "secret": {"secretName": "s"}}, CONTEXT)
    assert "b'1'" not in repr(files)
    assert "token" not in repr(CONTEXT).replace("serviceAccountToken", "")


@pytest.mark.parametrize(
    ("pod", "container", "words"),
    [
        ({"runAsNonRoot": True}, {}, 'runAsNonRoot and image will run as root (pod: "p_ns(u)", container: c)'),
        ({"runAsNonRoot": True, "runAsUser": 0}, {}, "container's runAsUser breaks non-root policy"),
        ({"runAsUser": 5}, {"runAsNonRoot": True, "runAsUser": 0}, "container's runAsUser breaks non-root policy"),
        ({"runAsNonRoot": True}, {"runAsUser": 50_000}, None),
        ({"runAsNonRoot": True}, {"runAsNonRoot": False}, None),
        ({}, {}, None),
    ],
)
def test_who_may_not_be_root_is_refused(pod: dict[str, Any], container: dict[str, Any], words: str | None) -> None:
    metadata = {"name": "p", "namespace": "ns", "uid": "u"}
    arguments = {"metadata": metadata, "spec": {"securityContext": pod}}, {"name": "c", "securityContext": container}

    with nullcontext() if words is None else pytest.raises(ConfigError, match=re.escape(words or "")):
        require_user(*arguments)
