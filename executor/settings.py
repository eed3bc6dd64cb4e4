"""The executor's settings: one frozen value, checked when it is built.

Every field is an option (`executor.options` has its unit, default and reason) or follows from some. Settings are plain
values and can be pickled, so that they can reach a loop in a process of its own.

Invariant: what is wrong is a SettingsError at start, never a surprise at a launch. Excluded: where the texts come from
(`executor.airflow_config`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from executor.options import NOT_NEEDED, OPTIONS, Effect, OwnOptions, SettingsError, parse
from executor.secret import Secret

if TYPE_CHECKING:
    from executor.kube.settings import KubeSettings
    from executor.manifest.model import ManifestSettings

__all__ = ["Settings", "SettingsError", "build_settings"]

Raw = Mapping[tuple[str, str], str]

FALLBACK_NAMESPACE = "default"
CONNECTIONS_BESIDE_CREATES = 36  # for watches, deletes, logs, events
OPTION = {one.name: one for one in OPTIONS}
USED = tuple(one for one in OPTIONS if one.effect is not Effect.NOT_NEEDED)
SAME_CAUSE = {"ErrImagePull": ("ImagePullBackOff", "RegistryUnavailable", "ErrImageNeverPull")}

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Settings(OwnOptions):
    """All options with their values, and what follows from them.

    template_namespace: the namespace that the configured pod template names; notices: sentences to be written once to
    the log at start (options without effect, risks that were chosen).
    """

    template_namespace: str | None = None
    notices: tuple[str, ...] = ()

    @property
    def worker_image(self) -> str | None:
        """`repository:tag`, where both are set."""
        if self.worker_container_repository and self.worker_container_tag:
            return f"{self.worker_container_repository}:{self.worker_container_tag}"
        return None

    @property
    def fatal_waiting_reasons(self) -> frozenset[str]:
        """The waiting reasons that may end a task; a container that waits for any other reason is waited for.

        A reason stands for the others of its cause: the kubelet alternates between ErrImagePull and ImagePullBackOff.
        """
        listed = self.worker_pod_pending_fatal_container_state_reasons
        return frozenset(listed).union(*(SAME_CAUSE.get(reason, ()) for reason in listed))

    @property
    def fallback_namespace(self) -> str:
        """The namespace of a pod for which no layer names one.

        `namespace`, else the one of the configured pod template, else `default`, or the first one listed where
        `default` is not among them.
        """
        listed = self.multi_namespace_mode_namespace_list if self.multi_namespace_mode else ()
        if self.namespace:
            return self.namespace
        if self.template_namespace and (not listed or self.template_namespace in listed):
            return self.template_namespace
        return FALLBACK_NAMESPACE if not listed or FALLBACK_NAMESPACE in listed else listed[0]

    @property
    def namespaces(self) -> tuple[str, ...] | None:
        """The namespaces whose pods are followed, and the only ones where pods may be created; None: all of them."""
        if not self.multi_namespace_mode:
            return (self.fallback_namespace,)
        if not self.multi_namespace_mode_namespace_list:
            return None
        return tuple(dict.fromkeys((*self.multi_namespace_mode_namespace_list, self.fallback_namespace)))

    @property
    def allowed_namespaces(self) -> frozenset[str] | None:
        """`namespaces` as a set; None: all of them."""
        return None if self.namespaces is None else frozenset(self.namespaces)

    @property
    def kube(self) -> KubeSettings:
        """How the API server is reached."""
        from executor.kube.settings import KubeSettings  # the client's libraries are not for every reader of settings

        mine = {one.name for one in fields(self)}
        options = {one.name: getattr(self, one.name) for one in fields(KubeSettings) if one.name in mine}
        return KubeSettings(**options, connection_pool_size=self.create_concurrency + CONNECTIONS_BESIDE_CREATES)

    @property
    def manifest(self) -> ManifestSettings:
        """What the configuration says about pods."""
        from executor.manifest.model import ManifestSettings

        return ManifestSettings(
            default_namespace=self.namespace,
            worker_image=self.worker_image,
            default_template=_path(self.pod_template_file),
            queue_pod_templates=self.queue_pod_templates,
            pod_templates_folder=_path(self.pod_templates_folder),
            pod_template_values=self.pod_template_values,
            pod_template_helpers=self.pod_template_helpers,
            pod_template_release=self.pod_template_release,
            pod_template_keep_last=self.pod_template_on_error == "keep_last",
            env_secrets=self.env_secrets,
            allowed_namespaces=self.allowed_namespaces,
            fallback_namespace=self.fallback_namespace,
        )


def _path(text: str | None) -> Path | None:
    return Path(text).expanduser() if text else None


def build_settings(raw: Raw, *, default_deployment_id: str, template_namespace: str | None = None) -> Settings:
    """Settings from the texts of the options that are really set, by (section, option).

    default_deployment_id: used where `deployment_id` is not set. Raises SettingsError for the first value that cannot
    be used.
    """
    given = {one.name: parse(one, raw[one.key]) for one in USED if one.key in raw}
    given["deployment_id"] = given.get("deployment_id") or default_deployment_id
    given["env_secrets"] = tuple(map(_env_secret, given.get("env_secrets", ())))
    settings = Settings(**given, template_namespace=template_namespace)
    _check(settings, raw)
    settings = _with_creates_limited(settings)
    return replace(settings, notices=tuple(_notices(settings, raw)))


def _env_secret(entry: Any) -> Secret:
    option = OPTION["env_secrets"]
    if not isinstance(entry, dict) or set(entry) != {"env", "secret", "key"}:
        raise option.error(str(entry), "each entry must be an object with env, secret and key")
    try:
        return Secret("env", entry["env"], entry["secret"], entry["key"])
    except (TypeError, ValueError) as error:
        raise option.error(str(entry), str(error)) from error


def _check(settings: Settings, raw: Raw) -> None:
    """The rules that need more than one option, or a name's grammar."""
    _check_namespaces(settings)
    if not _LABEL_VALUE.fullmatch(settings.deployment_id):
        advice = "Use at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit."
        raise OPTION["deployment_id"].error(settings.deployment_id, "cannot be the value of a label", advice)
    for queue, template in settings.queue_pod_templates.items():
        if not isinstance(template, str) or not template:
            option = OPTION["queue_pod_templates"]
            raise option.error(raw[option.key], f"the template of queue {queue!r} must be a name or a path")
    _check_connection(settings, raw)


