"""The kinds of field errors and the formats of names, with the sentences of apimachinery."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from executor.localcluster.status import FieldError

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_ENV_NAME = re.compile(r"[ -<>-~]+")

_LABEL_SENTENCE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_SUBDOMAIN_SENTENCE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_QUALIFIED_SENTENCE = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_LABEL_VALUE_SENTENCE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_CONFIG_KEY_SENTENCE = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or "
    "'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
_ENV_NAME_SENTENCE = "a valid environment variable name must consist only of printable ASCII characters other than '='"


def shown(value: Any) -> str:
    """A value as Go prints it in an error: text in quotes, other values as JSON."""
    return msgspec.json.encode(value).decode()


def required(path: str, detail: str = "") -> FieldError:
    return FieldError("FieldValueRequired", path, f"Required value: {detail}" if detail else "Required value")


def invalid(path: str, value: Any, detail: str) -> FieldError:
    return FieldError("FieldValueInvalid", path, f"Invalid value: {shown(value)}: {detail}")


def duplicate(path: str, value: Any) -> FieldError:
    return FieldError("FieldValueDuplicate", path, f"Duplicate value: {shown(value)}")


def not_found(path: str, value: Any) -> FieldError:
    return FieldError("FieldValueNotFound", path, f"Not found: {shown(value)}")


def forbidden(path: str, detail: str) -> FieldError:
    return FieldError("FieldValueForbidden", path, f"Forbidden: {detail}")


def unsupported(path: str, value: Any, supported: Iterable[str]) -> FieldError:
    values = ", ".join(shown(choice) for choice in supported)
    return FieldError("FieldValueNotSupported", path, f"Unsupported value: {shown(value)}: supported values: {values}")


def too_long(path: str, limit: int) -> FieldError:
    return FieldError("FieldValueTooLong", path, f"Too long: may not be more than {limit} bytes")


def one_of(path: str, value: Any, supported: Sequence[str]) -> list[FieldError]:
    """Refuse a value outside of ``supported``; absent values were defaulted or are optional."""
    return [] if value is None or value in supported else [unsupported(path, value, supported)]


def in_range(path: str, value: Any, low: int, high: int) -> list[FieldError]:
    """Refuse a number outside of ``low``..``high``; ``None`` is optional."""
    if value is None or low <= value <= high:
        return []
    return [invalid(path, value, f"must be between {low} and {high}, inclusive")]


def not_negative(path: str, value: Any) -> list[FieldError]:
    if value is None or value >= 0:
        return []
    return [invalid(path, value, "must be greater than or equal to 0")]


def dns_label(name: str) -> list[str]:
    """Sentences about a name that must be an RFC 1123 label."""
    return _format(name, _LABEL, 63, _LABEL_SENTENCE)


def dns_subdomain(name: str) -> list[str]:
    """Sentences about a name that must be an RFC 1123 subdomain."""
    return _format(name, _SUBDOMAIN, 253, _SUBDOMAIN_SENTENCE)


def path_segment(name: str) -> list[str]:
    """Sentences about a name that only has to fit into a path (RBAC objects)."""
    bad = [part for part in ("/", "%") if part in name]
    return [f"may not contain '{part}'" for part in bad] + (["may not be '.' or '..'"] if name in (".", "..") else [])


def label_value(value: str) -> list[str]:
    return _format(value, _LABEL_VALUE, 63, _LABEL_VALUE_SENTENCE)


def config_key(key: str) -> list[str]:
    return _format(key, _CONFIG_KEY, 253, _CONFIG_KEY_SENTENCE)


def env_name(name: str) -> list[str]:
    return [] if _ENV_NAME.fullmatch(name) else [_ENV_NAME_SENTENCE]


def qualified_name(key: str) -> list[str]:
    """Sentences about a label key, annotation key or the like: ``[prefix/]name``."""
    prefix, separator, name = key.rpartition("/")
    if "/" in prefix:
        example = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        return [f"a qualified name {_QUALIFIED_SENTENCE} {example}"]
    problems = []
    if separator:
        found = dns_subdomain(prefix) if prefix else ["must be non-empty"]
        problems += [f"prefix part {problem}" for problem in found]
    if not name:
        return [*problems, "name part must be non-empty"]
    return problems + [f"name part {problem}" for problem in _format(name, _QUALIFIED, 63, _QUALIFIED_SENTENCE)]


def _format(text: str, pattern: re.Pattern[str], limit: int, sentence: str) -> list[str]:
    problems = [] if len(text.encode()) <= limit else [f"must be no more than {limit} bytes"]
    return problems if pattern.fullmatch(text) else [*problems, sentence]


def each(path: str, value: Any, problems: Iterable[str]) -> list[FieldError]:
    """One error for each sentence about a value."""
    return [invalid(path, value, problem) for problem in problems]
