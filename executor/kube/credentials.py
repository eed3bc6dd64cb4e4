"""Where the address, certificates and token come from: in-cluster files, a kubeconfig, or a factory of the user's.

Invariants: what is read is never logged; reading anew goes to the source again (token file, exec plugin, factory).
"""

from __future__ import annotations

import importlib
import inspect
import logging
import os
from pathlib import Path
from typing import Any

from kubernetes.aio import client as aio_client
from kubernetes.aio import config as aio_config

from executor.errors import Unreachable
from executor.kube import session
from executor.kube.settings import KubeSettings

log = logging.getLogger(__name__)

USER_AGENT = "airflow-pod-executor"

# What a configuration of the synchronous client, or of kubernetes_asyncio, has in common with ours.
_SHARED = (
    "host",
    "api_key",
    "api_key_prefix",
    "refresh_api_key_hook",
    "username",
    "password",
    "ssl_ca_cert",
    "cert_file",
    "key_file",
    "verify_ssl",
    "disable_strict_ssl_verification",
    "tls_server_name",
    "proxy",
    "proxy_headers",
)


async def open_api_client(settings: KubeSettings, version: str) -> Any:
    """A kubernetes.aio ApiClient with credentials read now. Raises Unreachable, saying which setting to look at."""
    try:
        api_client = await _api_client(settings)
    except Exception as error:  # a user's factory, a plugin, a YAML file: anything, and never fatal
        raise Unreachable(_advice(settings, error)) from error
    api_client.user_agent = f"{USER_AGENT}/{version}"
    return api_client


async def authorization(api_client: Any) -> dict[str, str]:
    """The headers that authenticate; a token file's trailing newline is taken off."""
    settings = await api_client.configuration.auth_settings()
    headers = {auth["key"]: auth["value"].strip() for auth in settings.values() if auth["value"]}
    if not headers and api_client.configuration.username:
        headers["authorization"] = api_client.configuration.get_basic_auth_token()
    return headers


def same_connection(one: Any, other: Any) -> bool:
    """Whether two configurations differ in nothing but the token, so that open connections can stay."""
    names = ("host", "ssl_ca_cert", "cert_file", "key_file", "verify_ssl", "tls_server_name", "proxy")
    return all(getattr(one, name, None) == getattr(other, name, None) for name in names)


async def _api_client(settings: KubeSettings) -> Any:
    factory = settings.async_client_factory or settings.client_factory
    if factory:
        made = await _call(factory)
        if isinstance(made, aio_client.ApiClient):
            return made  # its session stays: the factory may have chosen it
        configuration = adopt(made.configuration)
        await _closed(made)
    else:
        configuration = await _load(settings)
    return await _own_client(configuration, settings)


async def _own_client(configuration: Any, settings: KubeSettings) -> Any:
    configuration.connection_pool_maxsize = settings.connection_pool_size
    api_client = aio_client.ApiClient(configuration)
    try:
        await session.use_own_session(api_client, settings).close()
    except (OSError, ValueError):
        await api_client.close()
        raise
    return api_client


async def _load(settings: KubeSettings) -> Any:
    configuration = aio_client.Configuration()
    configuration.verify_ssl = settings.verify_ssl
    if settings.in_cluster:
        aio_config.load_incluster_config(client_configuration=configuration)
    else:
        path = kubeconfig_path(settings)
        await aio_config.load_kube_config(
            config_file=path,
            context=settings.cluster_context,
            client_configuration=configuration,
            persist_config=False,
        )
        if not configuration.api_key and not configuration.cert_file:
            # Also what is left of an exec plugin that failed: the official client logs that and goes on.
            log.warning("The kubeconfig %s gave no credentials: requests are anonymous", path)
    if not settings.verify_ssl:
        configuration.verify_ssl = False
    if settings.ssl_ca_cert:
        configuration.ssl_ca_cert = settings.ssl_ca_cert
    return configuration


def kubeconfig_path(settings: KubeSettings) -> str:
    """`config_file`, else $KUBECONFIG, else ~/.kube/config. Raises FileNotFoundError when none of it exists."""
    path = settings.config_file or os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    if not any(Path(part).expanduser().is_file() for part in path.split(os.pathsep) if part):
        raise FileNotFoundError(f"the kubeconfig {path} does not exist")
    return path


def adopt(configuration: Any) -> Any:
    """Our kind of configuration from the one of a synchronous client (or kubernetes_asyncio)."""
    adopted = aio_client.Configuration()
    for name in _SHARED:
        if hasattr(configuration, name):
            setattr(adopted, name, getattr(configuration, name))
    return adopted


async def _call(path: str) -> Any:
    """Call the factory and unwrap the CoreV1Api that upstream's factories return."""
    module, _, name = path.replace(":", ".").rpartition(".")
    made = getattr(importlib.import_module(module), name)()
    if inspect.isawaitable(made):
        made = await made
    return getattr(made, "api_client", made)


async def _closed(foreign: Any) -> None:
    closing = foreign.close()
    if inspect.isawaitable(closing):
        await closing


def _advice(settings: KubeSettings, error: Exception) -> str:
    factory = settings.async_client_factory or settings.client_factory
    if factory:
        return f"the client factory {factory} could not be used: {type(error).__name__}: {error}"
    if settings.in_cluster:
        return (
            f"in-cluster credentials could not be read: {error} Outside a pod set [kubernetes_executor] "
            "in_cluster = False, and config_file to a kubeconfig"
        )
    return f"the kubeconfig could not be used: {error} (see [kubernetes_executor] config_file and cluster_context)"
