"""Builds pods: template, configuration, secrets, override, identity, in this order, each over the one before.

Speed is by design: what does not depend on the task (template, configuration, env secrets) is merged and checked once
and shared by all pods; only what an override touches is copied. Not thread-safe: one builder per thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from executor.manifest.checks import container_without_image, namespace_problem, require_base
from executor.manifest.errors import ManifestError, MergeError
from executor.manifest.executor_config import OVERRIDE, SECRETS, TaskConfig, read_executor_config
from executor.manifest.identity_layer import IDENTITY, identity_patch, with_identity, without_identity
from executor.manifest.merge import strategic_merge
from executor.manifest.model import BASE, BuiltPod, JsonMap, ManifestSettings, PodRequest
from executor.manifest.plain import has_leftovers, without_nulls
from executor.manifest.provenance import Layer, Provenance
from executor.manifest.secret_layer import SecretUse, secrets_patch
from executor.manifest.template_choice import choose_template
from executor.manifest.template_source import Template, TemplateSource
from executor.manifest.template_task import task_of
from executor.manifest.types_check import check_types

FLOOR: Final = "executor default"
CONFIGURATION: Final = "configuration"
ENV_SECRETS: Final = "env_secrets"
MUTATION_HOOK: Final = "pod_mutation_hook"

KEPT_TEMPLATES: Final = 256  # a template that is rendered for each task gives many

# The last lines of a container that wrote no termination message say more about its end than nothing.
_FLOOR_BASE: Final = {"name": BASE, "terminationMessagePolicy": "FallbackToLogsOnError"}
_FLOOR: Final[JsonMap] = {"spec": {"restartPolicy": "Never", "containers": [_FLOOR_BASE]}}


@dataclass(frozen=True, slots=True)
class _Prepared:
    """Layers 1 to 4 as far as they are the same for every task of a template."""

    pod: JsonMap
    layers: tuple[Layer, ...]
    warnings: tuple[str, ...]


class PodBuilder:
    """Builds the pods of one executor (or of one team's) from its settings and templates."""

    def __init__(self, settings: ManifestSettings, templates: TemplateSource) -> None:
        self._settings = settings
        self._templates = templates
        self._prepared: dict[tuple[Template, str | None], _Prepared] = {}

    def build(self, request: PodRequest) -> BuiltPod:
        """Return the pod for `request`. Raises ManifestError, one sentence for the DAG author; changes nothing."""
        config = read_executor_config(request.executor_config)
        prepared = self._prepare(request, config)
        pod, layers = prepared.pod, list(prepared.layers)
        if config.secrets:
            pod = _with_layer(pod, Layer(SECRETS, secrets_patch(config.secrets, pod)), layers)
        warnings: tuple[str, ...] = ()
        if config.override is not None:
            override, warnings = without_identity(config.override, request)
            pod = _with_layer(pod, Layer(OVERRIDE, override), layers)
        warnings = self._templates.take_notices() + prepared.warnings + config.warnings + warnings
        return self._complete(pod, request, layers, warnings)

    def finalize(self, manifest: JsonMap, request: PodRequest) -> JsonMap:
        """Return `manifest`, as a pod_mutation_hook left it, with the executor's layer over it again. Thread-safe.

        Raises ManifestError with the layer `pod_mutation_hook` for what the hook broke.
        """
        check_types(manifest, MUTATION_HOOK)
        namespace = (manifest.get("metadata") or {}).get("namespace") or self._settings.fallback_namespace
        _refuse_namespace(namespace, self._settings.allowed_namespaces, MUTATION_HOOK)
        pod = finalize(manifest, request)
        missing = container_without_image(pod)
        if missing:
            raise ManifestError(MUTATION_HOOK, missing[0], "has no image", missing[1])
        return pod

    def _prepare(self, request: PodRequest, config: TaskConfig) -> _Prepared:
        path = choose_template(self._settings, request, config)
        key = (self._templates.load(path, task_of(request)), request.coordinator_image)
        prepared = self._prepared.get(key)
        if prepared is None:
            if len(self._prepared) >= KEPT_TEMPLATES:
                self._prepared.clear()
            prepared = self._prepared[key] = self._lower_layers(*key)
        return prepared

    def _lower_layers(self, template: Template, coordinator_image: str | None) -> _Prepared:
        layers = [Layer(FLOOR, _FLOOR), Layer(template.layer, template.pod)]
        pod = _on_floor(template.pod)
        configured = self._configured(coordinator_image)
        if configured:
            pod = _with_layer(pod, Layer(CONFIGURATION, configured), layers)
        if self._settings.env_secrets:
            uses = [SecretUse(secret) for secret in self._settings.env_secrets]
            pod = _with_layer(pod, Layer(ENV_SECRETS, secrets_patch(uses, pod)), layers)
        return _Prepared(pod, tuple(layers), _template_warnings(template))

    def _configured(self, coordinator_image: str | None) -> JsonMap:
        patch: JsonMap = {}
        image = coordinator_image or self._settings.worker_image
        if image:
            patch["spec"] = {"containers": [{"name": BASE, "image": image}]}
        if self._settings.default_namespace:
            patch["metadata"] = {"namespace": self._settings.default_namespace}
        return patch

    def _complete(self, pod: JsonMap, request: PodRequest, layers: list[Layer], warnings: tuple[str, ...]) -> BuiltPod:
        index = require_base(pod, layers[-1].name, "what it leaves")
        namespace = self._namespace(pod, layers)
        ours = identity_patch(request, namespace)
        manifest = with_identity(pod, ours, index)
        layers.append(Layer(IDENTITY, _without_namespace(ours)))
        provenance = Provenance(tuple(layers), manifest)
        missing = container_without_image(manifest)
        if missing:
            path, advice = missing
            raise ManifestError(provenance.layer_of(path), path, "has no image", advice)
        return BuiltPod(manifest, namespace, provenance, warnings)

    def _namespace(self, pod: JsonMap, layers: list[Layer]) -> str:
        named: Any = (pod.get("metadata") or {}).get("namespace")
        namespace: Any = self._settings.fallback_namespace if named is None else named
        if namespace_problem(namespace, self._settings.allowed_namespaces):
            layer = CONFIGURATION if named is None else Provenance(tuple(layers), pod).layer_of("metadata.namespace")
            _refuse_namespace(namespace, self._settings.allowed_namespaces, layer)
        if named is None:
            layers.append(Layer(CONFIGURATION, {"metadata": {"namespace": namespace}}))
        return str(namespace)


def _without_namespace(ours: JsonMap) -> JsonMap:
    """The namespace is another layer's word, which the identity only repeats: people change it where it was said."""
    return {**ours, "metadata": {key: value for key, value in ours["metadata"].items() if key != "namespace"}}


def finalize(manifest: JsonMap, request: PodRequest) -> JsonMap:
    """Return `manifest` with the executor's layer over it, for use after a pod_mutation_hook."""
    pod = without_nulls(manifest)
    index = require_base(pod, MUTATION_HOOK, "the pod it returned")
    return with_identity(pod, identity_patch(request, pod["metadata"]["namespace"]), index)


def _on_floor(template: JsonMap) -> JsonMap:
    """Defaults go under a template without moving its containers."""
    index = require_base(template, FLOOR, "the template")
    spec = template["spec"]
    containers = list(spec["containers"])
    containers[index] = {**_FLOOR_BASE, **containers[index]}
    return {**template, "spec": {"restartPolicy": "Never", **spec, "containers": containers}}


def _with_layer(pod: JsonMap, layer: Layer, layers: list[Layer]) -> JsonMap:
    layers.append(layer)
    try:
        merged = strategic_merge(pod, layer.data)
    except MergeError as error:
        raise ManifestError(
            layer.name, error.path, error.problem, "write what a strategic merge patch takes there"
        ) from None
    return without_nulls(merged) if has_leftovers(layer.data) else merged


def _template_warnings(template: Template) -> tuple[str, ...]:
    policy = template.pod["spec"].get("restartPolicy")
    if policy in (None, "Never"):
        return ()
    return (f"{template.layer}: spec.restartPolicy {policy} was ignored: a task's pod never restarts",)


def _refuse_namespace(namespace: Any, allowed: frozenset[str] | None, layer: str) -> None:
    found = namespace_problem(namespace, allowed)
    if found:
        raise ManifestError(layer, "metadata.namespace", *found)
