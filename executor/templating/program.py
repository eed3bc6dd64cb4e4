"""The entrance: texts are parsed once into a Template, which renders as often as wanted.

A Template holds no state of a render; it may be used by several threads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from executor.templating import nodes
from executor.templating.errors import Refusal, Source, TemplateError
from executor.templating.functions import FUNCTIONS
from executor.templating.limits import measure
from executor.templating.parser import parse
from executor.templating.printing import NO_VALUE
from executor.templating.roots import CHART, root
from executor.templating.run import Lookup, OnMissing, Run
from executor.templating.values import adopt

_NOT_UTF8 = re.compile("[\ud800-\udfff]")
LONGEST_KEPT_TPL = 20_000  # characters
Definitions = dict[str, nodes.Definition]


class Template:
    """A template with its helpers, parsed. Raises TemplateError for what Go refuses to parse.

    text: the template; name: what messages call it; helpers: file names to texts, of which a file deeper in the
    folders, or later in the alphabet, is read first and a later definition replaces an earlier one, as in Helm.
    The template's own definitions come last.
    """

    def __init__(self, text: str, *, name: str = "template", helpers: Mapping[str, str] | None = None) -> None:
        self.name = name
        self._definitions: Definitions = {}
        self._files: Definitions = {}
        for file in sorted(helpers or {}, key=lambda path: (path.count("/"), path), reverse=True):
            self._add((helpers or {})[file], file)
        self._main = self._add(text, name)

    def _add(self, text: str, name: str) -> nodes.Definition:
        *inner, whole = _parsed(name, text)
        for one in inner:
            if not (one.is_empty and one.name in self._definitions):
                self._definitions[one.name] = one
        self._files[name] = whole
        return whole

    def render(
        self,
        *,
        values: Mapping[str, object],
        release: Mapping[str, object] | None = None,
        chart: Mapping[str, object] | None = None,
        capabilities: Mapping[str, object] | None = None,
        helm_numbers: bool = False,
        extra: Mapping[str, object] | None = None,
        on_missing: OnMissing | None = None,
        lookup: Lookup | None = None,
    ) -> str:
        """The text the template makes of these values; see `render`. extra: further names at the root.

        on_missing: called for every action that prints nothing because its value is missing; lookup: what the
        function of that name finds for apiVersion, kind, namespace and name, instead of nothing.
        """
        chart = chart or {}
        self._refuse_endless(values)
        dot = root(values, release or {}, chart, capabilities or {}, name=self.name, floats=helm_numbers)
        for beside, value in (extra or {}).items():
            dot[beside] = adopt(value, floats=helm_numbers, path=beside)
        folder = f"{chart.get('Name', CHART['Name'])}/templates"
        definitions = {**self._by_path(folder), **self._definitions}
        run = Run(definitions, FUNCTIONS, _parse, floats=helm_numbers, on_missing=on_missing, lookup=lookup)
        try:
            text = run.execute(self._main, dot)
        except Refusal as refusal:
            raise TemplateError(self.name, 1, 1, "", refusal.problem, refusal.advice) from None
        return _NOT_UTF8.sub("\ufffd", text.replace(NO_VALUE, ""))

    def _refuse_endless(self, values: Mapping[str, object]) -> None:
        try:
            measure(values)
        except Refusal as refusal:
            raise TemplateError(self.name, 1, 1, "", f"values: {refusal.problem}") from None

    def _by_path(self, folder: str) -> Definitions:
        """Whole files can be included too, by the path Helm knows them by."""
        paths = {f"{folder}/{name}": whole for name, whole in self._files.items()}
        return {**paths, **self._files}


def _parse(source: Source) -> list[nodes.Definition]:
    """For `tpl`, which mostly sees the same few short texts."""
    if len(source.text) > LONGEST_KEPT_TPL:
        return parse(source, FUNCTIONS.keys())
    return list(_parsed_tpl(source.name, source.text))


@lru_cache(maxsize=64)
def _parsed(name: str, text: str) -> tuple[nodes.Definition, ...]:
    return tuple(parse(Source(name, text), FUNCTIONS.keys()))


@lru_cache(maxsize=256)
def _parsed_tpl(name: str, text: str) -> tuple[nodes.Definition, ...]:
    return tuple(parse(Source(name, text), FUNCTIONS.keys()))


def render(
    template: str,
    *,
    values: Mapping[str, object],
    helpers: Mapping[str, str] | None = None,
    release: Mapping[str, object] | None = None,
    chart: Mapping[str, object] | None = None,
    capabilities: Mapping[str, object] | None = None,
    name: str = "template",
    helm_numbers: bool = False,
) -> str:
    """The text a Go template makes, as `helm template` would.

    values: what `.Values` holds (see load_values); helpers: file names to texts with `define`s; release, chart,
    capabilities: Helm's own keys (`Name`, `Namespace`, `Version`, `KubeVersion` ...), laid over the defaults of
    `helm template` (release-name in default, revision 1, Kubernetes v1.36.0); name: of the template in messages;
    helm_numbers: every number in values is a float64 as in Helm (1000000 prints as 1e+06); else integers stay
    integers. Raises TemplateError; TypeError for values that are not plain data.
    """
    return Template(template, name=name, helpers=helpers).render(
        values=values, release=release, chart=chart, capabilities=capabilities, helm_numbers=helm_numbers
    )
