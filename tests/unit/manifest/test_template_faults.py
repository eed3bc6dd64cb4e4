"""What a template gives may be no pod: whole messages, with the place in the template, whatever language it is in."""

from __future__ import annotations

from pathlib import Path

import pytest

from executor.manifest import ManifestError, TemplateSource
from executor.manifest.template_inputs import TemplateInputs
from tests.unit.manifest.builders import TEMPLATE

GO = TEMPLATE.replace("worker:1", "{{ .Values.image }}")
RENDERED = "of the rendered text"

FAULTS = {
    "tab": (
        GO + "\tx: y\n",
        f"FILE:13:1: found character that cannot start any token, in line 13 {RENDERED}: x: y; correct the YAML there",
    ),
    "indent": (
        GO.replace("      env:", "     env:"),
        f"FILE:10:6: did not find expected '-' indicator, in line 10 {RENDERED}: env:; correct the YAML there",
    ),
    "no colon": (
        GO.replace("metadata:", "metadata"),
        f"FILE:4:7: could not find expected ':', in line 4 {RENDERED}: name: placeholder; correct the YAML there",
    ),
    "twice": (
        GO + "  containers: []\n",
        f"FILE:13:3: the key 'containers' is given twice (first in line 7), in line 13 {RENDERED}: containers: []; "
        "keep one of the two",
    ),
    "twice after an action of several lines": (
        GO.replace("{team: data}", "{{ toYaml .Values.labels | nindent 4 }}") + "  containers: []\n",
        f"FILE:13:3: the key 'containers' is given twice (first in line 10), in line 16 {RENDERED}: containers: []; "
        "keep one of the two",
    ),
    "in what an action wrote": (
        GO.replace("{team: data}", "\n    a: b\n    {{ .Values.wrong }}"),
        f"FILE:8:1: could not find expected ':', in line 8 {RENDERED}: spec:; correct the YAML there",
    ),
    "no base": (
        GO.replace("name: base", "name: main"),
        "spec.containers: the template has no container named base; found: main; "
        "name the container that runs the task base",
    ),
    "no pod": (GO.replace("kind: Pod", "kind: Deployment"), "kind is 'Deployment'; write kind: Pod"),
    "two": (GO + "---\n" + GO, "holds 2 YAML documents; write exactly one pod in it"),
    "nothing": ("{{ if false }}" + GO + "{{ end }}", "is empty; write exactly one pod in it"),
    "a number": (
        GO.replace("value: INFO", "value: {{ .Values.number }}"),
        'spec.containers[base].env[LOG].value is the number 7; Kubernetes wants text; quote it: "7"',
    ),
}
VALUES = "image: worker:1\nnumber: 7\nlabels: {a: b, c: d, e: f}\nwrong: no colon\n"


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_wrong_is_told_whole(tmp_path: Path, name: str) -> None:
    text, expected = FAULTS[name]
    file = tmp_path / "pod.yaml"
    file.write_text(text)
    (tmp_path / "values.yaml").write_text(VALUES)
    with pytest.raises(ManifestError) as caught:
        TemplateSource(TemplateInputs((f"{tmp_path}/values.yaml",))).load(file)
    assert str(caught.value) == f"podTemplate {file}: {expected.replace('FILE', str(file))}"
