"""Pod templates by path: read, rendered, kept until a file changes, and read again without a restart.

A launch costs one `stat` of its template, and at most twice a second one of each values and helper file. A version that
cannot be used fails the tasks launched with it; with `keep_last` the last good one goes on, and that is said once.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pod_templates
from executor.manifest.errors import ManifestError
from executor.manifest.model import ManifestSettings
from executor.manifest.template_go import GoTemplate
from executor.manifest.template_inputs import InputFiles, Inputs, TemplateInputs
from executor.manifest.template_jinja import JinjaTemplate
from executor.manifest.template_language import Language, language_of
from executor.manifest.template_place import Place, SourceText, Stamp, read_file, stamp_of, text_at, unreadable
from executor.manifest.template_task import EXAMPLE_TASK, TemplateTask
from executor.manifest.template_version import Broken, Plain, Rendered, Template, Version

SHIPPED_TEMPLATE: Final = Path(pod_templates.__file__).with_name("default.yaml")
READINGS: Final = 10  # of files that change while they are read

__all__ = ["SHIPPED_TEMPLATE", "Template", "TemplateSource", "rendering_of"]


class TemplateSource:
    """Templates by path (`file` or `file#key.key`). Not thread-safe: one per thread."""

    def __init__(
        self,
        inputs: TemplateInputs | None = None,
        *,
        keep_last: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inputs = InputFiles(inputs or TemplateInputs(), clock)
        self._keep_last = keep_last
        self._kept: dict[Path, _Kept] = {}
        self._notices: list[str] = []

    @classmethod
    def of(cls, settings: ManifestSettings) -> TemplateSource:
        """Return the source of the templates of one executor, or of one team's."""
        return cls(inputs_of(settings), keep_last=settings.pod_template_keep_last)

    def load(self, path: Path, task: TemplateTask = EXAMPLE_TASK) -> Template:
        """Return the template at `path` for a task. Raises ManifestError."""
        kept = self._kept.get(path)
        if kept is None:
            kept = self._kept[path] = _Kept(path, self._inputs)
        version = kept.current()
        try:
            template = version.template(task)
        except ManifestError as error:
            if not self._keep_last or kept.good in (None, version):
                raise
            self._notice(kept, version, error)
            assert kept.good is not None
            return kept.good.template(task)
        kept.good = version
        return template

    def take_notices(self) -> tuple[str, ...]:
        """Return what is to be said once, and forget it."""
        if not self._notices:
            return ()
        taken, self._notices = tuple(self._notices), []
        return taken

    def _notice(self, kept: _Kept, version: Version, error: ManifestError) -> None:
        if kept.told is not version:
            kept.told = version
            self._notices.append(f"{error} (the last good version is used until then)")


class _Kept:
    """One template's current version, and the last good one."""

    def __init__(self, path: Path, inputs: InputFiles) -> None:
        self._place = Place.of(path)
        self._layer = f"podTemplate {path}"
        self._inputs = inputs
        self._stamp: Stamp | None = None
        self._version: Version | None = None
        self.good: Version | None = None
        self.told: Version | None = None

    def current(self) -> Version:
        """Return the version that the files hold now; the same object while they do not change."""
        try:
            stamp = stamp_of(self._place.path)
        except OSError as error:
            return self._missing(unreadable(self._layer, error))
        if self._version is None or stamp != self._stamp or self._inputs_changed(self._version):
            self._stamp = stamp
            self._version = self._read()
        return self._version

    def _missing(self, error: ManifestError) -> Version:
        if self._stamp is not None or self._version is None:
            self._stamp, self._version = None, Broken(error)
        return self._version

    def _inputs_changed(self, version: Version) -> bool:
        return version.inputs is not None and self._inputs.state() is not version.inputs

    def _read(self) -> Version:
        """Read again where the files changed meanwhile: a template must not meet the values of another version."""
        for _ in range(READINGS):
            try:
                real = os.path.realpath(self._place.path)
                file = read_file(self._place.path, self._layer)
                self._stamp = file.stamp
                version = self._made(file.text)
                if (real, file.stamp) == (os.path.realpath(self._place.path), stamp_of(self._place.path)):
                    break
            except ManifestError as error:
                return Broken(error)
            except OSError as error:
                return Broken(unreadable(self._layer, error))
        return version

    def _made(self, text: str) -> Version:
        language = language_of(self._place, text)
        if language is Language.PLAIN:
            return Plain(self._place.path, self._layer, text)
        inputs = self._inputs.state(look=True)
        if isinstance(inputs, ManifestError):
            return Broken(inputs, inputs)
        try:
            source = text_at(self._place, text, self._layer)
            rendering = rendering_of(language, source, self._layer, inputs)
        except ManifestError as error:
            return Broken(error, inputs)
        return Rendered(self._place.path, self._layer, source, rendering, inputs)


def inputs_of(settings: ManifestSettings) -> TemplateInputs:
    """Return what the configuration says templates are rendered with."""
    return TemplateInputs(
        values=settings.pod_template_values,
        helpers=settings.pod_template_helpers,
        release=settings.pod_template_release,
        namespace=settings.fallback_namespace,
    )


def rendering_of(language: Language, source: SourceText, layer: str, inputs: Inputs) -> GoTemplate | JinjaTemplate:
    """Return the template of a template language. Raises ManifestError for what cannot be parsed."""
    if language is Language.JINJA:
        return JinjaTemplate(source, layer, inputs)
    return GoTemplate(source, layer, inputs)