def _check_namespaces(settings: Settings) -> None:
    listed = settings.multi_namespace_mode_namespace_list
    named = [("multi_namespace_mode_namespace_list", one) for one in listed]
    if settings.namespace:
        named.append(("namespace", settings.namespace))
    for name, value in named:
        if not _DNS_LABEL.fullmatch(value):
            advice = "Use at most 63 lower-case letters, digits and '-', beginning and ending with a letter or digit."
            raise OPTION[name].error(value, "is not the name of a namespace", advice)


def _check_connection(settings: Settings, raw: Raw) -> None:
    """What the connection's own settings refuse, said with the option's name and text."""
    from executor.kube.settings import KubeSettings

    for name in ("kube_client_request_args", "delete_option_kwargs"):
        option = OPTION[name]
        try:
            KubeSettings(**{name: getattr(settings, name)})
        except ValueError as error:
            problem = str(error).removeprefix(f"[{option.section}] {name}").lstrip(": ")
            raise option.error(raw.get(option.key, ""), problem) from error


def _with_creates_limited(settings: Settings) -> Settings:
    limit = settings.pod_creation_max_concurrency
    return replace(settings, create_concurrency=min(settings.create_concurrency, limit)) if limit else settings


def _notices(settings: Settings, raw: Raw) -> Iterator[str]:
    for option in NOT_NEEDED:
        if raw.get(option.key):
            yield f"[{option.section}] {option.name} is not needed any more and has no effect: {option.why}."
    yield from _half_set(settings)
    if settings.workload_delivery == "args":
        yield (
            "[kubernetes_pod_executor] workload_delivery = args: each task's token stands in the arguments of its pod, "
            "where everybody who may read pods sees it."
        )
    yield from settings.kube.notes()


def _half_set(settings: Settings) -> Iterator[str]:
    if bool(settings.worker_container_repository) != bool(settings.worker_container_tag):
        yield (
            "[kubernetes_executor] worker_container_repository and worker_container_tag have an effect only together; "
            "the image is the pod template's."
        )
    if settings.multi_namespace_mode_namespace_list and not settings.multi_namespace_mode:
        yield (
            "[kubernetes_executor] multi_namespace_mode_namespace_list has no effect without multi_namespace_mode; "
            f"pods are created in {settings.fallback_namespace} only."
        )
