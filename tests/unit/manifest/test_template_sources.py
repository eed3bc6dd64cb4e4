"""Which language a template is in, what it is rendered with, and when it is read and rendered again."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from executor.manifest import BuiltPod, ManifestError, ManifestSettings, PodBuilder, TemplateSource
from executor.manifest.template_inputs import LOOK_AGAIN, TemplateInputs
from executor.manifest.template_language import Language, language_of
from executor.manifest.template_place import Place
from tests.unit.manifest.builders import IDENTITY, TEMPLATE, container, request

GO = TEMPLATE.replace("worker:1", "{{ .Values.image }}")
JINJA = TEMPLATE.replace("worker:1", "{{ values.image }}-{{ task.dag_id }}")


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Files:
    """A folder with a template, a values file and a helper file, and a builder that uses them."""

    def __init__(self, folder: Path, template: str = GO, *, name: str = "pod.yaml", keep_last: bool = False) -> None:
        self.template = folder / name
        self.values = folder / "values.yaml"
        self.helpers = folder / "templates" / "_helpers.tpl"
        self.helpers.parent.mkdir()
        self.template.write_text(template)
        self.values.write_text("image: worker:1\n")
        self.helpers.write_text('{{ define "image" }}helped:1{{ end }}')
        self.clock = Clock()
        inputs = TemplateInputs((str(self.values),), (str(self.helpers.parent),))
        self.source = TemplateSource(inputs, keep_last=keep_last, clock=self.clock)
        self.builder = PodBuilder(ManifestSettings(default_template=self.template), self.source)

    def build(self, **values: Any) -> BuiltPod:
        return self.builder.build(request(**values))

    def image(self, **values: Any) -> str:
        return str(container(self.build(**values).manifest)["image"])

    def later(self) -> None:
        self.clock.now += LOOK_AGAIN


LANGUAGES = [
    ("pod.yaml", TEMPLATE, Language.PLAIN),
    ("pod.yaml", "# {{ nothing }}\n" + TEMPLATE, Language.PLAIN),
    ("pod.yaml", TEMPLATE.replace("labels: {team: data}", "annotations: {a: '{{ with x }}'}"), Language.PLAIN),
    ("pod.yaml", TEMPLATE.replace("labels: {team: data}", "labels: {a: '{{ .Release.Name }}'}"), Language.GO),
    ("pod.yaml", TEMPLATE.replace("labels: {team: data}", "labels: {{ toYaml .Values.labels }}"), Language.GO),
    ("pod.yaml", GO, Language.GO),
    ("pod.yaml", "{{- if true }}\n" + TEMPLATE + "{{- end }}", Language.GO),
    ("pod.tpl", TEMPLATE, Language.GO),
    ("pod.gotmpl", TEMPLATE, Language.GO),
    ("pod.yaml.j2", TEMPLATE, Language.JINJA),
    ("values.yaml#podTemplate", TEMPLATE, Language.GO),
    ("pod.yaml", "spec: [", Language.PLAIN),
]


@pytest.mark.parametrize(("name", "text", "language"), LANGUAGES)
def test_the_language_follows_from_the_name_or_the_text(name: str, text: str, language: Language) -> None:
    assert language_of(Place.of(name), text) is language


PLACES = [
    ("/a/pod.yaml", ("/a/pod.yaml", ())),
    ("/a/v.yaml#x", ("/a/v.yaml", ("x",))),
    (r"/a/v.yaml#x.y\.z", ("/a/v.yaml", ("x", "y.z"))),
    ("/a#b/pod.yaml", ("/a#b/pod.yaml", ())),
    ("/a/pod.yaml#", ("/a/pod.yaml#", ())),
]


@pytest.mark.parametrize(("text", "expected"), PLACES)
def test_places(text: str, expected: Any) -> None:
    place = Place.of(text)
    assert (str(place.path), place.keys) == expected
    assert str(place) == text


def test_go_template_with_values_helpers_and_release(tmp_path: Path) -> None:
    text = GO.replace("{{ .Values.image }}", '{{ include "image" . }}-{{ .Values.image }}-{{ .Release.Name }}')
    assert Files(tmp_path, text).image() == "helped:1-worker:1-airflow"


def test_the_chart_is_the_one_whose_templates_are_given(tmp_path: Path) -> None:
    files = Files(tmp_path, TEMPLATE.replace("worker:1", "{{ .Chart.Name }}:{{ .Chart.AppVersion }}"))
    (tmp_path / "Chart.yaml").write_text("name: ours\nappVersion: 3.3.2\n")
    assert files.image() == "ours:3.3.2"


def test_later_values_win_and_null_takes_away(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("x: {one: 1, two: 2, gone: 3}\nlist: [1, 2]\n")
    (tmp_path / "b.yaml").write_text("deep:\n  chart:\n    x: {two: two, gone: null}\n    list: [3]\n")
    (tmp_path / "pod.yaml").write_text(TEMPLATE.replace("{team: data}", "{v: {{ .Values | toJson | quote }}}"))
    inputs = TemplateInputs((f"{tmp_path}/a.yaml", f"{tmp_path}/b.yaml#deep.chart"), over={"x": {"one": True}})
    pod = TemplateSource(inputs).load(tmp_path / "pod.yaml").pod
    assert pod["metadata"]["labels"]["v"] == '{"list":[3],"x":{"one":true,"two":"two"}}'


BY_TASK = TEMPLATE.replace("worker:1", "{{ .Task.dag_id }}-{{ .Task.task_id }}:{{ .Task.map_index }}-{{ .Task.queue }}")


@pytest.mark.parametrize(
    ("name", "text"),
    [("pod.yaml", BY_TASK), ("pod.yaml.j2", BY_TASK.replace(".Task", "task"))],
    ids=["go", "jinja"],
)
def test_a_template_that_uses_the_task_is_rendered_for_each(tmp_path: Path, name: str, text: str) -> None:
    files = Files(tmp_path, text, name=name)
    mapped = replace(IDENTITY, dag_id="other", map_index=3)
    assert files.image(queue="big") == "sales-load:-1-big"
    assert files.image(identity=mapped, queue="gpu") == "other-load:3-gpu"
    assert files.image() == "sales-load:-1-"


def test_the_task_is_found_in_helpers_and_in_values_too(tmp_path: Path) -> None:
    files = Files(tmp_path, GO.replace("{{ .Values.image }}", "{{ tpl .Values.image . }}"))
    files.values.write_text("image: '{{ .Task.dag_id }}:1'\n")
    assert files.image() == "sales:1"
    assert files.image(identity=replace(IDENTITY, dag_id="other")) == "other:1"


def test_a_template_without_the_task_is_rendered_once(tmp_path: Path) -> None:
    files = Files(tmp_path, GO.replace("{{ .Values.image }}", "x:{{ randAlphaNum 20 }}"))
    images = {files.image(identity=replace(IDENTITY, dag_id=f"dag{n}")) for n in range(5)}
    assert len(images) == 1


def test_jinja2_has_the_filters_and_reaches_nothing_else(tmp_path: Path) -> None:
    labels = "{{ {'b': 1, 'a': values.items} | toYaml | nindent(4) }}"
    files = Files(tmp_path, JINJA.replace("{team: data}", labels), name="pod.yaml.j2")
    files.values.write_text("image: worker:1\nitems: 'yes'\n")
    with pytest.raises(ManifestError, match=r"metadata.labels.b is"):
        files.build()
    files.template.write_text(files.template.read_text().replace("'b': 1", "'b': '1'"))
    built = files.build().manifest
    assert (built["metadata"]["labels"]["a"], built["metadata"]["labels"]["b"]) == ("yes", "1")
    assert container(built)["image"] == "worker:1-sales"


HOSTILE = [
    "{{ values.__class__.__mro__ }}",
    "{{ ''.__class__ }}",
    "{{ task.update({'x': 1}) }}",
    "{{ 'a' * 100000000 }}",
    "{% for x in range(10000000) %}x{% endfor %}",
    "{% include '/etc/passwd' %}",
    "{{ 9 ** 99 }}",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_jinja2_is_in_a_sandbox(tmp_path: Path, text: str) -> None:
    files = Files(tmp_path, TEMPLATE.replace("worker:1", text), name="pod.yaml.j2")
    with pytest.raises(ManifestError, match=r"pod.yaml.j2:9:14: "):
        files.build()


JINJA_FAULTS = [
    ("{{ values.imag }}", r"pod.yaml.j2:9:14: 'dict object' has no attribute 'imag', in image: {{ values.imag }}"),
    ("{{ taks.dag_id }}", r"pod.yaml.j2:9:14: 'taks' is undefined"),
    ("{{ values.image | toYam }}", r"pod.yaml.j2:9:14: No filter named 'toYam'"),
    ("{% if x %}", r"pod.yaml.j2:\d+:\d+: Unexpected end of template"),
]


@pytest.mark.parametrize(("text", "message"), JINJA_FAULTS)
def test_faults_of_jinja2_templates_have_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    files = Files(tmp_path, TEMPLATE.replace("worker:1", text), name="pod.yaml.j2")
    with pytest.raises(ManifestError, match=message):
        files.build()


@pytest.mark.parametrize(
    ("name", "open_", "close"), [("pod.yaml", "{{- if true }}", "{{- end }}"), ("pod.j2", "{% if 1 %}", "{% endif %}")]
)
def test_bad_yaml_in_what_was_rendered_is_told_by_the_templates_line(
    tmp_path: Path, name: str, open_: str, close: str
) -> None:
    lines = ["{{/* a comment", "of two lines */}}"] if name == "pod.yaml" else ["{# a comment", "of two lines #}"]
    image = "      image: worker:1"
    body = TEMPLATE.replace(image, f"      {open_}\n{image}\n     {close}\n       x: : y")
    text = "\n".join([*lines, body])
    files = Files(tmp_path, text, name=name)
    line = text.splitlines().index("       x: : y") + 1
    with pytest.raises(ManifestError, match=rf"{name}:{line}:\d+: .*, in line \d+ of the rendered text: x: : y; "):
        files.build()


# Reading again


def test_values_and_helpers_are_looked_at_again_twice_a_second(tmp_path: Path) -> None:
    files = Files(tmp_path, GO.replace("{{ .Values.image }}", '{{ include "image" . }}-{{ .Values.image }}'))
    assert files.image() == "helped:1-worker:1"

    files.values.write_text("image: worker:22\n")
    assert files.image() == "helped:1-worker:1"
    files.later()
    assert files.image() == "helped:1-worker:22"

    files.helpers.write_text('{{ define "image" }}helped:22{{ end }}')
    (files.helpers.parent / "new.tpl").write_text('{{ define "other" }}{{ end }}')
    files.later()
    assert files.image() == "helped:22-worker:22"


def test_a_changed_template_is_seen_at_once_and_with_its_values(tmp_path: Path) -> None:
    files = Files(tmp_path)
    assert files.image() == "worker:1"
    files.values.write_text("other: worker:2\n")
    files.template.write_text(GO.replace(".Values.image", ".Values.other"))
    assert files.image() == "worker:2"


def test_what_did_not_change_in_content_is_not_rendered_again(tmp_path: Path) -> None:
    files = Files(tmp_path, GO.replace("{{ .Values.image }}", "x:{{ randAlphaNum 20 }}"))
    first = files.image()
    os.utime(files.values)
    files.values.write_text(files.values.read_text())
    files.later()
    assert files.image() == first
    files.values.write_text("image: worker:3\n")
    files.later()
    assert files.image() != first


GOOD_AGAIN = [
    ("template", GO + "{{ if }}", GO),
    ("template", GO.replace("{{ .Values.image }}", "{{ .Values.a.b }}"), GO),
    ("template", GO.replace("    - name: base", "   - name: base"), GO),
    ("values", "image: [", "image: worker:1\n"),
    ("helpers", '{{ define "image" }}', '{{ define "image" }}helped:1{{ end }}'),
]


@pytest.mark.parametrize(("which", "bad", "good"), GOOD_AGAIN)
def test_a_bad_version_fails_until_it_is_mended(tmp_path: Path, which: str, bad: str, good: str) -> None:
    files = Files(tmp_path)
    path: Path = getattr(files, which)
    assert files.image() == "worker:1"
    path.write_text(bad)
    files.later()
    for _ in range(2):
        with pytest.raises(ManifestError, match=rf"{path}:\d+:\d+: "):
            files.build()
    path.write_text(good)
    files.later()
    assert files.image() == "worker:1"


@pytest.mark.parametrize(("which", "bad", "good"), GOOD_AGAIN)
def test_keep_last_goes_on_with_the_good_version_and_says_so_once(
    tmp_path: Path, which: str, bad: str, good: str
) -> None:
    files = Files(tmp_path, keep_last=True)
    path: Path = getattr(files, which)
    assert files.build().warnings == ()
    path.write_text(bad)
    files.later()
    (warning,) = files.build().warnings
    assert f"{path}:" in warning
    assert "(the last good version is used until then)" in warning
    files.later()
    assert files.build().warnings == ()
    assert files.image() == "worker:1"

    path.write_text(good.replace("worker:1", "worker:2"))
    files.later()
    assert files.build().warnings == ()


def test_keep_last_has_nothing_to_keep_at_first(tmp_path: Path) -> None:
    files = Files(tmp_path, GO + "{{ if }}", keep_last=True)
    with pytest.raises(ManifestError, match="missing value for if"):
        files.build()


def test_keep_last_does_not_hide_what_is_wrong_for_one_task_only(tmp_path: Path) -> None:
    text = GO.replace("{{ .Values.image }}", '{{ if eq .Task.dag_id "bad" }}{{ fail "not you" }}{{ end }}worker:1')
    files = Files(tmp_path, text, keep_last=True)
    assert files.image() == "worker:1"
    with pytest.raises(ManifestError, match="not you"):
        files.build(identity=replace(IDENTITY, dag_id="bad"))


def test_a_template_that_is_gone_is_told_and_kept_with_keep_last(tmp_path: Path) -> None:
    files = Files(tmp_path, keep_last=True)
    files.build()
    files.template.unlink()
    (warning,) = files.build().warnings
    assert "cannot be read (No such file or directory)" in warning


def test_a_plain_template_needs_no_values(tmp_path: Path) -> None:
    files = Files(tmp_path, TEMPLATE)
    files.values.unlink()
    assert files.image() == "worker:1"


def test_missing_values_and_helpers_are_named(tmp_path: Path) -> None:
    files = Files(tmp_path)
    files.values.unlink()
    with pytest.raises(ManifestError, match=rf"pod_template_values {files.values}: cannot be read \(No such file"):
        files.build()
    files.values.write_text("- a list\n")
    files.later()
    with pytest.raises(ManifestError, match="values must be a map"):
        files.build()


# As the kubelet does it


class ConfigMapMount:
    """A folder as the kubelet mounts a ConfigMap: files lead through `..data`, which is swapped in one step."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._version = 0
        folder.mkdir()

    def write(self, files: dict[str, str]) -> None:
        self._version += 1
        old = os.readlink(self.folder / "..data") if self._version > 1 else None
        data = self.folder / f"..version_{self._version}"
        data.mkdir()
        for name, text in files.items():
            (data / name).write_text(text)
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(f"..data/{name}")
        (self.folder / "..new").symlink_to(data.name)
        os.rename(self.folder / "..new", self.folder / "..data")
        if old:
            for name in files:
                (self.folder / old / name).unlink()
            (self.folder / old).rmdir()


