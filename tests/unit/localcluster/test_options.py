"""The command line and the kubeconfig."""

from __future__ import annotations

import base64
import ssl
import stat
from pathlib import Path

import pytest
import yaml

from executor.localcluster.kubeconfig import kubeconfig_text, make_certificate, write_private
from executor.localcluster.options import NodeOption, parse_options


def test_defaults_are_one_node_and_a_free_port() -> None:
    options = parse_options([])
    assert (options.port, [node.name for node in options.nodes], options.plain_http) == (0, ["local"], False)


def test_nodes_and_namespaces_are_repeated() -> None:
    options = parse_options(["--node", "a=2:4Gi", "--node", "b=1:1Gi", "--forbid", "x", "--forbid", "y"])
    assert options.nodes == (NodeOption("a", "2", "4Gi"), NodeOption("b", "1", "1Gi"))
    assert options.forbid == {"x", "y"}


def test_no_nodes() -> None:
    assert parse_options(["--no-nodes"]).nodes == ()


@pytest.mark.parametrize("text", ["a", "a=1", "=1:1Gi", "a=:1Gi", "a=1:"])
def test_a_bad_node_is_explained(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_options(["--node", text])
    assert f"{text!r} is not NAME=cpu:memory" in capsys.readouterr().err


def test_the_kubeconfig_holds_authority_and_token() -> None:
    certificate = make_certificate()
    config = yaml.safe_load(kubeconfig_text("https://127.0.0.1:1", "t0ken", certificate.authority))
    authority = base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"])
    assert authority == certificate.authority
    assert config["users"][0]["user"] == {"token": "t0ken"}
    assert ssl.create_default_context(cadata=authority.decode()).get_ca_certs()


def test_no_key_in_the_repr_of_a_certificate() -> None:
    assert "PRIVATE" not in repr(make_certificate())


def test_private_files_are_only_ours(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "file"
    write_private(path, b"content")
    assert path.read_bytes() == b"content"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]
