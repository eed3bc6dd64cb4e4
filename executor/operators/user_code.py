"""The user's callbacks, progress_callback and log_formatter, called in the worker as the provider calls them.

They get the synchronous client and its objects, made only if there are callbacks. Their calls block the worker's loop,
which follows one pod. What they raise fails the task, as there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from kubernetes import client as kubernetes_client
from kubernetes import config as kubernetes_config

from executor.kube.settings import KubeSettings
from executor.operators.stages import Stage

MODE = "sync"  # `ExecutionMode.SYNC`


@dataclass
class UserCode:
    """stages.Stages for one task. `pod` is the V1Pod as it was at the last stage."""

    operator: Any
    context: Any = field(repr=False)
    settings: KubeSettings = field(repr=False)
    pod: Any = None

    @cached_property
    def callbacks(self) -> list[Any]:
        """One class, or several."""
        given = self.operator.callbacks
        return list(given) if isinstance(given, list | tuple) else [given] if given else []

    @cached_property
    def client(self) -> Any:
        """The provider's callbacks want a `CoreV1Api`, and are told when it is there."""
        made = kubernetes_client.CoreV1Api(_api_client(self.settings))
        for one in self.callbacks:
            one.on_sync_client_creation(client=made, operator=self.operator)
        return made

    def manifest(self, pod: dict[str, Any]) -> None:
        if self.callbacks:
            api: Any = self.client.api_client
            model = api._ApiClient__deserialize_model(pod, kubernetes_client.V1Pod)
            self._tell(Stage.MANIFEST, pod_request=model)

    def reached(self, stage: Stage, namespace: str, name: str) -> None:
        if not self.callbacks:
            return
        if stage is not Stage.CLEANED:
            self.pod = self.client.read_namespaced_pod(name, namespace)
        self._tell(stage, pod=self.pod)

    def line(self, container: str, text: str) -> str | None:
        if self.operator.progress_callback is not None:
            self.operator.progress_callback(text)
        for one in self.callbacks:
            one.progress_callback(
                line=text,
                client=self.client,
                mode=MODE,
                container_name=container,
                timestamp=datetime.now(UTC),
                pod=self.pod,
            )
        formatter = self.operator.log_formatter
        return None if formatter is None else str(formatter(container, text))

    def close(self) -> None:
        """Close the client, if one was made."""
        if "client" in self.__dict__:
            self.client.api_client.close()

    def _tell(self, stage: Stage, **pod: Any) -> None:
        for one in self.callbacks:
            told = getattr(one, stage.value)
            told(client=self.client, mode=MODE, operator=self.operator, context=self.context, **pod)


def _api_client(settings: KubeSettings) -> Any:
    if settings.in_cluster:
        made = kubernetes_client.Configuration()
        kubernetes_config.load_incluster_config(client_configuration=made)
        return kubernetes_client.ApiClient(made)
    return kubernetes_config.new_client_from_config(config_file=settings.config_file, context=settings.cluster_context)
