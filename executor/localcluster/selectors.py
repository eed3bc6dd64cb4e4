"""Label and field selectors: text from a query string to a predicate over objects.

Grammar: Kubernetes page "Labels and Selectors" and "Field Selectors"; apimachinery ``pkg/labels/selector.go``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from executor.localcluster.status import bad_request
from executor.localcluster.types import ReadOnlyJson

Predicate = Callable[[ReadOnlyJson], bool]

_SET = re.compile(r"^(?P<key>[^\s,()=!]+)\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)$")
_EQUAL = re.compile(r"^(?P<key>[^\s,()=!]+)\s*(?P<op>==|=|!=)\s*(?P<value>[^\s,()=!]*)$")
_EXISTS = re.compile(r"^(?P<op>!?)\s*(?P<key>[^\s,()=!]+)$")
_ORDER = re.compile(r"^(?P<key>[^\s,()=!<>]+)\s*(?P<op>[<>])\s*(?P<value>-?\d+)$")

_METADATA_FIELDS = frozenset({"metadata.name", "metadata.namespace"})
_FIELDS: dict[str, frozenset[str]] = {
    "Pod": frozenset(
        {
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        }
    ),
    "Event": frozenset(
        {
            f"involvedObject.{f}"
            for f in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
        }
        | {"reason", "reportingComponent", "source", "type"}
    ),
    "Secret": frozenset({"type"}),
    "Namespace": frozenset({"status.phase"}),
    "Node": frozenset({"spec.unschedulable"}),
}

_SELECTABLE = {kind: _METADATA_FIELDS | fields for kind, fields in _FIELDS.items()}


def split_terms(text: str) -> list[str]:
    """Terms of a selector: split at commas that are outside parentheses."""
    terms, depth, start = [], 0, 0
    for index, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            terms.append(text[start:index])
            start = index + 1
    return [term.strip() for term in [*terms, text[start:]]]


def _set_term(match: re.Match[str]) -> Predicate:
    key, values = match["key"], frozenset(value.strip() for value in match["values"].split(","))
    if match["op"] == "in":
        return lambda labels: labels.get(key) in values
    return lambda labels: labels.get(key) not in values


def _equal_term(match: re.Match[str]) -> Predicate:
    key, value = match["key"], match["value"]
    if match["op"] == "!=":
        return lambda labels: labels.get(key) != value
    return lambda labels: labels.get(key) == value


def _exists_term(match: re.Match[str]) -> Predicate:
    key, wanted = match["key"], match["op"] == ""
    return lambda labels: (key in labels) is wanted


def _order_term(match: re.Match[str]) -> Predicate:
    key, bound, sign = match["key"], int(match["value"]), 1 if match["op"] == ">" else -1

    def holds(labels: ReadOnlyJson) -> bool:
        text = str(labels.get(key, ""))
        return text.lstrip("-").isdigit() and sign * (int(text) - bound) > 0

    return holds


_TERMS: Sequence[tuple[re.Pattern[str], Callable[[re.Match[str]], Predicate]]] = (
    (_SET, _set_term),
    (_ORDER, _order_term),
    (_EQUAL, _equal_term),
    (_EXISTS, _exists_term),
)


def _label_term(term: str, whole: str) -> Predicate:
    for pattern, build in _TERMS:
        if match := pattern.match(term):
            return build(match)
    raise bad_request(f"unable to parse requirement: {whole!r} is not a label selector (at {term!r})")


def parse_labels(text: str) -> Predicate | None:
    """A predicate over an object's labels; ``None`` selects everything. Raises a 400 ``ApiError``."""
    if not text.strip():
        return None
    terms = [_label_term(term, text) for term in split_terms(text)]
    return lambda labels: all(term(labels) for term in terms)


def matches_labels(selector: ReadOnlyJson, labels: ReadOnlyJson) -> bool:
    """Whether labels match a selector object (``matchLabels`` and ``matchExpressions``); an empty one matches all."""
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_matches_expression(one, labels) for one in selector.get("matchExpressions") or ())


def _matches_expression(expression: ReadOnlyJson, labels: ReadOnlyJson) -> bool:
    key, operator = expression.get("key", ""), expression.get("operator")
    if operator in ("Exists", "DoesNotExist"):
        return (key in labels) is (operator == "Exists")
    within = labels.get(key) in (expression.get("values") or ())
    return within if operator == "In" else not within


@dataclass(frozen=True, slots=True)
class View:
    """All that selectors ask of an object: its labels, and its selectable fields as text."""

    labels: dict[str, str]
    fields: dict[str, str]


def view_of(kind: str, obj: ReadOnlyJson) -> View:
    fields = {path: _field_value(obj, path) for path in _SELECTABLE.get(kind, _METADATA_FIELDS)}
    return View(obj["metadata"].get("labels") or {}, fields)


def _field_value(obj: ReadOnlyJson, path: str) -> str:
    """The text a field selector compares: absent is empty, booleans as in JSON."""
    value: Any = obj
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if value is None:
        return "false" if path in ("spec.hostNetwork", "spec.unschedulable") else ""
    if path == "source" and isinstance(value, dict):
        return str(value.get("component", ""))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _field_term(term: str, kind: str, whole: str) -> Predicate:
    match = _EQUAL.match(term)
    if match is None:
        raise bad_request(f'invalid selector: "{whole}"; can\'t understand "{term}"')
    key, value, equal = match["key"], match["value"], match["op"] != "!="
    if key not in _SELECTABLE.get(kind, _METADATA_FIELDS):
        raise bad_request(
            f'Unable to find "{kind}" that match label selector "", field selector "{whole}": '
            f'"{key}" is not a known field selector: only "metadata.name", "metadata.namespace"'
        )
    return lambda fields: (fields[key] == value) is equal


def parse_fields(text: str, kind: str) -> Predicate | None:
    """A predicate over the fields in the view of a ``kind``; ``None`` selects everything. Raises a 400 ``ApiError``."""
    if not text.strip():
        return None
    terms = [_field_term(term, kind, text) for term in split_terms(text)]
    return lambda fields: all(term(fields) for term in terms)


def selection(kind: str, labels: str, fields: str) -> Callable[[View], bool] | None:
    """Both selectors as one predicate over views; ``None`` when neither is set."""
    by_label, by_field = parse_labels(labels), parse_fields(fields, kind)
    if by_label is None and by_field is None:
        return None

    def selected(view: View) -> bool:
        if by_label is not None and not by_label(view.labels):
            return False
        return by_field is None or by_field(view.fields)

    return selected
