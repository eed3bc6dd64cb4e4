"""Jinja2 pod templates (`*.j2`): rendered for each launch, sandboxed, an undefined name is an error.

In reach are `values`, `release` (name, namespace) and `task`; the filters toYaml, nindent and quote do what Helm's do.
Nothing is loaded from elsewhere: no include, no import.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping
from typing import Any, Final

import yaml
from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, UndefinedError, nodes
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from executor.manifest.errors import ManifestError
from executor.manifest.template_inputs import Inputs
from executor.manifest.template_marks import mark, marked_text
from executor.manifest.template_place import SourceText
from executor.manifest.template_task import TemplateTask

MAX_OUTPUT: Final = 4 * 1024 * 1024
_NAME: Final = "pod template"


class _Environment(ImmutableSandboxedEnvironment):
    """`values.items` is the value named items, as it would be in YAML, before it is the method of a dict."""

    intercepted_binops = frozenset({"*", "**"})

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        if operator == "**" or not numbers:
            raise SecurityError(f"{operator} is for small numbers only")
        return super().call_binop(context, operator, left, right)


def _to_yaml(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=True, default_flow_style=False, width=10_000).removesuffix("...\n").rstrip()


def _nindent(text: Any, width: int) -> str:
    return "\n" + "\n".join(" " * width + line for line in str(text).split("\n"))


def _quote(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return "" if value is None else json.dumps(text, ensure_ascii=False)


_environment = _Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
_environment.filters |= {"toYaml": _to_yaml, "nindent": _nindent, "quote": _quote}


class JinjaTemplate:
    """A compiled Jinja2 template. Making one raises ManifestError for a syntax error."""

    per_task = True

    def __init__(self, source: SourceText, layer: str, inputs: Inputs) -> None:
        self._source, self._layer = source, layer
        self._context = {
            "values": inputs.values,
            "release": {key.lower(): value for key, value in inputs.release.items()},
        }
        try:
            self._template = _environment.from_string(source.text)
        except TemplateSyntaxError as error:
            raise self._error(error.lineno, error) from None

    def render(self, task: TemplateTask) -> str:
        """Return the text for a task. Raises ManifestError."""
        return self._run(self._template, task)

    def marked(self, task: TemplateTask) -> str:
        """Return the same text with marks of the lines it came from."""
        tree = _environment.parse(self._source.text)
        for output in list(tree.find_all(nodes.Output)):
            output.nodes = [part for node in output.nodes for part in _with_mark(node)]
        return self._run(_environment.from_string(tree), task)

    def _run(self, template: Template, task: TemplateTask) -> str:
        pieces: list[str] = []
        left = MAX_OUTPUT
        try:
            for piece in template.generate(**self._context, task=task.as_map()):
                pieces.append(piece)
                left -= len(piece)
                if left < 0:
                    raise SecurityError(f"the text is longer than {MAX_OUTPUT} characters")
        except (TemplateError, ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise self._error(_line_of(error), error) from None
        return "".join(pieces)

    def _error(self, line: int, error: Exception) -> ManifestError:
        lines = self._source.text.splitlines()
        text = lines[line - 1] if 0 < line <= len(lines) else ""
        starts = [at for at in (text.find(mark) for mark in ("{{", "{%", "{#")) if at >= 0]
        line, column = self._source.place(line, min(starts, default=0) + 1)
        shown = f", in {text.strip()}" if text.strip() else ""
        problem = (error.message if isinstance(error, TemplateError) else str(error)) or type(error).__name__
        problem = problem.rstrip(".") + shown
        return ManifestError(self._layer, f"{self._source.name}:{line}:{column}:", problem, _advice(error))


def _advice(error: Exception) -> str:
    if isinstance(error, UndefinedError):
        return "write a name that is there, or give it a value: x | default('...')"
    if isinstance(error, SecurityError):
        return "a pod template may only make text of what it is given"
    return "correct the template there"


def _with_mark(node: nodes.Expr) -> list[nodes.Expr]:
    if isinstance(node, nodes.TemplateData):
        return [nodes.TemplateData(marked_text(node.data, node.lineno), lineno=node.lineno)]
    return [nodes.TemplateData(mark(node.lineno), lineno=node.lineno), node]


def _line_of(error: BaseException) -> int:
    """The template's line in the traceback, which Jinja2 rewrites to look as if templates were Python."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<template>"]
    return lines[-1] or 1 if lines else 1
