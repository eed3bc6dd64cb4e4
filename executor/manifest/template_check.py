"""A pod template looked at by itself: its text, and what is wrong or doubtful about it, without any task."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from executor.manifest.template_go import GoTemplate
from executor.manifest.template_inputs import InputFiles, TemplateInputs
from executor.manifest.template_language import Language, language_of
from executor.manifest.template_place import Place, SourceText, read_file, text_at
from executor.manifest.template_source import TemplateSource, rendering_of
from executor.manifest.template_task import EXAMPLE_TASK, TemplateTask


@dataclass(frozen=True, slots=True)
class Looked:
    """A template's language and its text; for plain YAML the file's."""

    language: Language
    text: str
    warnings: tuple[str, ...] = ()


def rendered_text(path: Path, inputs: TemplateInputs, task: TemplateTask = EXAMPLE_TASK) -> Looked:
    """Return what a template gives, whether or not it is a pod. Raises ManifestError."""
    language, source, layer = _read(path)
    if language is Language.PLAIN:
        return Looked(language, source.text)
    rendering = rendering_of(language, source, layer, InputFiles(inputs).read())
    text = rendering.render(task)
    empty = rendering.empty_actions(task) if isinstance(rendering, GoTemplate) else []
    warnings = tuple(
        f"{layer}: {source.name}:{one.line}:{one.column}: {one.action} has no value, and leaves nothing"
        for one in empty
    )
    return Looked(language, text, warnings)


def check_template(path: Path, inputs: TemplateInputs) -> Looked:
    """Return the same for a template that has to give a pod. Raises ManifestError."""
    TemplateSource(inputs).load(path)
    return rendered_text(path, inputs)


def _read(path: Path) -> tuple[Language, SourceText, str]:
    place, layer = Place.of(path), f"podTemplate {path}"
    file = read_file(place.path, layer)
    language = language_of(place, file.text)
    return language, text_at(place, file.text, layer), layer
