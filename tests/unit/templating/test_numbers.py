"""Integers stay integers, unless Helm's own numbers are asked for; and where Helm 4 differs from 3, we are with 3."""

from __future__ import annotations

import pytest

from executor.templating import TemplateError, load_values, render

VALUES = "million: 1000000\none: 1\nhalf: 0.5\nwhole: 2.0\nlist: [3, 1000000]\nbig: 9007199254740993\n"
NUMBERS = [
    ("{{ .Values.million }}", "1000000", "1e+06"),
    ("{{ .Values.list }}", "[3 1000000]", "[3 1e+06]"),
    ("{{ .Values.million | quote }}", '"1000000"', '"1e+06"'),
    ('{{ printf "%d" .Values.million }}', "1000000", "%!d(float64=1e+06)"),
    ('{{ printf "%v" .Values.million }}', "1000000", "1e+06"),
    ("{{ kindOf .Values.one }}", "int64", "float64"),
    ("{{ .Values.big }}", "9007199254740993", "9.007199254740992e+15"),
    ("{{ toYaml .Values.big }}", "9007199254740993", "9007199254740992"),
    ('{{ (fromYaml "a: 1000000").a }}', "1000000", "1e+06"),
    ('{{ (fromJson "{\\"a\\": 1000000}").a }}', "1000000", "1e+06"),
    ('{{ index (fromYamlArray "- 1000000") 0 }}', "1000000", "1e+06"),
]
SAME = [
    ("{{ .Values.half }}", "0.5"),
    ("{{ .Values.whole }}", "2"),
    ("{{ toYaml .Values.million }}", "1000000"),
    ("{{ toJson .Values.list }}", "[3,1000000]"),
    ("{{ .Values.million | int }}", "1000000"),
    ("{{ add .Values.million 1 }}", "1000001"),
    ("{{ mul 1000 1000 }}", "1000000"),
    ("{{ 1e6 }}", "1e+06"),
    ("{{ .Release.Revision }}", "1"),
    ("{{ range until (int .Values.one) }}{{ . }}{{ end }}", "0"),
]


@pytest.mark.parametrize(("template", "ours", "helms"), NUMBERS, ids=[one[0] for one in NUMBERS])
def test_integers(template: str, ours: str, helms: str) -> None:
    values = load_values(VALUES)
    assert render(template, values=values) == ours
    assert render(template, values=values, helm_numbers=True) == helms


@pytest.mark.parametrize(("template", "text"), SAME, ids=[one[0] for one in SAME])
def test_nothing_else_differs(template: str, text: str) -> None:
    values = load_values(VALUES)
    assert render(template, values=values) == text
    assert render(template, values=values, helm_numbers=True) == text


def test_comparing_with_an_integer_works_only_with_integers() -> None:
    values = load_values(VALUES)
    assert render("{{ eq .Values.one 1 }}", values=values) == "true"
    with pytest.raises(TemplateError, match="incompatible types for comparison: float64 and int"):
        render("{{ eq .Values.one 1 }}", values=values, helm_numbers=True)


HELM_3_NOT_4 = [
    ("a: null\nb: 1\n", "{{ toJson .Values }}", '{"a":null,"b":1}'),  # Helm 4: {"b":1}
    ("a: null\n", '{{ hasKey .Values "a" }}', "true"),  # Helm 4: false
]


@pytest.mark.parametrize(("values", "template", "text"), HELM_3_NOT_4)
def test_a_null_default_stays_as_in_helm_3(values: str, template: str, text: str) -> None:
    assert render(template, values=load_values(values), helm_numbers=True) == text


def test_an_unknown_field_of_the_chart_is_an_error_as_in_helm_3() -> None:
    with pytest.raises(TemplateError, match="can't evaluate field Nope"):
        render("{{ .Chart.Nope }}", values={})
