"""The whole chart as objects, rendered by `executor.templating`: what `helm template` would print.

They come by file, then as written there. NOTES.txt is rendered by `notes`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from executor.manifest.yaml_text import parse_yaml
from executor.templating import Template, load_values
from tests.chart.files import chart_files

CHART = Path(__file__).parents[2] / "helm"
Object = dict[str, Any]
DOCUMENT = "\n---\n"


def render(
    values: Mapping[str, Any],
    *,
    release: str = "airflow",
    namespace: str = "airflow",
    existing: Sequence[Object] = (),
    revision: int = 1,
) -> list[Object]:
    """The objects the chart makes of these values, laid over its values.yaml as Helm does.

    existing: objects of the cluster that `lookup` finds; revision: over 1 it is an upgrade.
    Raises TemplateError where a template fails; the values' schema is checked by `tests.chart.schema`, not here.
    """
    renderer = Renderer(chart_of(CHART), values, release, namespace, tuple(existing), revision)
    return [one for file in renderer.chart.manifests for one in objects(renderer.text(file), file)]


def notes(values: Mapping[str, Any], *, release: str = "airflow", namespace: str = "airflow") -> str:
    """What Helm prints after an installation."""
    return Renderer(chart_of(CHART), values, release, namespace).text("NOTES.txt")


@dataclass(frozen=True)
class Chart:
    """A chart's folder, read once. Templates by their path below `templates`."""

    folder: Path
    about: dict[str, Any]
    values: str
    templates: dict[str, str]

    @cached_property
    def manifests(self) -> list[str]:
        return [name for name in self.templates if not Path(name).name.startswith("_") and name != "NOTES.txt"]

    @cached_property
    def parsed(self) -> dict[str, Template]:
        return {name: self._parse(name) for name in self.templates}

    def _parse(self, name: str) -> Template:
        beside = {other: text for other, text in self.templates.items() if other != name}
        return Template(self.templates[name], name=name, helpers=beside)


@cache
def chart_of(folder: Path) -> Chart:
    """Read a chart. One that has sub-charts is beyond this."""
    below = folder / "templates"
    templates = {str(one.relative_to(below)): one.read_text() for one in sorted(below.rglob("*")) if one.is_file()}
    about = load_values((folder / "Chart.yaml").read_text())
    titled = {key[:1].upper() + key[1:]: value for key, value in about.items()}
    chart = {**titled, "APIVersion": about["apiVersion"]}
    return Chart(folder, chart, (folder / "values.yaml").read_text(), templates)


@dataclass(frozen=True)
class Renderer:
    """One release of a chart with its values."""

    chart: Chart
    given: Mapping[str, Any]
    release: str
    namespace: str
    existing: tuple[Object, ...] = ()
    revision: int = 1

    def text(self, file: str) -> str:
        """A template's text. Raises TemplateError."""
        return self.chart.parsed[file].render(
            values=load_values(self.chart.values, json.dumps(self.given)),
            release=self._release(),
            chart=self.chart.about,
            helm_numbers=True,
            extra={"Files": chart_files(self.chart.folder)},
            lookup=self._lookup,
        )

    def _release(self) -> dict[str, Any]:
        again = self.revision > 1
        return {
            "Name": self.release,
            "Namespace": self.namespace,
            "Revision": self.revision,
            "IsInstall": not again,
            "IsUpgrade": again,
        }

    def _lookup(self, api_version: str, kind: str, namespace: str, name: str) -> Object:
        wanted = (api_version, kind, namespace, name)
        return next((one for one in self.existing if identity(one) == wanted), {})


def identity(one: Object) -> tuple[str, str, str, str]:
    """apiVersion, kind, namespace ("" where it has none) and name."""
    about = one["metadata"]
    return one["apiVersion"], one["kind"], about.get("namespace", ""), about["name"]


def by_name(objects: Sequence[Object]) -> dict[str, Object]:
    """`Kind namespace/name` -> object. Raises ValueError where two have the same name."""
    named = {f"{one['kind']} {'/'.join(filter(None, identity(one)[2:]))}": one for one in objects}
    if len(named) != len(objects):
        raise ValueError("the chart makes two objects of one name")
    return named


def objects(text: str, file: str) -> list[Object]:
    """The objects of a text, numbers as Kubernetes takes them; comments and blanks between `---` are none."""
    parts = [part for part in ("\n" + text).split(DOCUMENT) if _says_something(part)]
    return [_whole_numbers(parse_yaml(part, file)) for part in parts]


def _says_something(part: str) -> bool:
    return any(line.strip() and not line.lstrip().startswith("#") for line in part.splitlines())


def _whole_numbers(value: Any) -> Any:
    """Helm prints 1000000 as 1e+06, and sends it as 1000000."""
    if isinstance(value, dict):
        return {key: _whole_numbers(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_whole_numbers(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