def test_a_config_map_is_swapped_under_load(tmp_path: Path) -> None:
    """Template and values of one ConfigMap change together, again and again: no launch fails or mixes two versions."""
    mount = ConfigMapMount(tmp_path / "config")
    versions = 60

    def files(version: int) -> dict[str, str]:
        image = f"{{{{ .Values.v{version} }}}}-{version}"
        return {"pod.yaml": TEMPLATE.replace("worker:1", image), "values.yaml": f"v{version}: worker:{version}\n"}

    mount.write(files(0))
    source = TemplateSource(TemplateInputs((str(mount.folder / "values.yaml"),)))
    builder = PodBuilder(ManifestSettings(default_template=mount.folder / "pod.yaml"), source)
    done = threading.Event()
    written = [0]
    seen: list[str] = [container(builder.build(request()).manifest)["image"]]

    def swap() -> None:
        """Until some have been seen, too: on a busy machine this thread may be alone for long."""
        while len(written) < versions or (len(set(seen)) <= 2 and len(written) < 100 * versions):
            written.append(len(written))
            mount.write(files(written[-1]))
        done.set()

    swapper = threading.Thread(target=swap)
    swapper.start()
    while not done.is_set():
        seen.append(container(builder.build(request()).manifest)["image"])
    swapper.join()
    seen.append(container(builder.build(request()).manifest)["image"])

    assert set(seen) <= {f"worker:{version}-{version}" for version in written}
    assert seen[-1] == f"worker:{written[-1]}-{written[-1]}"
    assert len(set(seen)) > 2
