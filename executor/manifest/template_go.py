"""Go-template pod templates, as in a Helm chart: rendered once, or for each launch where `.Task` is used.

At the root are `.Values`, `.Release`, `.Chart`, `.Capabilities` and, for templates, helpers or values in which the
name occurs, `.Task`: without it the text cannot depend on the task.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from executor.manifest.errors import ManifestError
from executor.manifest.template_inputs import Inputs, advice_of
from executor.manifest.template_marks import END, START, mark, marked_text
from executor.manifest.template_place import SourceText
from executor.manifest.template_task import EXAMPLE_TASK, TemplateTask
from executor.templating import Template, TemplateError, nodes

_TASK: Final = re.compile(r"\.Task\b|[\"`]Task[\"`]")
_MISSING: Final = re.compile(f"{START}-(\\d+){END}")
_QUOTES: Final = frozenset({"quote", "squote"})


@dataclass(frozen=True, slots=True)
class Empty:
    """An action that left nothing because its value is missing: where it stands, and its text."""

    line: int
    column: int
    action: str


class GoTemplate:
    """A parsed Go template with its helpers. Making one raises ManifestError for what cannot be parsed."""

    def __init__(self, source: SourceText, layer: str, inputs: Inputs) -> None:
        self._source, self._layer, self._inputs = source, layer, inputs
        self.per_task = any(map(_TASK.search, (source.text, *inputs.helpers.values(), *_texts(inputs.values))))
        try:
            self._template = Template(source.text, name=source.name, helpers=inputs.helpers)
        except TemplateError as error:
            raise self._error(error) from None

    def render(self, task: TemplateTask) -> str:
        """Return the text, for a task where `per_task`. Raises ManifestError."""
        return self._run(self._template, task)

    def marked(self, task: TemplateTask) -> str:
        """Return the same text with marks of the lines it came from."""
        return _MISSING.sub("", self._run(self._marked_template(), task))

    def empty_actions(self, task: TemplateTask = EXAMPLE_TASK) -> list[Empty]:
        """Return the actions of the template itself that left nothing because their value is missing."""
        found = sorted({int(number) for number in _MISSING.findall(self._run(self._marked_template(), task))})
        return [self._empty(position) for position in found]

    def _empty(self, position: int) -> Empty:
        before = self._source.text[:position]
        line, column = self._source.place(before.count("\n") + 1, position - before.rfind("\n"))
        return Empty(line, column, self._source.text[position:].partition("}}")[0].strip(" -"))

    def _marked_template(self) -> Template:
        return _Marked(self._source.text, name=self._source.name, helpers=self._inputs.helpers)

    def _run(self, template: Template, task: TemplateTask) -> str:
        extra = {"Task": task.as_map()} if self.per_task else {}
        given = self._inputs
        try:
            return template.render(
                values=given.values,
                release=given.release,
                chart=given.chart,
                helm_numbers=given.helm_numbers,
                extra=extra,
            )
        except TemplateError as error:
            raise self._error(error) from None

    def _error(self, error: TemplateError) -> ManifestError:
        """The place is told by the file's own lines, also for a template out of a values file."""
        line, column = error.line, error.column
        if error.file == self._source.name:
            line, column = self._source.place(line, column)
        problem = error.problem + (f", in {error.action}" if error.action else "")
        if error.called_from:
            problem += f" (called from {', '.join(error.called_from)})"
        advice = advice_of(error, "correct the template there")
        return ManifestError(self._layer, f"{error.file}:{line}:{column}:", problem, advice)


def _texts(value: Any) -> Iterator[str]:
    """The texts among values: `tpl` makes templates of them."""
    if isinstance(value, str):
        yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in inner:
        yield from _texts(item)


class _Marked(Template):
    """The same template, whose own statements leave marks."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        main = self._main
        self._main = replace(main, body=tuple(_with_marks(main.body, main.source.text)))


def _with_marks(body: Iterable[nodes.Statement], text: str) -> Iterator[nodes.Statement]:
    for one in body:
        line = text.count("\n", 0, one.pos) + 1
        if isinstance(one, nodes.Text):
            yield nodes.Text(one.pos, marked_text(one.text, line))
        elif isinstance(one, nodes.If | nodes.With | nodes.Range):
            inner, otherwise = _with_marks(one.body, text), _with_marks(one.otherwise, text)
            yield replace(one, body=tuple(inner), otherwise=tuple(otherwise))
        else:
            yield nodes.Text(one.pos, mark(line))
            yield from _missing_check(one)
            yield one


def _missing_check(statement: nodes.Statement) -> Iterator[nodes.Statement]:
    """`{{ .Values.x }}`, quoted or not: a mark where the value is nil."""
    if not isinstance(statement, nodes.Action) or statement.pipe.declared:
        return
    first, *functions = statement.pipe.commands
    names = [one.args[0].name for one in functions if isinstance(one.args[0], nodes.Identifier)]
    asked = first.args[-1]
    if len(first.args) == 2 and isinstance(first.args[0], nodes.Identifier):
        names.append(first.args[0].name)
    elif len(first.args) != 1:
        return
    if not isinstance(asked, nodes.Field | nodes.Variable | nodes.Chain) or not _QUOTES.issuperset(names):
        return
    pos = statement.pos
    is_nil = nodes.Command(pos, (nodes.Identifier(pos, "kindIs"), nodes.String(pos, "invalid"), asked))
    pipe = nodes.Pipe(pos, (), False, (is_nil,))
    yield nodes.If(pos, pipe, (nodes.Text(pos, f"{START}-{pos}{END}"),), ())
