"""Reads YAML as Kubernetes does: strictly, and without YAML 1.1's surprises.

Differences from PyYAML's safe loader: duplicate keys are an error (the API server could not tell), dates and `12:30`
stay text, keys are text, `0o17` is a number, `1.00065e+09` a whole one: so Helm prints large ones, and Kubernetes,
which makes JSON of YAML first (sigs.k8s.io/yaml), reads `1000650000`. Every error names line and column.
"""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from executor.manifest.errors import ManifestError

MAX_VALUES: Final = 100_000
WHOLE_IN_JSON: Final = 1e21  # from here on Go writes numbers with an exponent (encoding/json)

_INT = re.compile(r"^[-+]?(?:0b[01_]+|0o[0-7_]+|0[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)$")
_FLOAT = re.compile(
    r"^(?:[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[0-9][0-9_]*[eE][-+]?[0-9]+|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?)"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)
_KEPT_RESOLVERS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("bool", "null", "merge"))


class _StrictLoader(yaml.CSafeLoader):
    """PyYAML's C loader with the rules above."""

    # The names are PyYAML's.
    def mapping(self, node: yaml.MappingNode) -> dict[str, Any]:
        _refuse_duplicates(node)
        self.flatten_mapping(node)
        return {_key_text(key): self.construct_object(value, deep=True) for key, value in node.value}

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        super().flatten_mapping(node)
        if len(node.value) > MAX_VALUES:  # merge keys of merge keys grow like aliases of aliases
            raise yaml.MarkedYAMLError(None, None, "the merge keys (<<) add up to too much", node.start_mark)

    def sequence(self, node: yaml.SequenceNode) -> list[Any]:
        return [self.construct_object(item, deep=True) for item in node.value]

    def integer(self, node: yaml.ScalarNode) -> int:
        text = node.value.replace("_", "")
        return int(text, 0) if not re.match(r"[-+]?0[0-7]", text) else int(text, 8)

    def real(self, node: yaml.ScalarNode) -> float | int:
        value = float(self.construct_yaml_float(node))
        return int(value) if value.is_integer() and abs(value) < WHOLE_IN_JSON else value


_StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag in _KEPT_RESOLVERS]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
_StrictLoader.add_implicit_resolver("tag:yaml.org,2002:int", _INT, list("-+0123456789"))
_StrictLoader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))
_StrictLoader.add_constructor("tag:yaml.org,2002:map", _StrictLoader.mapping)
_StrictLoader.add_constructor("tag:yaml.org,2002:seq", _StrictLoader.sequence)
_StrictLoader.add_constructor("tag:yaml.org,2002:int", _StrictLoader.integer)
_StrictLoader.add_constructor("tag:yaml.org,2002:float", _StrictLoader.real)


class _DuplicateKeyError(yaml.MarkedYAMLError):
    pass


def _refuse_duplicates(node: yaml.MappingNode) -> None:
    seen: dict[str, yaml.Mark] = {}
    for key, _ in node.value:
        text = _key_text(key)
        if text in seen and key.tag != "tag:yaml.org,2002:merge":
            first = seen[text].line + 1
            raise _DuplicateKeyError(
                None, None, f"the key {text!r} is given twice (first in line {first})", key.start_mark
            )
        seen[text] = key.start_mark


def _key_text(key: yaml.Node) -> str:
    if not isinstance(key, yaml.ScalarNode):
        raise yaml.MarkedYAMLError(None, None, "a key is not plain text", key.start_mark)
    return str(key.value)


def parse_yaml(text: str, layer: str) -> Any:
    """Return the one document of `text`.

    Raises ManifestError(layer, "line L, column C", ...) for bad YAML, a duplicate key, several documents, no document.
    """
    try:
        documents = [document for document in yaml.load_all(text, Loader=_StrictLoader) if document is not None]
    except yaml.MarkedYAMLError as error:
        raise _marked(error, layer) from None
    except yaml.YAMLError as error:
        raise ManifestError(
            layer, "", f"is no YAML ({str(error).splitlines()[0]})", "write plain text in UTF-8"
        ) from None
    except RecursionError:
        raise ManifestError(layer, "", "is nested too deeply", "write a pod") from None
    if len(documents) != 1:
        problem = f"holds {len(documents)} YAML documents" if documents else "is empty"
        raise ManifestError(layer, "", problem, "write exactly one pod in it")
    _refuse_expansion(documents[0], layer)
    return documents[0]


def _refuse_expansion(document: Any, layer: str) -> None:
    """Aliases of aliases make a few lines into billions of values; every later walk would meet each of them."""
    left = MAX_VALUES
    waiting = [document]
    while waiting:
        value = waiting.pop()
        children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        waiting.extend(children)
        left -= len(children)
        if left < 0:
            raise ManifestError(layer, "", f"holds more than {MAX_VALUES} values", "write one pod, with fewer aliases")


def _marked(error: yaml.MarkedYAMLError, layer: str) -> ManifestError:
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}:" if mark else ""
    duplicate = isinstance(error, _DuplicateKeyError)
    advice = "keep one of the two" if duplicate else "correct the YAML there"
    problem = " ".join((error.problem or error.context or "bad YAML").split())
    return ManifestError(layer, where, problem, advice, (mark.line + 1, mark.column + 1) if mark else None)
