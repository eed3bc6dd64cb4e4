"""Byte for byte what Helm prints, and an error where Helm has one; the cases are Helm's own output."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from executor.templating import TemplateError, load_values, render

CASES = Path(__file__).parents[2] / "cases"
HELM3: dict[str, Any] = json.loads((CASES / "go_template.json").read_text())
HELM4: dict[str, Any] = json.loads((CASES / "go_template_helm4.json").read_text())
CHART = Path(__file__).parent / "chart"


def judge(case: dict[str, Any], template: str, helpers: dict[str, str] | None, values: dict[str, Any]) -> None:
    """Render as Helm does and compare."""

    def text() -> str:
        return render(template, values=values, helpers=helpers, chart={"Name": "t"}, name="case.txt", helm_numbers=True)

    if "error" in case:
        with pytest.raises(TemplateError):
            text()
    else:
        assert text() == case["output"]


@pytest.mark.parametrize("case", HELM3["cases"], ids=lambda case: case["id"])
def test_helm_3(case: dict[str, Any]) -> None:
    if case.get("values_yaml") and "error" in case:
        with pytest.raises(TemplateError):
            load_values(case["values_yaml"])
        return
    values = load_values(case["values_yaml"]) if "values_yaml" in case else HELM3["values"][case["values"]]
    judge(case, case["template"], HELM3["helpers"][case["helpers"]], values)


@pytest.mark.parametrize("case", HELM4["cases"], ids=lambda case: case["template"][:60])
def test_helm_4(case: dict[str, Any]) -> None:
    judge(case, case["template"], HELM3["helpers"]["h1"], HELM3["values"]["v1"])


@pytest.mark.parametrize("case", HELM4["values"], ids=lambda case: repr(case["values_yaml"])[:60])
def test_values_files_as_helm_4_reads_them(case: dict[str, Any]) -> None:
    try:
        values = load_values(case["values_yaml"])
    except TemplateError:
        assert "error" in case, "Helm reads this"
        return
    judge(case, HELM4["template"], None, values)


def chart_file(name: str) -> str:
    return (CHART / name).read_text()


def test_a_whole_pod_template() -> None:
    text = render(
        chart_file("pod.yaml"),
        values=load_values(chart_file("values.yaml")),
        helpers={"_helpers.tpl": chart_file("_helpers.tpl")},
        chart={"Name": "t"},
        helm_numbers=True,
    )
    assert text == chart_file("expected.yaml")


def test_the_same_pod_template_with_integers() -> None:
    text = render(
        chart_file("pod.yaml"),
        values=load_values(chart_file("values.yaml")),
        helpers={"_helpers.tpl": chart_file("_helpers.tpl")},
        chart={"Name": "t"},
    )
    as_helm = chart_file("expected.yaml")
    assert "terminationGracePeriodSeconds: 1e+06\n" in as_helm
    assert text == as_helm.replace("1e+06", "1000000")
