"""helm/README.md, made of values.yaml: `python -m tests.chart.readme` writes it, a test compares.

Its text is the `# --` comment above it; where a part of Airflow has none it is that of the part before it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from tests.chart.rendering import CHART

README = CHART / "README.md"
PARTS = ("workers", "apiServer", "scheduler", "dagProcessor", "triggerer", "migration")
_COMMENT = re.compile(r"^\s*# (?P<mark>-- )?(?P<text>.*)$")
_HEAD = """# The Helm chart

Airflow with every task in a Kubernetes pod of its own, from "I have a cluster" to "my DAGs run on it":

```
helm install airflow helm/ --namespace airflow --create-namespace --set image.repository=REGISTRY/airflow-pod-executor
```

The image is what the `Dockerfile` beside this folder makes. What is installed is for a trial: with a small PostgreSQL
of its own, and with task logs that go with their pods. For production see `externalDatabase`, `secrets`, `logs` and
`config.core.auth_manager`.

| To find | Look into |
|---|---|
| an object | `templates/<what it is>.yaml` |
| a component's Deployment | `templates/_component.tpl`; its own parts in `templates/<component>.yaml` |
| what each component may do | `templates/_rbac.tpl` |
| Airflow's options | `templates/_config.tpl` |
| what a worker is | `podTemplate` in `values.yaml` |

## Values

Generated from `values.yaml`. `values.schema.json` refuses all other keys, wrong types, and what contradicts itself.

| Value | Default | |
|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Documented:
    """A value: its path in values.yaml, its default, and what is said about it ("" if nothing)."""

    path: str
    default: Any
    text: str


def values() -> list[Documented]:
    """All values in the order of the file."""
    text = (CHART / "values.yaml").read_text()
    schema = json.loads((CHART / "values.schema.json").read_text())
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)
    found: dict[str, Documented] = {}
    for one in _walk(root, schema, schema, text.splitlines(), ""):
        found[one.path] = one if one.text else Documented(one.path, one.default, _of_another_part(one.path, found))
    return list(found.values())


def _walk(
    node: yaml.MappingNode, shape: Mapping[str, Any], schema: Mapping[str, Any], lines: list[str], above: str
) -> Iterator[Documented]:
    for key, value in node.value:
        path = f"{above}{key.value}"
        inner = _resolved(_resolved(shape, schema)["properties"][key.value], schema)
        if "properties" in inner and value.value:
            yield from _walk(value, inner, schema, lines, f"{path}.")
        else:
            yield Documented(path, _constructed(value), _comment(lines, key.start_mark))


def _resolved(shape: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = shape.get("$ref")
    return schema["$defs"][reference.rpartition("/")[2]] if reference else shape


def _constructed(node: yaml.Node) -> Any:
    return yaml.safe_load(yaml.serialize(node))


def _comment(lines: list[str], mark: yaml.Mark) -> str:
    """The `# --` comment right above a key that begins its line."""
    said: list[str] = []
    at = mark.line - 1
    begins = not lines[mark.line][: mark.column].strip()
    while begins and at >= 0 and (match := _COMMENT.match(lines[at])):
        said.insert(0, match["text"])
        if match["mark"]:
            return " ".join(said)
        at -= 1
    return ""


def _of_another_part(path: str, before: Mapping[str, Documented]) -> str:
    part, _, rest = path.partition(".")
    others = [before[f"{one}.{rest}"].text for one in PARTS if part in PARTS and f"{one}.{rest}" in before]
    return next(filter(None, others), "")


def readme() -> str:
    """The whole text."""
    rows = [f"| `{one.path}` | {_shown(one.default)} | {_cell(one.text)} |" for one in values()]
    return _HEAD + "\n".join(rows) + "\n"


def _shown(default: Any) -> str:
    if isinstance(default, str) and "\n" in default:
        return "see `values.yaml`"
    return f"`{json.dumps(default, ensure_ascii=False)}`" if default != "" else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    README.write_text(readme())
