"""Values files: merged as Helm does, read as Go reads YAML, with the place of a fault."""

from __future__ import annotations

from typing import Any

import pytest

from executor.templating import TemplateError, load_values

MERGES: list[tuple[tuple[str, ...], dict[str, Any]]] = [
    ((), {}),
    (("",), {}),
    (("a: 1", "b: 2"), {"a": 1, "b": 2}),
    (("a: {b: 1, c: 2}", "a: {c: 3, d: 4}"), {"a": {"b": 1, "c": 3, "d": 4}}),
    (("a: [1, 2]", "a: [3]"), {"a": [3]}),
    (("a: 1\nb: 2", "a: null"), {"b": 2}),
    (("a: {b: 1, c: 2}", "a: {b: null}"), {"a": {"c": 2}}),
    (("a: null",), {"a": None}),
    (("b: 1", "a: null"), {"a": None, "b": 1}),
    (("a: {b: 1}", "a: null", "a: {c: 2}"), {"a": {"b": 1, "c": 2}}),
    (("a: {b: 1}", "a: text"), {"a": "text"}),
    (("a: text", "a: {b: 1}"), {"a": {"b": 1}}),
    (("a: 1\n---\nb: 2",), {"a": 1, "b": 2}),
    (
        ("a: y\nb: 0o12\nc: 1e3\nd: 2020-01-01\ne: 1:30\nf: 010",),
        {"a": True, "b": 10, "c": 1000.0, "d": "2020-01-01", "e": "1:30", "f": 8},
    ),
    (("1: a\ntrue: b\n1.5: c",), {"1": "a", "true": "b", "1.5": "c"}),
]


@pytest.mark.parametrize(("texts", "values"), MERGES)
def test_merging(texts: tuple[str, ...], values: dict[str, Any]) -> None:
    assert load_values(*texts) == values


def test_numbers_keep_their_kind() -> None:
    values = load_values("whole: 1\nfraction: 1.0\n")
    assert isinstance(values["whole"], int)
    assert isinstance(values["fraction"], float)


def test_the_texts_given_are_not_changed_by_what_is_done_with_the_result() -> None:
    text = "a: &x {b: 1}\nc: *x\n"
    values = load_values(text)
    values["a"]["b"] = 2
    assert values["c"] == {"b": 1}


FAULTS = [
    ("a: 1\nb: [1\n", "values 1:3:1: yaml: did not find expected ',' or ']'"),
    (
        "a: b: c",
        "values 1:1:5: yaml: mapping values are not allowed in this context, in a: b: c",
    ),
    ("- a", "values 1:1:1: values must be a map, in - a. Write `name: value` lines."),
    ("a: *x", "values 1:1:1: yaml: unknown anchor 'x' referenced, in a: *x"),
    ("a: .inf", "values 1:1:1: error converting YAML to JSON: json: unsupported value: +Inf"),
]


@pytest.mark.parametrize(("text", "message"), FAULTS)
def test_faults(text: str, message: str) -> None:
    with pytest.raises(TemplateError) as raised:
        load_values(text)
    assert str(raised.value) == message


def test_the_second_text_is_named() -> None:
    with pytest.raises(TemplateError) as raised:
        load_values("a: 1", "a: [")
    assert raised.value.file == "values 2"
