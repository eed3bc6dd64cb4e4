"""The platform chart of `tests/cases/charts`, copied to where a test may change it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from executor.manifest import TemplateSource
from executor.manifest.template_inputs import TemplateInputs

CHARTS = Path(__file__).parents[2] / "cases" / "charts"
KEY = "astronomer.houston.config.deployments.helm.airflow"


@dataclass(frozen=True, slots=True)
class Chart:
    """A copy of the chart in a folder."""

    folder: Path

    @classmethod
    def copied_to(cls, folder: Path) -> Chart:
        shutil.copytree(CHARTS / "platform", folder, dirs_exist_ok=True)
        return cls(folder)

    @property
    def platform_values(self) -> Path:
        return self.folder / "values.yaml"

    @property
    def helpers(self) -> Path:
        return self.folder / "airflow" / "templates" / "_helpers.yaml"

    @property
    def template(self) -> Path:
        """The podTemplate, as the value of a key of the platform's values."""
        return Path(f"{self.platform_values}#{KEY}.podTemplate")

    def inputs(self, **over: Any) -> TemplateInputs:
        files = (str(self.folder / "airflow" / "values.yaml"), f"{self.platform_values}#{KEY}")
        return TemplateInputs(files, (str(self.helpers.parent),), release="prod", namespace="workers", over=over)

    def pod(self, **over: Any) -> dict[str, Any]:
        """The pod of the podTemplate with these values over the chart's."""
        return TemplateSource(self.inputs(**over)).load(self.template).pod

    def replace(self, path: Path, old: str, new: str) -> None:
        text = path.read_text()
        assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {path.name}"
        path.write_text(text.replace(old, new))

    def line_of(self, path: Path, text: str) -> int:
        """The number of the only line with this text."""
        (line,) = [number for number, line in enumerate(path.read_text().splitlines(), 1) if text in line]
        return line


def pod_text(chart: Chart) -> str:
    """The podTemplate's own text."""
    value = yaml.safe_load(chart.platform_values.read_text())
    for key in KEY.split("."):
        value = value[key]
    return str(value["podTemplate"])
