"""Label selectors as the API reads them (Labels and Selectors, Kubernetes docs): =, ==, !=, in, notin, key, !key."""

from __future__ import annotations

import re
from collections.abc import Mapping

_SET = re.compile(r"^(\S+)\s+(in|notin)\s*\((.*)\)$")
_COMMA = re.compile(r",(?![^()]*\))")


def matches(selector: str, labels: Mapping[str, str]) -> bool:
    """Whether every requirement holds; an empty selector matches everything."""
    return all(_holds(part.strip(), labels) for part in _COMMA.split(selector) if part.strip())


def _holds(requirement: str, labels: Mapping[str, str]) -> bool:
    in_set = _SET.match(requirement)
    if in_set:
        key, operator, values = in_set.groups()
        member = labels.get(key) in {value.strip() for value in values.split(",")}
        return member if operator == "in" else not member
    if "!=" in requirement:
        key, _, value = requirement.partition("!=")
        return labels.get(key.strip()) != value.strip()
    if "=" in requirement:
        key, _, value = requirement.replace("==", "=").partition("=")
        return labels.get(key.strip()) == value.strip()
    if requirement.startswith("!"):
        return requirement[1:] not in labels
    return requirement in labels
