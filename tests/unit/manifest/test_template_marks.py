"""The second rendering, with marks, is the first one but for its marks: over the snippets that Helm has judged."""

from __future__ import annotations

import json
from typing import Any

from executor.manifest import ManifestError
from executor.manifest.template_go import GoTemplate
from executor.manifest.template_inputs import Inputs
from executor.manifest.template_jinja import JinjaTemplate
from executor.manifest.template_marks import Origin, mark, origin_of, without_marks
from executor.manifest.template_place import SourceText
from executor.manifest.template_task import EXAMPLE_TASK
from tests.unit.manifest.charts import CHARTS

SNIPPETS = json.loads((CHARTS.parent / "go_template.json").read_text())
CHANCE = ("rand", "uuid", "now", "shuffle", "htpasswd", "date", "ago")


def snippets() -> list[tuple[str, Inputs]]:
    """Template and inputs of each case whose text is the same each time."""
    return [(case["template"], inputs_of(case)) for case in SNIPPETS["cases"] if not by_chance(case["template"])]


def by_chance(text: str) -> bool:
    return any(word in text for word in CHANCE)


def inputs_of(case: dict[str, Any]) -> Inputs:
    values, helpers = SNIPPETS["values"][case["values"]], SNIPPETS["helpers"][case["helpers"]]
    return Inputs(values or {}, helpers or {}, {"Name": "r"}, None)


def test_marks_change_nothing_else() -> None:
    compared = 0
    for text, inputs in snippets():
        try:
            template = GoTemplate(SourceText("t", text), "t", inputs)
            plain = template.render(EXAMPLE_TASK)
        except ManifestError:
            continue
        assert without_marks(template.marked(EXAMPLE_TASK)) == plain, text
        compared += 1
    assert compared > 100


def test_where_a_line_came_from() -> None:
    marked = f"{mark(3)}a: 1\n  b: 2\n{mark(7)}c: {mark(7)}3\n"
    assert origin_of(marked, 1) == Origin(3, "a: 1")
    assert origin_of(marked, 2) == Origin(3, "  b: 2")
    assert origin_of(marked, 3) == Origin(7, "c: 3")
    assert origin_of(marked, 9) is None
    assert origin_of("no marks", 1) is None


JINJA = """\
{# one
two #}
a: {{ values.a }}
{% for x in values.list %}
- {{ x }}
{% endfor %}
end: {% if true %}1{% endif %}
"""


def test_marks_in_jinja2() -> None:
    inputs = Inputs({"a": "b\nc: d", "list": [1, 2]}, {}, {"Name": "r"}, None)
    template = JinjaTemplate(SourceText("t.j2", JINJA), "t", inputs)
    marked, plain = template.marked(EXAMPLE_TASK), template.render(EXAMPLE_TASK)

    assert without_marks(marked) == plain
    lines = plain.split("\n")
    origins = {text: origin_of(marked, number) for number, text in enumerate(lines, 1) if text}
    assert {text: origin.line for text, origin in origins.items() if origin} == {
        "a: b": 3, "c: d": 3, "- 1": 5, "- 2": 5, "end: 1": 7,
    }  # fmt: skip
