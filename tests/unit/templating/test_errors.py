"""What is said about broken templates: whole messages, with the place, the text at fault and what to write instead."""

from __future__ import annotations

import pytest

from executor.templating import Template, TemplateError, render

HELPERS = {
    "_helpers.tpl": '{{- define "chart.name" -}}{{ .Values.chart.name }}{{- end -}}\n'
    '{{ define "chart.labels" }}\napp: {{ include "chart.name" . }}\n{{ end }}\n'
    '{{ define "loop" }}{{ include "loop" . }}{{ end }}'
}
VALUES = {"image": {"repository": "r", "tag": "t"}, "replicas": 2, "name": "n", "list": ["a"], "labels": {"a": "b"}}
MESSAGES = [
    (
        "a: {{ .Values.imag.tag }}",
        "pod.yaml:1:7: nil pointer evaluating interface {}.tag, in {{ .Values.imag.tag }}. .Values.imag "
        'is not set: Did you mean "image"? Where it may be missing, write (.Values.imag).tag.',
    ),
    (
        "a: {{ .Values.nope.deep.er }}",
        "pod.yaml:1:7: nil pointer evaluating interface {}.deep, in {{ .Values.nope.deep.er }}. .Values."
        "nope is not set: set it in the values. Where it may be missing, write (.Values.nope).deep.",
    ),
    (
        "{{ range .Values.list }}{{ .x }}{{ end }}",
        "pod.yaml:1:28: can't evaluate field x in type string, in {{ .x }}. Only maps have fields.",
    ),
    (
        "a: {{ toYml .Values.labels }}",
        'pod.yaml:1:7: function "toYml" not defined, in {{ toYml .Values.labels }}. Did you mean "toYaml"?',
    ),
    (
        'a: {{ include "chart.nam" . }}',
        'pod.yaml:1:7: error calling include: template "chart.nam" not defined, in {{ include "chart.nam'
        '" . }}. Did you mean "chart.name"?',
    ),
    (
        'a: {{ template "nothing" . }}',
        'pod.yaml:1:7: template "nothing" not defined, in {{ template "nothing" . }}. Is the helper file'
        " of this chart's version given?",
    ),
    (
        'a: 1\nb: {{ include "chart.labels" . }}',
        "_helpers.tpl:1:31: nil pointer evaluating interface {}.name, in {{ .Values.chart.name }} (calle"
        "d from _helpers.tpl:3:9, pod.yaml:2:7). .Values.chart is not set: set it in the values. Where i"
        "t may be missing, write (.Values.chart).name.",
    ),
    (
        '{{ required "set .Values.image.digest" .Values.image.digest }}',
        'pod.yaml:1:4: error calling required: set .Values.image.digest, in {{ required "set .Values.ima'
        'ge.digest" .Values.image.digest }}. Set this value in a values file.',
    ),
    (
        '{{ fail "do not" }}',
        'pod.yaml:1:4: error calling fail: do not, in {{ fail "do not" }}. The template\'s author asks fo'
        "r this to be changed.",
    ),
    (
        "a: {{ .Values.name",
        "pod.yaml:1:4: unclosed action, in {{ .Values.name. Close it with }}.",
    ),
    (
        "a: {{ .Values.name }",
        "pod.yaml:1:20: unexpected '}' in action, in {{ .Values.name }. Close the action with }}.",
    ),
    (
        "{{ if .Values.name }}\na",
        "pod.yaml:1:20: unexpected EOF, in {{ if .Values.name }}. The if of line 1 is not closed: add {{ end }}.",
    ),
    (
        "{{ end }}",
        "pod.yaml:1:4: unexpected {{end}}, in {{ end }}. There is no open block here: remove it.",
    ),
    (
        "{{ if }}x{{ end }}",
        "pod.yaml:1:7: missing value for if, in {{ if }}. Write what it is to look at.",
    ),
    (
        "{{ $nam := 1 }}{{ $name }}",
        'pod.yaml:1:19: undefined variable "$name", in {{ $name }}. Did you mean "$nam"?',
    ),
    (
        '{{ "a" "b" }}',
        'pod.yaml:1:4: can\'t give argument to non-function "a", in {{ "a" "b" }}. The first word of a co'
        "mmand must be a function to take arguments.",
    ),
    (
        "{{ .Values.name | quote | 1 }}",
        "pod.yaml:1:27: non executable command in pipeline: a constant or dot cannot take a piped value,"
        " in {{ .Values.name | quote | 1 }}. Behind a | stands a function.",
    ),
    (
        '{{ eq .Values.replicas "2" }}',
        "pod.yaml:1:4: error calling eq: incompatible types for comparison: int64 and string, in {{ eq ."
        'Values.replicas "2" }}. Convert one of them: `int`, `float64` or `toString`.',
    ),
    (
        '{{ indent .Values.name "x" }}',
        'pod.yaml:1:11: wrong type for value; expected int; got string, in {{ indent .Values.name "x" }}'
        ". Convert it with `int`.",
    ),
    (
        '{{ nindent "2" "x" }}',
        'pod.yaml:1:12: wrong type for value; expected int; got string, in {{ nindent "2" "x" }}. Conver'
        "t it with `int`.",
    ),
    (
        "{{ .Values.name | nindent }}",
        "pod.yaml:1:19: wrong number of args for nindent: want 2 got 1, in {{ .Values.name | nindent }}."
        " Write `nindent INT STRING`; a piped value is the last one.",
    ),
    (
        "{{ trunc 3 .Values.replicas }}",
        "pod.yaml:1:12: wrong type for value; expected string; got int64, in {{ trunc 3 .Values.replicas"
        " }}. Use `toString` or `quote`, or `default` for one that may be missing.",
    ),
    (
        "{{ .Values.name.first }}",
        "pod.yaml:1:4: can't evaluate field first in type string, in {{ .Values.name.first }}. Only maps have fields.",
    ),
    (
        "{{ index .Values.list 3 }}",
        "pod.yaml:1:4: index out of range: 3, in {{ index .Values.list 3 }}. There are 1; the first is 0.",
    ),
    (
        "{{ range .Values.name }}{{ end }}",
        "pod.yaml:1:10: range can't iterate over n, in {{ range .Values.name }}. Only lists, maps and in"
        "tegers can be ranged over; `until (int ...)` makes a list of a number.",
    ),
    (
        '{{ env "HOME" }}',
        'pod.yaml:1:4: function "env" not defined, in {{ env "HOME" }}. Helm has no env: put the value into .Values.',
    ),
    (
        '{{ "abc }}',
        'pod.yaml:1:4: unterminated quoted string, in {{ "abc }}. Close it with " on the same line.',
    ),
    (
        "{{ .Values.name := 1 }}",
        "pod.yaml:1:17: unexpected ':=' in operand, in {{ .Values.name := 1 }}. Only variables are decla"
        "red or set: $name := ...",
    ),
    (
        '{{ tpl "{{ .Values.x.y }}" . }}',
        "tpl '{{ .Values.x.y }}':1:4: nil pointer evaluating interface {}.y, in {{ .Values.x.y }} (calle"
        "d from pod.yaml:1:4). .Values.x is not set: set it in the values. Where it may be missing, writ"
        "e (.Values.x).y.",
    ),
    (
        '{{ include "loop" . }}',
        '_helpers.tpl:5:23: error calling include: "loop" is nested too deep in calls, blocks or values,'
        ' in {{ include "loop" . }} (called from _helpers.tpl:5:23, pod.yaml:1:4). Does a helper include'
        " itself?",
    ),
    (
        '{{ genCA "a" 1 }}',
        "pod.yaml:1:4: genCA is not available here: it makes a new secret at every rendering; make it on"
        'ce, keep it in a Kubernetes Secret and refer to that, in {{ genCA "a" 1 }}',
    ),
    (
        "{{ break }}",
        "pod.yaml:1:4: {{break}} outside {{range}}, in {{ break }}. Use it in a range.",
    ),
    (
        "{{ 1_ }}",
        "pod.yaml:1:4: illegal number syntax: '1_', in {{ 1_ }}",
    ),
    (
        '{{ "\\d" }}',
        'pod.yaml:1:4: unknown escape \\d in a string, in {{ "\\d" }}. Double the backslash, or use a `raw` string.',
    ),
    (
        "{{/* a }}",
        "pod.yaml:1:3: unclosed comment, in {{/* a }}. End it with */}}.",
    ),
    (
        '{{ regexFind "(" "a" }}',
        "pod.yaml:1:4: error calling regexFind: error parsing regexp: missing closing ) in `(`, in {{ re"
        'gexFind "(" "a" }}',
    ),
    (
        "{{ mul 2 }}{{ div 1 0 }}",
        "pod.yaml:1:15: runtime error: integer divide by zero, in {{ div 1 0 }}. Guard it with `if`.",
    ),
    (
        "{{ lt 1 1.5 }}",
        "pod.yaml:1:4: error calling lt: incompatible types for comparison: int and float64, in {{ lt 1 "
        "1.5 }}. Convert one of them: `int`, `float64` or `toString`.",
    ),
    (
        "{{ else }}",
        "pod.yaml:1:4: unexpected {{else}}, in {{ else }}. There is no open block here: remove it.",
    ),
    (
        '{{ repeat 9999999 "x" }}',
        "pod.yaml:1:4: error calling repeat: a text of 9999999 characters is longer than 4194304, in {{ "
        'repeat 9999999 "x" }}',
    ),
    (
        "{{ merge .Values.nope (dict) }}",
        "pod.yaml:1:10: wrong type for value; expected map[string]interface {}; got interface {}, in {{ "
        "merge .Values.nope (dict) }}. It must be a map; `default dict` helps where it may be missing.",
    ),
    (
        "{{ .Values.name-x }}",
        "pod.yaml:1:16: bad character '-', in {{ .Values.name-x }}. A name has letters, digits and _ onl"
        'y; for others write (index .Values "the-name").',
    ),
    (
        "{{ .Capabilities.Kube }}",
        "pod.yaml:1:4: can't evaluate field Kube in type *chartutil.Capabilities, in {{ .Capabilities.Ku"
        "be }}. It has: KubeVersion, APIVersions, HelmVersion",
    ),
    (
        "{{ range $i, $e := 3 }}{{ end }}",
        "pod.yaml:1:10: can't use 3 to iterate over more than one variable, in {{ range $i, $e := 3 }}",
    ),
    (
        '{{ dict "a" 1 | set "b" 2 }}',
        'pod.yaml:1:21: wrong type for value; expected map[string]interface {}; got string, in {{ dict "'
        'a" 1 | set "b" 2 }}. It must be a map; `default dict` helps where it may be missing.',
    ),
    (
        "{{ .Values.list.a }}",
        "pod.yaml:1:4: can't evaluate field a in type []interface {}, in {{ .Values.list.a }}. A list is"
        " indexed: (index LIST 0).",
    ),
    (
        '{{ define "x" }}{{ end }}{{ define "y" }}',
        'pod.yaml:1:40: unexpected EOF, in {{ define "y" }}. The define of line 1 is not closed: add {{ end }}.',
    ),
]


