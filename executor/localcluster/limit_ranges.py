"""Limit ranges: what pods of a namespace get when they say nothing, and what they may not ask for.

Sources: Kubernetes page "Limit Ranges"; ``plugin/pkg/admission/limitranger/admission.go``, ``pkg/apis/core/v1/
defaults.go``. Excluded: limits of persistent volume claims.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from executor.localcluster import status
from executor.localcluster.pod_defaults import qos_class
from executor.localcluster.quantity import canonical, format_quantity, parse_quantity
from executor.localcluster.resources import LIMIT_RANGES, PODS
from executor.localcluster.store import Store
from executor.localcluster.types import Json
from executor.localcluster.usage import pod_requirements

_ANNOTATION = "kubernetes.io/limit-ranger"
Amounts = dict[str, str]


def default_limit_range(limit_range: Json) -> None:
    """Defaults that follow from other fields of the same limit."""
    for limit in (limit_range.get("spec") or {}).get("limits") or ():
        if limit.get("type") != "Container":
            continue
        default = {**(limit.get("max") or {}), **(limit.get("default") or {})}
        request = {**(limit.get("min") or {}), **default, **(limit.get("defaultRequest") or {})}
        limit |= ({"default": default} if default else {}) | ({"defaultRequest": request} if request else {})


def _limits(store: Store, namespace: str) -> Iterator[Json]:
    for stored in store.in_namespace(LIMIT_RANGES, namespace):
        yield from (stored.object.get("spec") or {}).get("limits") or ()


def apply_defaults(store: Store, pod: Json) -> None:
    """Give each container the requests and limits that it does not have; an annotation says what was given."""
    notes: list[str] = []
    for limit in _limits(store, pod["metadata"]["namespace"]):
        if limit.get("type") == "Container":
            for container in pod["spec"].get("containers") or ():
                notes += _fill(container, limit, "container")
            for container in pod["spec"].get("initContainers") or ():
                notes += _fill(container, limit, "init container")
    if notes:
        annotations = pod["metadata"].get("annotations") or {}
        text = f"LimitRanger plugin set: {'; '.join(notes)}"
        pod["metadata"]["annotations"] = {**annotations, _ANNOTATION: text}
        pod["status"]["qosClass"] = qos_class(pod["spec"])


def _fill(container: Json, limit: Json, what: str) -> Iterator[str]:
    resources = container.setdefault("resources", {})
    for field, source in (("requests", "defaultRequest"), ("limits", "default")):
        present, given = resources.get(field) or {}, limit.get(source) or {}
        if missing := sorted(given.keys() - present.keys()):
            resources[field] = {**present, **{name: given[name] for name in missing}}
            yield f"{', '.join(missing)} {field.removesuffix('s')} for {what} {container.get('name', '')}"


def check_limits(store: Store, pod: Json) -> None:
    """Raise the 403 of a pod that is below a minimum, above a maximum, or too far between its request and limit."""
    errors: list[str] = []
    for limit in _limits(store, pod["metadata"]["namespace"]):
        for resources in _measured(limit.get("type", ""), pod["spec"]):
            errors += _errors(limit, resources.get("requests") or {}, resources.get("limits") or {})
    if errors:
        why = errors[0] if len(errors) == 1 else f"[{', '.join(dict.fromkeys(errors))}]"
        raise status.forbidden(PODS, pod["metadata"]["name"], why)


def _measured(kind: str, spec: Json) -> Iterable[Json]:
    """What limits of a type look at: each container, or the pod's sum."""
    if kind == "Container":
        containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
        return [container.get("resources") or {} for container in containers]
    return [{field: _sum(spec, field) for field in ("requests", "limits")}] if kind == "Pod" else []


def _sum(spec: Json, field: str) -> Amounts:
    families = {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1Gi"}
    return {
        name: format_quantity(amount, families.get(name, "1")) for name, amount in pod_requirements(spec, field).items()
    }


def _errors(limit: Json, requests: Amounts, limits: Amounts) -> Iterator[str]:
    rules: tuple[tuple[str, Callable[..., str]], ...] = (
        ("min", _below),
        ("max", _above),
        ("maxLimitRequestRatio", _far),
    )
    for field, rule in rules:
        for name, bound in sorted((limit.get(field) or {}).items()):
            if problem := rule(limit["type"], name, canonical(bound), requests.get(name), limits.get(name)):
                yield problem


def _below(kind: str, name: str, bound: str, request: str | None, limit: str | None) -> str:
    start, least = f"minimum {name} usage per {kind} is {bound}", parse_quantity(bound)
    if request is None:
        return f"{start}.  No request is specified"
    if parse_quantity(request) < least:
        return f"{start}, but request is {request}"
    return f"{start}, but limit is {limit}" if limit is not None and parse_quantity(limit) < least else ""


def _above(kind: str, name: str, bound: str, request: str | None, limit: str | None) -> str:
    start, most = f"maximum {name} usage per {kind} is {bound}", parse_quantity(bound)
    if limit is None:
        return f"{start}.  No limit is specified"
    if parse_quantity(limit) > most:
        return f"{start}, but limit is {limit}"
    return f"{start}, but request is {request}" if request is not None and parse_quantity(request) > most else ""


def _far(kind: str, name: str, bound: str, request: str | None, limit: str | None) -> str:
    start = f"{name} max limit to request ratio per {kind} is {bound}"
    if request is None or not parse_quantity(request):
        return f"{start}, but no request is specified or request is 0"
    if limit is None or not parse_quantity(limit):
        return f"{start}, but no limit is specified or limit is 0"
    ratio = parse_quantity(limit) / parse_quantity(request)
    return f"{start}, but provided ratio is {ratio:.6f}" if ratio > parse_quantity(bound) else ""


_RULES: tuple[tuple[str, Callable[[str, str, str, str | None, str | None], str]], ...] = (
    ("min", _below),
    ("max", _above),
    ("maxLimitRequestRatio", _far),
)
