"""Where credentials come from, and that a 401 reads them again: once, whoever asks."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import logging
import ssl
import sys

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from executor.errors import Unauthorized, Unreachable
from executor.kube.client import KubeApi
from executor.kube.settings import KubeSettings
from tests.unit.kube import factories
from tests.unit.kube.conftest import pod_body, status_body, write_kubeconfig


def accepts(token: str):
    """A server that knows one token."""

    async def answer(request: web.Request) -> web.Response:
        await asyncio.sleep(0)
        if request.headers.get("Authorization") != f"Bearer {token}":
            return web.json_response(status_body(401, "Unauthorized", "Unauthorized"), status=401)
        return web.json_response(pod_body("p"))

    return answer


def url(server) -> str:
    return f"http://127.0.0.1:{server.port}"


async def test_a_hundred_401s_run_the_exec_plugin_once(server, tmp_path, open_api):
    runs = tmp_path / "runs"
    plugin = tmp_path / "plugin.py"
    plugin.write_text(
        "import json, pathlib\n"
        f"runs = pathlib.Path({str(runs)!r})\n"
        "runs.write_text((runs.read_text() if runs.exists() else '') + 'x')\n"
        "status = {'token': 'token-' + str(len(runs.read_text()))}\n"
        "print(json.dumps({'apiVersion': 'client.authentication.k8s.io/v1', 'kind': 'ExecCredential',"
        " 'status': status}))\n"
    )
    user = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": sys.executable,
            "args": [str(plugin)],
            "interactiveMode": "Never",
        }
    }
    api = await open_api(config_file=str(write_kubeconfig(tmp_path / "exec", url(server), user)))
    server.answer = accepts("token-2")
    pods = await asyncio.gather(*(api.read_pod("ns", f"p{number}") for number in range(100)))
    assert len(pods) == 100
    assert runs.read_text() == "xx"


async def test_a_rotated_token_file_is_read_again(server, tmp_path, open_api, caplog):
    token = tmp_path / "token"
    token.write_text("one\n")
    api = await open_api(
        config_file=str(write_kubeconfig(tmp_path / "c", url(server), {"tokenFile": str(token)})),
    )
    server.answer = accepts("one")
    await api.read_pod("ns", "p")
    token.write_text("two\n")
    server.answer = accepts("two")
    with caplog.at_level(logging.DEBUG):
        await api.read_pod("ns", "p")
    assert len(server.seen) == 3
    assert "read anew" in caplog.text
    assert "two" not in caplog.text


async def test_a_401_that_stays_is_an_error_and_does_not_reread_for_every_request(server, api, kubeconfig):
    server.answer = accepts("another")
    for _ in range(3):
        with pytest.raises(Unauthorized):
            await api.read_pod("ns", "p")
    assert len(server.seen) == 4  # one second try, then none for some seconds


async def test_a_refresh_that_names_another_server_goes_there(server, api, kubeconfig):
    other = TestServer(_app(accepts("second-token")), host="127.0.0.1")
    await other.start_server(shutdown_timeout=0.05)
    server.answer = accepts("none")
    write_kubeconfig(kubeconfig, f"http://127.0.0.1:{other.port}", {"token": "second-token"})
    await api.read_pod("ns", "p")
    assert api.host == f"127.0.0.1:{other.port}"
    await other.close()


def _app(answer) -> web.Application:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    return app


@pytest.mark.parametrize(
    ("option", "factory", "token"),
    [
        ("client_factory", "synchronous", "from-a-factory"),
        ("async_client_factory", "asynchronous", "from-aio"),
        ("async_client_factory", "synchronous", "from-a-factory"),
    ],
)
async def test_factories(server, open_api, monkeypatch, option, factory, token):
    monkeypatch.setenv(factories.URL, url(server))
    api = await open_api(**{option: f"tests.unit.kube.factories.{factory}"})
    server.answer = accepts(token)
    assert (await api.read_pod("ns", "p")).metadata.name == "p"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"client_factory": "no.such.module.make"}, "client factory no.such.module.make could not be used"),
        ({"client_factory": "tests.unit.kube.factories.broken"}, "the vault is closed"),
        ({"in_cluster": True}, "in_cluster = False"),
        ({"in_cluster": False, "config_file": "/no/such/kubeconfig"}, "/no/such/kubeconfig does not exist"),
    ],
)
async def test_no_credentials_says_which_setting(settings, words, monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(Unreachable, match=words):
        await KubeApi.open(KubeSettings(**settings))


async def test_a_kubeconfig_without_credentials_is_said(server, tmp_path, open_api, caplog):
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "/no/such/plugin"}}
    with caplog.at_level(logging.WARNING):
        await open_api(config_file=str(write_kubeconfig(tmp_path / "c", url(server), user)))
    assert "gave no credentials" in caplog.text


async def test_an_unknown_context_is_said(kubeconfig):
    settings = KubeSettings(in_cluster=False, config_file=str(kubeconfig), cluster_context="nowhere")
    with pytest.raises(Unreachable, match="nowhere"):
        await KubeApi.open(settings)


@pytest.fixture
async def https(tmp_path):
    """A TLS server with a certificate of its own, and that certificate's file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    ca = tmp_path / "ca.pem"
    ca.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server = TestServer(_app(accepts("t")), host="127.0.0.1", scheme="https")
    await server.start_server(ssl=context, shutdown_timeout=0.05)
    yield write_kubeconfig(tmp_path / "tls", f"https://127.0.0.1:{server.port}", {"token": "t"}), ca
    await server.close()


async def test_tls_is_verified_unless_switched_off(https, open_api):
    kubeconfig, ca = https
    strict = await open_api(config_file=str(kubeconfig))
    with pytest.raises(Unreachable, match="certificate is not trusted"):
        await strict.read_pod("ns", "p")
    for settings in ({"ssl_ca_cert": str(ca)}, {"verify_ssl": False}):
        api = await open_api(config_file=str(kubeconfig), **settings)
        assert (await api.read_pod("ns", "p")).metadata.name == "p"


async def test_a_ca_file_that_is_missing_is_said(https, open_api):
    with pytest.raises(Unreachable, match="kubeconfig could not be used"):
        await open_api(config_file=str(https[0]), ssl_ca_cert="/no/such/ca.pem")


async def test_proxy_variables_are_honoured(server, open_api, monkeypatch, tmp_path):
    monkeypatch.setenv("http_proxy", url(server))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server.answer = accepts("t")
    kubeconfig = write_kubeconfig(tmp_path / "far", "http://api.far.invalid:6443", {"token": "t"})
    api = await open_api(config_file=str(kubeconfig))
    assert (await api.read_pod("ns", "p")).metadata.name == "p"
    assert server.seen[0].headers["Host"] == "api.far.invalid:6443"
