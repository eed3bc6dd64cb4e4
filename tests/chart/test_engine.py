"""Whole charts as Helm renders them: values, sub-templates, `.Files`, `.Capabilities`, `.Release`, `lookup`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.chart.rendering import Renderer, chart_of
from tests.chart.sets import helm

FOLDER = Path(__file__).parent / "engine"
GIVEN: dict[str, Any] = {"name": "given", "removed": None, "nested": {"b": {"d": True}}, "more": [1.5, "x"]}
EXPECTED = (FOLDER.parent / "goldens" / "engine.txt").read_text()


def ours() -> str:
    renderer = Renderer(chart_of(FOLDER), GIVEN, "r", "ns")
    return "".join(f"--- {name}\n{renderer.text(name)}" for name in renderer.chart.manifests)


def helms(python: str) -> str:
    (answer,) = helm(python, [(GIVEN, "r", "ns")], FOLDER)
    assert not answer.error
    return "".join(f"--- {name}\n{text}" for name, text in sorted(answer.files.items()) if "_" not in name)


def test_a_chart_renders_as_recorded_from_helm() -> None:
    assert ours() == EXPECTED


def test_helm_renders_the_same_now(helm_python: str) -> None:
    assert helms(helm_python) == EXPECTED
