"""Template: parsed once, rendered often; helper files; what stands at the root; speed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from executor.templating import Missing, Template, load_values, render
from tests.unit.slowness import slowness
from tests.unit.templating.test_helm_output import chart_file

WARM_RENDER_MS = 10.0
PARSE_MS = 250.0
NINETY = 90


def test_a_template_renders_often_and_keeps_nothing() -> None:
    template = Template('{{ define "x" }}{{ .Values.a }}{{ end }}{{ include "x" . }}{{ $_ := set .Values "a" 9 }}')
    assert [template.render(values={"a": number}) for number in (1, 2, 1)] == ["1", "2", "1"]


def test_several_threads_may_render_at_once() -> None:
    template = Template("{{ range until 50 }}{{ $.Values.a }}{{ end }}")
    texts: dict[int, str] = {}
    threads = [
        threading.Thread(target=lambda at=at: texts.__setitem__(at, template.render(values={"a": at})))
        for at in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == {at: str(at) * 50 for at in range(8)}


def test_a_later_file_replaces_a_definition_but_not_by_an_empty_one() -> None:
    helpers = {"z.tpl": '{{ define "x" }}z{{ end }}{{ define "y" }}y{{ end }}', "a.tpl": '{{ define "x" }}a{{ end }}'}
    assert render('{{ include "x" . }}', values={}, helpers=helpers) == "a"
    assert render('{{ include "x" . }}', values={}, helpers={**helpers, "charts/sub/b.tpl": helpers["z.tpl"]}) == "a"
    empty = {**helpers, "a.tpl": '{{ define "y" }} {{ end }}'}
    assert render('{{ include "y" . }}', values={}, helpers=empty) == "y"


def test_the_templates_own_definition_wins() -> None:
    helpers = {"a.tpl": '{{ define "x" }}helper{{ end }}'}
    assert render('{{ define "x" }}own{{ end }}{{ include "x" . }}', values={}, helpers=helpers) == "own"


def test_defaults_of_helm_template() -> None:
    text = "{{ .Release.Name }} {{ .Release.Namespace }} {{ .Release.Service }} {{ .Release.Revision }}"
    assert render(text, values={}) == "release-name default Helm 1"
    assert render("{{ .Capabilities.KubeVersion }}", values={}) == "v1.36.0"


def test_own_release_chart_and_capabilities() -> None:
    text = (
        "{{ .Release.Name }} {{ .Release.Namespace }} {{ .Chart.Name }} {{ .Template.BasePath }} "
        '{{ .Capabilities.KubeVersion.Minor }} {{ .Capabilities.APIVersions.Has "a/v1" }}'
    )
    rendered = render(
        text,
        values={},
        release={"Name": "r"},
        chart={"Name": "c"},
        capabilities={"KubeVersion": {"Version": "v1.30.2"}, "APIVersions": ["a/v1"]},
    )
    assert rendered == "r default c c/templates 30 true"


def test_further_names_at_the_root() -> None:
    template = Template("{{ .Task.dag_id }}/{{ .Task.map_index }}")
    assert template.render(values={}, extra={"Task": {"dag_id": "d", "map_index": -1}}) == "d/-1"


def test_a_missing_leaf_prints_nothing_and_is_told() -> None:
    told: list[Missing] = []
    template = Template("a: {{ .Values.a }}\nb: {{ .Values.nope }}{{ .Values.null }}", name="pod.yaml")
    assert template.render(values={"a": 1, "null": None}, on_missing=told.append) == "a: 1\nb: "
    assert told == [
        Missing("pod.yaml", 2, 7, "{{ .Values.nope }}"),
        Missing("pod.yaml", 2, 25, "{{ .Values.null }}"),
    ]


def best_of(tries: int, work: Callable[[], object]) -> float:
    """The shortest time in ms: a busy machine makes things slower, never faster."""
    took: list[float] = []
    for _ in range(tries):
        started = time.perf_counter()
        work()
        took.append((time.perf_counter() - started) * 1000)
    return min(took)


def test_a_warm_render_of_a_whole_pod_template_is_quick() -> None:
    template = Template(chart_file("pod.yaml"), helpers={"_helpers.tpl": chart_file("_helpers.tpl")})
    values = load_values(chart_file("values.yaml"))
    assert best_of(5, lambda: template.render(values=values)) < WARM_RENDER_MS * slowness()


def test_a_file_of_ninety_helpers_is_parsed_quickly() -> None:
    numbers = iter(range(1000))
    helper = chart_file("_helpers.tpl")
    copies = NINETY // helper.count("{{- define") + 1

    def parse() -> None:
        run = next(numbers)  # another text each time: equal ones are parsed once
        text = "\n".join(helper.replace("demo.", f"demo{run}-{copy}.") for copy in range(copies))
        assert text.count("{{- define") >= NINETY
        Template("", helpers={"_helpers.tpl": text})

    assert best_of(4, parse) < PARSE_MS * slowness()


def test_lookup_finds_what_it_is_given() -> None:
    def cluster(*wanted: str) -> dict[str, object]:
        return {"data": {"replicas": 1_000_000}} if wanted == ("v1", "ConfigMap", "ns", "x") else {}

    template = Template('{{ ((lookup "v1" "ConfigMap" "ns" .Values.name).data).replicas }}')
    assert template.render(values={"name": "x"}, lookup=cluster, helm_numbers=True) == "1000000"
    assert template.render(values={"name": "y"}, lookup=cluster) == ""
    assert template.render(values={"name": "x"}) == ""


def test_there_are_no_files_to_range_over() -> None:
    text = (
        '{{ range $path, $_ := .Files.Glob "*" }}{{ $path }}{{ else }}none{{ end }}{{ if .Files.Glob "*" }}a{{ end }}'
    )
    assert render(text, values={}) == "none"
