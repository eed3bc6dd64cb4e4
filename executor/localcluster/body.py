"""Bytes of a request to plain values: JSON, YAML or, for small objects, protobuf; keys given twice are noted.

Sources: apimachinery ``pkg/runtime/serializer/json``, ``sigs.k8s.io/yaml``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from executor.localcluster import protobuf
from executor.localcluster.status import ApiError, bad_request, unsupported_media_type
from executor.localcluster.types import Json

_JSON_TYPES = frozenset({"application/json", "application/octet-stream", ""})
_YAML_TYPE = "application/yaml"
_SUMMARY_BYTES = 30
_NO_OBJECT = (
    "couldn't get version/kind; json parse error: json: cannot unmarshal {} into Go value of type struct "
    '{{ APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }}'
)


@dataclass(frozen=True, slots=True)
class Repeated:
    """Sentences about keys given twice, one each."""

    sentences: Sequence[str] = ()
    in_yaml: bool = False

    @property
    def strict(self) -> Sequence[str]:
        """The same as strict errors: those of YAML come as one."""
        if not self.sentences or not self.in_yaml:
            return self.sentences
        return ["yaml: unmarshal errors:\n  " + "\n  ".join(self.sentences)]


NOT_REPEATED = Repeated()


@dataclass(frozen=True, slots=True)
class Body:
    """A decoded body."""

    value: Any
    repeated: Repeated = NOT_REPEATED


class _Duplicates:
    """Finds keys given twice in one JSON object."""

    def __init__(self) -> None:
        self.found = False

    def pairs(self, pairs: list[tuple[str, Any]]) -> Json:
        result = dict(pairs)
        self.found = self.found or len(result) != len(pairs)
        return result


def _duplicate_paths(value: Any, path: str) -> Iterator[str]:
    """Paths of duplicate keys in a document whose objects are lists of pairs (tuples mark pairs)."""
    if isinstance(value, tuple):
        seen: set[str] = set()
        for name, item in value:
            child = f"{path}.{name}" if path else name
            if name in seen:
                yield f'duplicate field "{child}"'
            seen.add(name)
            yield from _duplicate_paths(item, child)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _duplicate_paths(item, f"{path}[{index}]")


def parse_json(body: bytes) -> Body:
    """A JSON value; of keys given twice the last one counts. Raises ``ValueError``."""
    duplicates = _Duplicates()
    try:
        value = json.loads(body, object_pairs_hook=duplicates.pairs)
        if not duplicates.found:
            return Body(value)
        return Body(value, Repeated(list(_duplicate_paths(json.loads(body, object_pairs_hook=tuple), ""))))
    except RecursionError:
        raise ValueError("exceeded max depth") from None


class _Loader(yaml.SafeLoader):
    """YAML as the API reads it: times stay text, and ``y`` and ``n`` are truth values."""

    bool_values = {**yaml.SafeLoader.bool_values, "y": True, "n": False}  # noqa: RUF012, as in the base class


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:y|Y|n|N)$"), list("yYnN"))


def parse_yaml(body: bytes) -> Body:
    """A YAML value with text as keys; of keys given twice the last one counts. Raises ``ValueError``."""
    loader = _Loader(body)
    try:
        node = loader.get_single_node()
        if node is None:
            return Body(None)
        repeated = list(_repeated_keys(node))
        return Body(_with_text_keys(loader.construct_document(node)), Repeated(repeated, in_yaml=True))
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"yaml: {str(error).splitlines()[0] if str(error) else type(error).__name__}") from None
    finally:
        loader.dispose()


def _repeated_keys(node: yaml.Node) -> Iterator[str]:
    children = [node.value] if isinstance(node, yaml.MappingNode) else []
    for pairs in children:
        seen: set[str] = set()
        for key, value in pairs:
            if str(key.value) in seen:
                yield f'line {key.start_mark.line + 1}: key "{key.value}" already set in map'
            seen.add(str(key.value))
            yield from _repeated_keys(value)
    for item in node.value if isinstance(node, yaml.SequenceNode) else ():
        yield from _repeated_keys(item)


def _with_text_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {_key(key): _with_text_keys(item) for key, item in value.items()}
    return [_with_text_keys(item) for item in value] if isinstance(value, list) else value


def _key(key: Any) -> str:
    return json.dumps(key) if isinstance(key, (bool, int, float)) else str(key)


def read_body(body: bytes, content_type: str, kind: str = "") -> Body:
    """A body that is an object; ``kind`` is what it must be. Raises a 400 or 415."""
    if content_type == protobuf.CONTENT_TYPE:
        return Body(protobuf.decode(body))
    if content_type not in _JSON_TYPES and content_type != _YAML_TYPE:
        raise unsupported_media_type(("application/json", _YAML_TYPE, protobuf.CONTENT_TYPE))
    try:
        read = parse_yaml(body) if content_type == _YAML_TYPE else parse_json(body)
    except ValueError as error:
        what = str(error) if content_type == _YAML_TYPE else f"couldn't get version/kind; json parse error: {error}"
        raise _unrecognized(body, kind, what) from None
    if not isinstance(read.value, dict):
        names = {list: "array", str: "string", bool: "bool", int: "number", float: "number"}
        raise _unrecognized(body, kind, _NO_OBJECT.format(names.get(type(read.value), "null")))
    return read


def read_patch(body: bytes) -> Body:
    """The body of a patch. Raises a 400."""
    try:
        return parse_json(body)
    except ValueError as error:
        raise bad_request(f"error decoding patch: {error}") from None


def _unrecognized(body: bytes, kind: str, why: str) -> ApiError:
    """The 400 that shows the first bytes of what could not be read (apiserver ``handlers/rest.go``)."""
    if not kind:
        return bad_request(why)
    shown = body[:_SUMMARY_BYTES]
    text = shown.decode(errors="replace") if body.startswith(b"{") else shown.hex()
    more = " ..." if len(body) > _SUMMARY_BYTES else ""
    return bad_request(
        f"the object provided is unrecognized (must be of type {kind}): {why} ({text or '<empty>'}{more})"
    )
