"""Which language a pod template is written in.

`*.j2` is Jinja2, `*.tpl` and `*.gotmpl` are Go templates, and so is a value in a values file, which Helm's charts
render (`values.yaml#podTemplate`). Any other file is plain YAML if it can be: it reads as YAML, and `{{` stands at most
in annotations, where other tools' templates do (Vault's agent), or in comments. Else it is a Go template.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

from executor.manifest.errors import ManifestError
from executor.manifest.template_place import Place
from executor.manifest.yaml_text import parse_yaml

GO_SUFFIXES: Final = (".tpl", ".gotmpl")


class Language(Enum):
    PLAIN = "plain YAML"
    GO = "Go template"
    JINJA = "Jinja2"


def language_of(place: Place, text: str) -> Language:
    """Return the language of the template `text` found at `place`."""
    if place.path.suffix == ".j2":
        return Language.JINJA
    if place.keys or place.path.suffix in GO_SUFFIXES:
        return Language.GO
    if "{{" not in text:
        return Language.PLAIN
    try:
        pod = parse_yaml(text, "")
    except ManifestError:
        return Language.GO
    return Language.GO if _has_braces(_without_annotations(pod)) else Language.PLAIN


def _without_annotations(pod: Any) -> Any:
    metadata = pod.get("metadata") if isinstance(pod, dict) else None
    return {**pod, "metadata": {**metadata, "annotations": None}} if isinstance(metadata, dict) else pod


def _has_braces(value: Any) -> bool:
    if isinstance(value, dict):
        return any("{{" in key or _has_braces(item) for key, item in value.items())
    if isinstance(value, list):
        return any(map(_has_braces, value))
    return isinstance(value, str) and "{{" in value
