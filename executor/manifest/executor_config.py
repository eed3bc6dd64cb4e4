"""Reads a task's `executor_config`: our four keys out of a dict that may hold keys of other executors too."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from executor.manifest.checks import last_env_wins, require_pod
from executor.manifest.errors import ManifestError
from executor.manifest.model import JsonMap
from executor.manifest.plain import is_pod_model, to_plain
from executor.manifest.secret_layer import SecretUse
from executor.manifest.types_check import check_types
from executor.manifest.yaml_text import parse_yaml
from executor.secret import FIELDS, Secret, problem_of

OVERRIDE: Final = "pod_override"
SECRETS: Final = 'executor_config["secrets"]'
OUR_KEYS: Final = frozenset({"pod_override", "pod_template_file", "pod_template", "secrets"})


@dataclass(frozen=True, slots=True)
class TaskConfig:
    """What the task asks for. `template_file` is a path, `template_name` a name in pod_templates_folder."""

    override: JsonMap | None = None
    template_file: str | None = None
    template_name: str | None = None
    secrets: tuple[SecretUse, ...] = ()
    warnings: tuple[str, ...] = ()


_EMPTY = TaskConfig()


def read_executor_config(config: Mapping[str, Any] | None) -> TaskConfig:
    """Return the task's wishes. Raises ManifestError with the layer and the field path."""
    if not config:
        return _EMPTY
    if not isinstance(config, Mapping):
        raise ManifestError("executor_config", "", f"is a {type(config).__name__}", "write a dict")
    file, name = _text(config, "pod_template_file"), _text(config, "pod_template")
    if file and name:
        problem = "names both pod_template_file and pod_template"
        raise ManifestError("executor_config", "", problem, "keep one of the two")
    return TaskConfig(
        override=read_override(config.get("pod_override")),
        template_file=file,
        template_name=name,
        secrets=read_secrets(config.get("secrets")),
        warnings=_unknown_keys(config),
    )


def read_override(value: Any) -> JsonMap | None:
    """Return `executor_config["pod_override"]` (V1Pod, dict or YAML text) as a checked patch; None if it is empty."""
    if not value:
        return None
    if isinstance(value, str):
        return _override_from_text(value)
    if not (isinstance(value, Mapping) or is_pod_model(value)):
        raise ManifestError(OVERRIDE, "", f"is a {type(value).__name__}", "write a V1Pod, a dict or YAML text")
    return _checked(to_plain(value, OVERRIDE))


@lru_cache(maxsize=512)
def _override_from_text(text: str) -> JsonMap:
    return _checked(parse_yaml(text, OVERRIDE))


def _checked(value: Any) -> JsonMap:
    pod = require_pod(value, OVERRIDE)
    check_types(pod, OVERRIDE)
    return last_env_wins(pod)


def without_models(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same wishes, a `V1Pod` among them as a dict: kept while its task runs, the object is 3 to 15 KB.

    What cannot be converted stays as it is: `read_override` says what is wrong with it, when the pod is built.
    """
    value = config.get("pod_override")
    if not is_pod_model(value):
        return config
    try:
        return {**config, "pod_override": _same_for_all(json.dumps(to_plain(value, OVERRIDE)))}
    except ManifestError:
        return config


@lru_cache(maxsize=512)
def _same_for_all(text: str) -> JsonMap:
    """The tasks of a mapped task share their override."""
    override: JsonMap = json.loads(text)
    return override


def read_secrets(value: Any) -> tuple[SecretUse, ...]:
    """Return `executor_config["secrets"]`: `Secret`s, dicts of their four keys, or objects with those attributes."""
    if not value:
        return ()
    if not isinstance(value, list | tuple):
        raise ManifestError(SECRETS, "", f"is a {type(value).__name__}", "write a list of executor.Secret")
    return tuple(_secret(item, f"[{index}]") for index, item in enumerate(value))


def _secret(item: Any, where: str) -> SecretUse:
    fields = secret_fields(item)
    if fields is None:
        problem = "is text" if isinstance(item, str) else f"is a {type(item).__name__}"
        advice = "write executor.Secret(...), or a dict of " + ", ".join(FIELDS)
        raise ManifestError(SECRETS, where, problem + _text_reason(item), advice)
    found = problem_of(fields)
    if found:
        problem, _, advice = found.partition("; ")
        raise ManifestError(SECRETS, where, problem, advice)
    secret = Secret(*(fields.get(name) for name in FIELDS))  # type: ignore[arg-type]
    return SecretUse(secret, tuple(to_plain(fields.get("items") or (), SECRETS)))


def _text_reason(item: Any) -> str:
    return " (other objects become text when Airflow stores the DAG)" if isinstance(item, str) else ""


def secret_fields(item: Any) -> dict[str, Any] | None:
    """Return the values of a secret that is a dict or an object with those attributes (upstream's `Secret`), else None.

    Upstream ignores the target of a variable without key, and takes the whole Secret; so do objects here.
    """
    if isinstance(item, Mapping):
        return dict(item) if set(item) <= {*FIELDS, "items"} else None
    if any(not hasattr(item, name) for name in FIELDS):
        return None
    fields = {name: getattr(item, name) for name in FIELDS}
    if (fields["deploy_type"], fields["key"]) == ("env", None):
        fields["deploy_target"] = None
    items = getattr(item, "items", None)
    return fields | {"items": items} if isinstance(items, list) and items else fields


def _text(config: Mapping[str, Any], key: str) -> str | None:
    value = config.get(key)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ManifestError(f'executor_config["{key}"]', "", f"is a {type(value).__name__}", "write a text")
    return value


def _unknown_keys(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Keys of other executors (`CeleryExecutor`, upstream's old `KubernetesExecutor` dict) are none of our business."""
    unknown = [str(key) for key in config if key not in OUR_KEYS and not str(key).endswith("Executor")]
    return tuple(
        f'executor_config["{key}"] is not known to this executor and was ignored{_hint(key)}' for key in unknown
    )


def _hint(key: str) -> str:
    near = difflib.get_close_matches(key, OUR_KEYS, 1, 0.85)
    return f"; did you mean {near[0]}?" if near else ""
