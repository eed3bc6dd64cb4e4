"""Loads pod templates: a file -> its checked Pod, cached until the file changes.

The only place of this package that reads files. Text goes through a `Renderer` first: that is where template languages
come in; this version has `plain_yaml`, which refuses them. A loaded template has container `base`, right types, no null
members and each variable once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pod_templates
from executor.manifest.checks import last_env_wins, require_base, require_pod
from executor.manifest.errors import ManifestError
from executor.manifest.model import JsonMap
from executor.manifest.plain import without_nulls
from executor.manifest.types_check import check_types
from executor.manifest.yaml_text import parse_yaml

SHIPPED_TEMPLATE = Path(pod_templates.__file__).with_name("default.yaml")

Stamp = tuple[int, int]


class Renderer(Protocol):
    """Turns a template's text into YAML text; raises ManifestError with the place in the text."""

    def __call__(self, text: str, context: Mapping[str, Any]) -> str: ...


def plain_yaml(text: str, context: Mapping[str, Any]) -> str:
    """Return the text as it is: plain YAML needs no rendering."""
    return text


@dataclass(frozen=True, slots=True)
class Template:
    """A pod template as read: `pod` must not be changed. `layer` names it in messages."""

    path: Path
    stamp: Stamp
    layer: str
    pod: JsonMap


class TemplateSource:
    """Templates by path. Not thread-safe: one per thread."""

    def __init__(self, render: Renderer = plain_yaml) -> None:
        self._render = render
        self._cache: dict[Path, Template] = {}

    def load(self, path: Path, context: Mapping[str, Any] | None = None) -> Template:
        """Return the template in file `path`, read again if its time or size changed. Raises ManifestError."""
        layer = f"podTemplate {path}"
        try:
            status = path.stat()
        except OSError as error:
            raise _unreadable(layer, error) from None
        stamp = (status.st_mtime_ns, status.st_size)
        cached = self._cache.get(path)
        if cached is None or cached.stamp != stamp:
            cached = Template(path, stamp, layer, self._read(path, layer, context or {}))
            self._cache[path] = cached
        return cached

    def _read(self, path: Path, layer: str, context: Mapping[str, Any]) -> JsonMap:
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            raise ManifestError(layer, "", "is not UTF-8 text", "save it as UTF-8") from None
        except OSError as error:
            raise _unreadable(layer, error) from None
        if path.suffix == ".j2":
            raise _template_language(layer)
        return checked_template(self._render(text, context), layer)


def checked_template(text: str, layer: str) -> JsonMap:
    """Return the Pod in a template's YAML text. Raises ManifestError."""
    try:
        pod = require_pod(parse_yaml(text, layer), layer)
    except ManifestError:
        if "{{" in text:
            raise _template_language(layer) from None
        raise
    # Annotations may carry templates of other tools (Vault's agent); elsewhere `{{` was meant for us.
    if "{{" in text and _has_braces({**pod, "metadata": {**(pod.get("metadata") or {}), "annotations": None}}):
        raise _template_language(layer)
    check_types(pod, layer)
    pod = last_env_wins(without_nulls(pod))
    require_base(pod, layer, "the template")
    return pod


def _has_braces(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_braces(item) for item in value.values())
    if isinstance(value, list):
        return any(map(_has_braces, value))
    return isinstance(value, str) and "{{" in value


def _template_language(layer: str) -> ManifestError:
    problem = "is written in a template language ({{ ... }} or .j2); this version understands plain YAML only"
    return ManifestError(layer, "", problem, "render it first, and name the rendered file")


def _unreadable(layer: str, error: OSError) -> ManifestError:
    return ManifestError(layer, "", f"cannot be read ({error.strerror})", "check the path and the file's permissions")
