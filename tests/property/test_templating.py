"""Whatever text comes as template, helper, pattern or values file: a text or a TemplateError, soon and not too much."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from executor.templating import TemplateError, load_values, render
from executor.templating.functions import FUNCTIONS
from executor.templating.limits import MAX_OUTPUT

SOON = 60.0  # seconds; the slowest bound on a busy machine, three times
_TEMPLATE_WORDS = """{{ }} {{- -}} {{/* */}} ( ) | . $ $x := = , if else end range with define block template break
continue nil true .Values .Values.a .Values.list .Values.m .Values.nope.x .Release.Name "s" `r` "k" "{{" "}}" 'c' 1 -1
1.5 0 100000 0x1f 1e9"""
_WORDS = st.sampled_from([*_TEMPLATE_WORDS.split(), "\n", *sorted(FUNCTIONS)])
_SIMPLE = """. $ nil true "a" "a-b" 1 -3 2.5 99999999 .Values .Values.list .Values.m .Values.text .Values.none .Chart
.Capabilities .Files now "(a+)+$" "[a-z" "2006-01-02" "1.2.3" """
_ATOMS = st.sampled_from(
    [
        *_SIMPLE.split(),
        *("(list 1 nil)", '(dict "a" 1)', '(semver "1.2.3")', "(until 3)", "(rest (list))", '(split "a" "banana")'),
        *('"%v %5d"', '"{{ .Values.text }}"', '"a: [1"'),
    ]
)
VALUES: dict[str, Any] = {"a": 1, "list": [1, "x", None], "m": {"k": "v"}, "text": "aaaaaaaa b", "none": None}
_FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def outcome(template: str, **more: Any) -> str:
    """The text, or the error's; anything else than a TemplateError fails the test."""
    started = time.monotonic()
    try:
        text = render(template, values=VALUES, **more)
    except TemplateError as error:
        text = str(error)
        assert min(error.line, error.column) >= 1, text  # noqa: PT017
    assert time.monotonic() - started < SOON
    assert len(text) <= MAX_OUTPUT + 1000
    text.encode()
    return text


@given(st.text())
@_FUZZ
def test_any_text(text: str) -> None:
    outcome(text)
    outcome("{{ " + text + " }}")


@given(st.lists(_WORDS, max_size=25))
@_FUZZ
def test_words_of_the_language_in_any_order(words: list[str]) -> None:
    outcome(" ".join(words))
    outcome("{{ " + " ".join(words) + " }}", helpers={"h": " ".join(words)})


@given(st.sampled_from(sorted(FUNCTIONS)), st.lists(_ATOMS, max_size=5))
@settings(_FUZZ, max_examples=600)
def test_any_function_with_any_arguments(name: str, arguments: list[str]) -> None:
    outcome("{{ " + " ".join([name, *arguments]) + " }}")
    outcome("{{ " + " ".join([name, *arguments]) + " | toYaml }}")


@given(st.text())
@_FUZZ
def test_any_values_file(text: str) -> None:
    try:
        values = load_values(text, "a: " + text)
    except TemplateError as error:
        assert error.file.startswith("values ")  # noqa: PT017
        return
    render("{{ toYaml .Values }}{{ toJson .Values }}{{ .Values }}", values=values)


@given(st.text(alphabet="ab01(){}[]*+?|.^$\\dwPpLzQE-,:&<>imsU \n"), st.text(alphabet="ab01 \n"))
@_FUZZ
def test_any_regular_expression(pattern: str, text: str) -> None:
    template = "{{ regexFind .p .t }}{{ regexReplaceAll .p .t `$1${2}` }}{{ regexSplit .p .t -1 }}"
    try:
        render("{{ tpl .Values.inner .Values }}", values={"inner": template, "p": pattern, "t": text})
    except TemplateError as error:
        assert "regex" in error.problem or "too" in error.problem  # noqa: PT017


