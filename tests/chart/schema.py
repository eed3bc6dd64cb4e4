"""values.schema.json, as Helm applies it: to the given values laid over the chart's own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft7Validator

from executor.templating import load_values
from tests.chart.rendering import CHART

SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())


def refusals(given: Mapping[str, Any]) -> list[str]:
    """`path: what is wrong` for each fault; none for good values."""
    values = load_values((CHART / "values.yaml").read_text(), json.dumps(given))
    found = Draft7Validator(SCHEMA).iter_errors(json.loads(json.dumps(values)))
    return sorted(f"{'.'.join(map(str, one.absolute_path))}: {one.message}" for one in found)


def objects_that_take_any_key(schema: Mapping[str, Any] = SCHEMA, at: str = "") -> Iterator[str]:
    """Where the schema leaves keys open: JSON paths of its objects without `additionalProperties`."""
    closed = "additionalProperties" in schema or "required" in schema
    if schema.get("type") == "object" and not closed:
        yield at
    for word in ("properties", "$defs"):
        for name, inner in schema.get(word, {}).items():
            yield from objects_that_take_any_key(inner, f"{at}/{name}")
    if isinstance(items := schema.get("items"), dict):
        yield from objects_that_take_any_key(items, f"{at}[]")
