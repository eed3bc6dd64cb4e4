"""Values files: read as Helm reads YAML, merged as Helm merges them."""

from __future__ import annotations

from executor.templating.errors import Refusal, TemplateError
from executor.templating.values import Value
from executor.templating.yaml_reader import YamlFault, load_all

Map = dict[str, Value]


def load_values(*texts: str) -> Map:
    """Values out of YAML texts, later ones (and later documents of one text) over earlier ones.

    The first is a chart's own values.yaml, the others are given with `-f`: they are merged with one another, then
    laid over the first, where null removes a default. Integers are ints, other numbers floats. Raises TemplateError
    with the number of the text as its file.
    """
    maps = [_read(text, f"values {number}") for number, text in enumerate(texts, start=1)]
    given: Map = {}
    for one in maps[1:]:
        given = _merged(given, one)
    return _laid_over(given, maps[0]) if maps else {}


def _read(text: str, file: str) -> Map:
    try:
        documents = load_all(text if text.endswith("\n") else text + "\n", floats=False)
    except YamlFault as fault:
        raise TemplateError(file, fault.line, fault.column, _line(text, fault.line), fault.plain) from None
    except Refusal as refusal:
        raise TemplateError(file, 1, 1, "", refusal.problem, refusal.advice) from None
    values: Map = {}
    for one in documents:
        if one is not None and not isinstance(one, dict):
            raise TemplateError(file, 1, 1, _line(text, 1), "values must be a map", "Write `name: value` lines.")
        values = _merged(values, one or {})
    return values


def _line(text: str, number: int) -> str:
    lines = text.splitlines()
    return lines[number - 1].strip()[:200] if 0 < number <= len(lines) else ""


def _merged(below: Map, above: Map) -> Map:
    """Helm's merge of `-f` files: maps are merged, anything else replaced, null too."""
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        result[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


def _laid_over(given: Map, defaults: Map) -> Map:
    """Given values over a chart's defaults: null removes a default, a map is not replaced by what is none."""
    result = dict(defaults)
    for key, value in given.items():
        if key in defaults and value is None:
            del result[key]
        elif isinstance(value, dict) and isinstance(defaults.get(key), dict):
            result[key] = _laid_over(value, defaults[key])
        else:
            result[key] = value
    return result
