"""Texts in other forms: base64, hashes, JSON, YAML, TOML."""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from executor.templating import gojson, yaml_reader, yaml_writer
from executor.templating.errors import Refusal
from executor.templating.functions import toml
from executor.templating.functions.registry import Table
from executor.templating.values import Value, from_bytes, utf8

if TYPE_CHECKING:
    from executor.templating.run import Run

ENCODINGS = Table()

ENCODINGS.add("b64enc", "string", lambda text: base64.b64encode(utf8(text)).decode())
ENCODINGS.add("b32enc", "string", lambda text: base64.b32encode(utf8(text)).decode())
ENCODINGS.add("sha1sum", "string", lambda text: hashlib.sha1(utf8(text), usedforsecurity=False).hexdigest())
ENCODINGS.add("sha256sum", "string", lambda text: hashlib.sha256(utf8(text)).hexdigest())
ENCODINGS.add("sha512sum", "string", lambda text: hashlib.sha512(utf8(text)).hexdigest())
ENCODINGS.add("adler32sum", "string", lambda text: str(zlib.adler32(utf8(text))))


def _decoder(decode: Callable[[str], bytes], name: str) -> Callable[[str], str]:
    """Sprig gives the error's text as the result."""

    def decoded(text: str) -> str:
        clean = text.replace("\r", "").replace("\n", "")
        try:
            return from_bytes(decode(clean))
        except (binascii.Error, ValueError):
            return f"illegal {name} data at input byte {_bad_byte(clean, name)}"

    return decoded


def _bad_byte(text: str, name: str) -> int:
    alphabet = (
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
        if name == "base32"
        else "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    )
    for at, char in enumerate(text):
        if char not in alphabet:
            return at
    return len(text) // 4 * 4 if name == "base64" else len(text) // 8 * 8


ENCODINGS.add("b64dec", "string", _decoder(lambda text: base64.b64decode(text, validate=True), "base64"))
ENCODINGS.add("b32dec", "string", _decoder(base64.b32decode, "base32"))


# JSON


def _or_empty(make: Callable[[Value], str]) -> Callable[[Value], str]:
    """Helm's toJson and toYaml print nothing for what they cannot write."""

    def made(value: Value) -> str:
        try:
            return make(value)
        except Refusal as refusal:
            if "unsupported value" in refusal.problem or "cannot become" in refusal.problem:
                return ""
            raise

    return made


def _pretty(value: Value) -> str:
    return gojson.dumps(value, indent="  ")


ENCODINGS.add("toJson", "any", _or_empty(gojson.dumps))
ENCODINGS.add("mustToJson", "any", gojson.dumps)
ENCODINGS.add("toPrettyJson", "any", _or_empty(_pretty))
ENCODINGS.add("mustToPrettyJson", "any", _pretty)
ENCODINGS.add("toRawJson", "any", _or_empty(lambda value: gojson.dumps(value, html=False)))
ENCODINGS.add("mustToRawJson", "any", lambda value: gojson.dumps(value, html=False))


@ENCODINGS.function("fromJson", "string", wants_run=True)
def from_json(run: Run, text: str) -> dict[str, Value]:
    """A map; a fault's text under `Error`."""
    try:
        value = gojson.loads(text, floats=run.floats)
    except Refusal as refusal:
        return {"Error": refusal.problem}
    if value is None:
        return {}
    return value if isinstance(value, dict) else {"Error": _not_a(value, "map[string]interface {}")}


@ENCODINGS.function("fromJsonArray", "string", wants_run=True)
def from_json_array(run: Run, text: str) -> list[Value]:
    try:
        value = gojson.loads(text, floats=run.floats)
    except Refusal as refusal:
        return [refusal.problem]
    if value is None:
        return []
    return value if isinstance(value, list) else [_not_a(value, "[]interface {}")]


def _not_a(value: Value, wanted: str) -> str:
    kinds: dict[type, str] = {dict: "object", list: "array", str: "string", bool: "bool"}
    return f"json: cannot unmarshal {kinds.get(type(value), 'number')} into Go value of type {wanted}"


@ENCODINGS.function("mustFromJson", "string", wants_run=True)
def must_from_json(run: Run, text: str) -> Value:
    return gojson.loads(text, floats=run.floats)


# YAML


def to_yaml(value: Value) -> str:
    return yaml_writer.dump(value).removesuffix("\n")


ENCODINGS.add("toYaml", "any", _or_empty(to_yaml))
ENCODINGS.add("mustToYaml", "any", to_yaml)
ENCODINGS.add(
    "toYamlPretty", "any", _or_empty(lambda value: yaml_writer.dump(value, yaml_writer.PRETTY).removesuffix("\n"))
)


@ENCODINGS.function("fromYaml", "string", wants_run=True)
def from_yaml(run: Run, text: str) -> dict[str, Value]:
    """A map; a fault's text under `Error`."""
    try:
        value = yaml_reader.load(text, floats=run.floats)
    except Refusal as refusal:
        return {"Error": refusal.problem}
    if value is None:
        return {}
    wanted = "map[string]interface {}"
    return (
        value
        if isinstance(value, dict)
        else {"Error": "error unmarshaling JSON: while decoding JSON: " + _not_a(value, wanted)}
    )


@ENCODINGS.function("fromYamlArray", "string", wants_run=True)
def from_yaml_array(run: Run, text: str) -> list[Value]:
    try:
        value = yaml_reader.load(text, floats=run.floats)
    except Refusal as refusal:
        return [refusal.problem]
    if value is None:
        return []
    prefix = "error unmarshaling JSON: while decoding JSON: "
    return value if isinstance(value, list) else [prefix + _not_a(value, "[]interface {}")]


# TOML

ENCODINGS.add("toToml", "any", lambda value: _toml_or_fault(value))
ENCODINGS.add("mustToToml", "any", toml.dumps)
ENCODINGS.add("fromToml", "string", toml.loads)


def _toml_or_fault(value: Value) -> str:
    """Helm gives a fault's text as the result; nil has no type to begin with."""
    try:
        return toml.dumps(value)
    except Refusal as refusal:
        if value is None:
            raise
        return refusal.problem