@pytest.mark.parametrize(("template", "message"), MESSAGES, ids=[one[0] for one in MESSAGES])
def test_messages(template: str, message: str) -> None:
    with pytest.raises(TemplateError) as raised:
        render(template, values=VALUES, helpers=HELPERS, name="pod.yaml")
    assert str(raised.value) == message


def test_parts_of_an_error() -> None:
    with pytest.raises(TemplateError) as raised:
        render('a: 1\nb: {{ include "chart.labels" . }}', values=VALUES, helpers=HELPERS, name="pod.yaml")
    error = raised.value
    assert (error.file, error.line, error.column) == ("_helpers.tpl", 1, 31)
    assert error.action == "{{ .Values.chart.name }}"
    assert error.problem == "nil pointer evaluating interface {}.name"
    assert error.called_from == ("_helpers.tpl:3:9", "pod.yaml:2:7")


def test_an_unknown_function_is_found_without_rendering() -> None:
    with pytest.raises(TemplateError, match='function "toYml" not defined'):
        Template("{{ if false }}{{ toYml . }}{{ end }}")


def test_an_unknown_helper_is_found_only_when_called() -> None:
    assert render('{{ if false }}{{ include "nope" . }}{{ end }}ok', values={}) == "ok"


@pytest.mark.parametrize("name", ["__class__", "_pieces", "hidden", "fields", "methods", "items", "keys", "format"])
def test_no_python_attribute_can_be_reached(name: str) -> None:
    for start in (".", ".Values", ".Release", "(dict)"):
        assert render(f"{{{{ ({start}).{name} }}}}", values={}) == ""
    for start in (
        "now",
        '(semver "1.2.3")',
        ".Chart",
        ".Capabilities",
        ".Values.s",
        "(list 1)",
        "1.5 | toString",
        ".Files",
    ):
        with pytest.raises(TemplateError):
            render(f"{{{{ ({start}).{name} }}}}", values={"s": "text"})


def test_values_that_are_no_plain_data_are_refused() -> None:
    with pytest.raises(TypeError, match=r"values\.a\[0\] is a object"):
        render("", values={"a": [object()]})


def test_the_values_given_are_not_changed() -> None:
    values = {"m": {"a": 1}}
    assert render('{{ $_ := set .Values.m "a" 2 }}{{ .Values.m.a }}', values=values) == "2"
    assert values == {"m": {"a": 1}}


def test_values_without_end_are_refused() -> None:
    values: dict[str, object] = {}
    values["self"] = values
    with pytest.raises(TemplateError, match="values: a value is nested deeper than 100 levels"):
        render("", values=values)