GROWING = {
    "endless include": '{{ define "x" }}{{ include "x" . }}{{ end }}{{ include "x" . }}',
    "endless template": '{{ define "x" }}{{ template "x" . }}{{ end }}{{ template "x" . }}',
    "mutual include": '{{ define "x" }}{{ include "y" . }}{{ end }}{{ define "y" }}{{ include "x" . }}{{ end }}'
    '{{ include "x" . }}',
    "endless tpl": '{{ $_ := set . "t" "{{ tpl .t . }}" }}{{ tpl .t . }}',
    "doubling tpl": '{{ $_ := set . "t" "{{ tpl .t . }}{{ tpl .t . }}" }}{{ tpl .t . }}',
    "a map in itself, printed": '{{ $d := dict }}{{ $_ := set $d "a" $d }}{{ $d }}',
    "a map in itself, as YAML": '{{ $d := dict }}{{ $_ := set $d "a" $d }}{{ toYaml $d }}',
    "a map in itself, as JSON": '{{ $d := dict }}{{ $_ := set $d "a" $d }}{{ toJson $d }}',
    "a map in itself, copied": '{{ $d := dict }}{{ $_ := set $d "a" $d }}{{ deepCopy $d }}',
    "a map in itself, merged": '{{ $d := dict }}{{ $_ := set $d "a" $d }}{{ merge (dict "a" (dict)) $d }}',
    "a map in itself, compared": '{{ $d := dict }}{{ $_ := set $d "a" $d }}{{ has $d (list $d) }}',
    "a map in itself, formatted": '{{ $d := dict }}{{ $_ := set $d "a" $d }}{{ printf "%s" $d }}',
    "a list that doubles": "{{ $l := list 1 }}{{ range until 60 }}{{ $l = list $l $l }}{{ end }}{{ $l }}",
    "a list that doubles by concat": "{{ $l := list 1 }}{{ range until 60 }}{{ $l = concat $l $l }}{{ end }}",
    "a text that doubles": '{{ $s := "x" }}{{ range until 60 }}{{ $s = print $s $s }}{{ end }}',
    "a text that doubles by printf": '{{ $s := "x" }}{{ range until 60 }}{{ $s = printf "%s%s" $s $s }}{{ end }}',
    "a text that doubles by join": '{{ $s := "x" }}{{ range until 60 }}{{ $s = join $s (list $s $s) }}{{ end }}',
    "a text that doubles by cat": '{{ $s := "x" }}{{ range until 60 }}{{ $s = cat $s $s $s }}{{ end }}',
    "nested loops": "{{ range until 9999 }}{{ range until 9999 }}{{ range until 9999 }}{{ end }}{{ end }}{{ end }}",
    "a loop over a large number": "{{ range 999999999999 }}x{{ end }}",
    "a long list": "{{ until 999999999 }}",
    "a long step list": "{{ untilStep 0 999999999 1 }}",
    "a long seq": "{{ seq 999999999 }}",
    "a long repeat": '{{ repeat 999999999 "x" }}',
    "a wide printf": '{{ printf "%999999d" 1 | repeat 99 }}',
    "many wide printfs": '{{ printf (repeat 5000 "%[1]900000d") 1 }}',
    "a wide indent": '{{ indent 999999999 "x" }}',
    "many lines indented": '{{ repeat 99999 "\\n" | indent 9999 }}',
    "a long random text": "{{ randAlphaNum 999999999 }}",
    "a long replacement": '{{ repeat 9999 "a" | replace "a" (repeat 9999 "b") }}',
    "a long regular replacement": '{{ regexReplaceAll "a" (repeat 9999 "a") (repeat 9999 "b") }}',
    "an expensive regular expression": '{{ regexMatch "(a*)*(a*)*(a*)*b" (repeat 99999 "a") }}',
    "a large regular expression": '{{ regexFind "((a{1000}){1000}){1000}" "a" }}',
    "a deep regular expression": '{{ regexFind (repeat 5000 "(") "a" }}',
    "deep parentheses": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "deep blocks": "{{ if 1 }}" * 5000 + "{{ end }}" * 5000,
    "deep else": "{{ if 0 }}" + "{{ else if 0 }}" * 5000 + "{{ end }}",
    "deep YAML": '{{ fromYaml (repeat 5000 "[") }}{{ fail "done" }}',
    "deep JSON": '{{ fromJson (repeat 99999 "[") }}{{ fail "done" }}',
    "a YAML alias bomb": '{{ fromYaml (print "a: &a [x,x,x,x,x,x,x,x,x]\\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\\n" '
    '"c: &c [*b,*b,*b,*b,*b,*b]\\nd: &d [*c,*c,*c,*c,*c,*c,*c]\\ne: &e [*d,*d,*d,*d,*d,*d]\\nf: [*e,*e,*e]") }}'
    '{{ fail "done" }}',
    "a very long number": "{{ " + "9" * 100_000 + " }}",
    "a wide quote": "{{ range until 9 }}{{ $.Values.text | repeat 99999 | quote | quote | quote | quote }}{{ end }}",
    "wrapping with a long mark": '{{ wrapWith 1 (repeat 9999 "x") (repeat 9999 "ab ") }}',
    "abbreviating": '{{ abbrevboth 99999 9 (repeat 999999 "x") }}{{ fail "done" }}',
    "a long date layout": '{{ date (repeat 99999 "January 2006 ") 0 | repeat 99 }}',
    "much JSON": "{{ $d := dict }}{{ range until 9999 }}{{ $_ := set $d (toString .) (list 1 2 3) }}{{ end }}"
    "{{ range until 999 }}{{ toPrettyJson $d }}{{ end }}",
    "a duration of many units": '{{ durationRound (repeat 99999 "1h") }}{{ fail "done" }}',
    "many searches": "{{ $l := until 99999 }}{{ range until 99999 }}{{ $_ := has -1 $l }}{{ end }}",
    "many expensive patterns": '{{ range until 9999 }}{{ $_ := regexMatch "(a*)*b" (repeat 9999 "a") }}{{ end }}',
    "a semver of many parts": '{{ semverCompare (repeat 9999 "1.2.3 || ") "1.2.3" }}',
}


@pytest.mark.parametrize("template", GROWING.values(), ids=GROWING.keys())
def test_what_would_grow_without_end_is_stopped(template: str) -> None:
    started = time.monotonic()
    with pytest.raises(TemplateError):
        render(template, values=VALUES)
    assert time.monotonic() - started < SOON
