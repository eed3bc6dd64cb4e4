"""What `doctor` reads off answers that a good API server does not give."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from email.utils import formatdate
from pathlib import Path

import pytest
from aiohttp import web

from executor.cli.doctor.facts import Reference, Unread
from executor.cli.doctor.reading import Reader
from executor.cli.doctor.references import CONFIG_MAP, SECRET
from executor.errors import ApiError
from executor.kube.settings import KubeSettings
from executor.kube.transport import Transport
from tests.unit.kube.conftest import Server, status_body


@pytest.fixture
async def reader(kubeconfig: Path) -> AsyncIterator[Reader]:
    transport = await Transport.open(KubeSettings(in_cluster=False, config_file=str(kubeconfig)))
    yield Reader(transport)
    await transport.close()


@pytest.mark.parametrize("seconds", [-3600, -20, 0, 120])
async def test_the_clock_of_the_api_server(server: Server, reader: Reader, seconds: float) -> None:
    server.says(200, {"gitVersion": "v1.33.0"}, {"Date": formatdate(time.time() + seconds, usegmt=True)})
    found = await reader.server()
    assert found.skew == pytest.approx(seconds, abs=4)
    assert found.version == "v1.33.0"


async def test_a_date_that_is_none(server: Server, reader: Reader) -> None:
    server.says(200, {}, {"Date": "yesterday"})
    found = await reader.server()
    assert (found.skew, found.version) == (None, "")


async def test_a_login_page_is_no_api_server(server: Server, reader: Reader) -> None:
    async def login(request: web.Request) -> web.Response:
        return web.Response(text="<html>please log in</html>", content_type="text/html")

    server.answer = login
    with pytest.raises(ApiError, match="no JSON object"):
        await reader.server()


async def test_of_a_secret_only_the_name_is_asked_for(server: Server, reader: Reader) -> None:
    server.says(200, {"items": []})
    (looked,) = await reader.looked_up([Reference(SECRET, "ns", "warehouse", "spec")])
    (seen,) = server.seen
    assert (looked.exists, seen.path, seen.query) == (
        False,
        "/api/v1/namespaces/ns/secrets",
        {"fieldSelector": "metadata.name=warehouse"},
    )
    assert seen.headers["Accept"].startswith("application/json;as=PartialObjectMetadataList")


async def test_what_may_not_be_seen_and_what_breaks(server: Server, reader: Reader) -> None:
    reference = Reference(CONFIG_MAP, "ns", "dags", "spec")
    server.says(403, status_body(403, "Forbidden", "no"))
    (hidden,) = await reader.looked_up([reference])
    server.says(500, status_body(500, "InternalError", "etcd is gone"))
    (broken,) = await reader.looked_up([reference])
    assert hidden.exists == Unread("these credentials may not get configmaps", forbidden=True)
    assert isinstance(broken.exists, Unread)
    assert (broken.exists.forbidden, "etcd is gone" in broken.exists.why) == (False, True)
