"""One version of a pod template: its text with its inputs, and the pods they give."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from executor.manifest.checks import last_env_wins, require_base, require_pod
from executor.manifest.errors import ManifestError
from executor.manifest.model import JsonMap
from executor.manifest.plain import without_nulls
from executor.manifest.template_inputs import Inputs
from executor.manifest.template_marks import origin_of
from executor.manifest.template_place import SourceText
from executor.manifest.template_task import TemplateTask
from executor.manifest.types_check import check_types
from executor.manifest.yaml_text import parse_yaml

KEPT_TEXTS: Final = 64


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """A pod template as read and rendered: `pod` must not be changed. `layer` names it in messages.

    The same object stands for the same pod: compare by identity.
    """

    path: Path
    layer: str
    pod: JsonMap = field(repr=False)


class Rendering(Protocol):
    """A template language's template. Both methods raise ManifestError."""

    per_task: bool

    def render(self, task: TemplateTask) -> str: ...

    def marked(self, task: TemplateTask) -> str: ...


class Version(Protocol):
    """`inputs` is the state of the inputs it was made with, None where it needs none."""

    inputs: Inputs | ManifestError | None

    def template(self, task: TemplateTask) -> Template:
        """Return the template for a task. Raises ManifestError."""


class Plain:
    """A version in plain YAML. Making one raises ManifestError."""

    def __init__(self, path: Path, layer: str, text: str) -> None:
        self.inputs: Inputs | ManifestError | None = None
        self._template = Template(path, layer, checked_template(text, layer))

    def template(self, task: TemplateTask) -> Template:
        return self._template


class Rendered:
    """A version in a template language. Equal texts give one Template, so that equal pods are prepared once."""

    def __init__(self, path: Path, layer: str, source: SourceText, rendering: Rendering, inputs: Inputs) -> None:
        self._path, self._layer, self._source = path, layer, source
        self._rendering = rendering
        self.inputs: Inputs | ManifestError | None = inputs
        self._only: Template | None = None
        self._by_text: dict[str, Template] = {}

    def template(self, task: TemplateTask) -> Template:
        if self._only is not None:
            return self._only
        made = self._made(task)
        if not self._rendering.per_task:
            self._only = made
        return made

    def _made(self, task: TemplateTask) -> Template:
        text = self._rendering.render(task)
        known = self._by_text.get(text)
        if known is not None:
            return known
        try:
            pod = checked_template(text, self._layer)
        except ManifestError as error:
            raise self._placed(error, text, task) from None
        if len(self._by_text) >= KEPT_TEXTS:
            self._by_text.clear()
        made = self._by_text[text] = Template(self._path, self._layer, pod)
        return made

    def _placed(self, error: ManifestError, text: str, task: TemplateTask) -> ManifestError:
        """The error with the place in the template instead of the place in what it gave."""
        if error.position is None:
            return error
        line, column = error.position
        origin = origin_of(self._rendering.marked(task), line)
        if origin is None:
            return error
        lines = self._source.text.splitlines()
        written = lines[origin.line - 1] if origin.line <= len(lines) else ""
        column = column if written == origin.text else len(written) - len(written.lstrip()) + 1
        line, column = self._source.place(origin.line, column)
        shown = origin.text.strip()[:100]
        problem = f"{error.problem}, in line {error.position[0]} of the rendered text: {shown}"
        return ManifestError(self._layer, f"{self._source.name}:{line}:{column}:", problem, error.advice)


class Broken:
    """A version that cannot be used: every launch with it hears the same."""

    def __init__(self, error: ManifestError, inputs: Inputs | ManifestError | None = None) -> None:
        self._error = error
        self.inputs = inputs

    def template(self, task: TemplateTask) -> Template:
        raise ManifestError(*self._error.args)


def checked_template(text: str, layer: str) -> JsonMap:
    """Return the Pod in a template's YAML text, without nulls and with each variable once. Raises ManifestError."""
    pod = require_pod(parse_yaml(text, layer), layer)
    check_types(pod, layer)
    pod = last_env_wins(without_nulls(pod))
    require_base(pod, layer, "the template")
    return pod
