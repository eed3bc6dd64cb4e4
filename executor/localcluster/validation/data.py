"""Rules of objects that hold data: Secret and ConfigMap."""

from __future__ import annotations

from typing import Any

from executor.localcluster.status import FieldError
from executor.localcluster.types import Json
from executor.localcluster.validation import fields
from executor.localcluster.validation.metadata import validate_metadata

DATA_LIMIT = 1024 * 1024
_IMMUTABLE = "field is immutable when `immutable` is set"


def _decoded_size(text: str) -> int:
    """Bytes that a base64 text stands for."""
    return len(text) * 3 // 4 - text[-2:].count("=")


def _keys(path: str, values: dict[str, Any]) -> list[FieldError]:
    return [error for key in values for error in fields.each(f"{path}[{key}]", key, fields.config_key(key))]


def validate_secret(secret: Json) -> list[FieldError]:
    data = secret.get("data") or {}
    errors = validate_metadata(secret) + _keys("data", data)
    if sum(map(_decoded_size, data.values())) > DATA_LIMIT:
        errors.append(fields.too_long("data", DATA_LIMIT))
    return errors


def validate_config_map(config_map: Json) -> list[FieldError]:
    data, binary = config_map.get("data") or {}, config_map.get("binaryData") or {}
    errors = validate_metadata(config_map) + _keys("data", data) + _keys("binaryData", binary)
    if sum(len(text.encode()) for text in data.values()) + sum(map(_decoded_size, binary.values())) > DATA_LIMIT:
        errors.append(fields.too_long("", DATA_LIMIT))
    return errors


def validate_secret_update(new: Json, old: Json) -> list[FieldError]:
    errors = []
    if new.get("type") != old.get("type"):
        errors.append(fields.invalid("type", new.get("type"), "field is immutable"))
    return errors + _immutable(new, old, ("data",))


def validate_config_map_update(new: Json, old: Json) -> list[FieldError]:
    return _immutable(new, old, ("data", "binaryData"))


def _immutable(new: Json, old: Json, names: tuple[str, ...]) -> list[FieldError]:
    if not old.get("immutable"):
        return []
    errors = [] if new.get("immutable") else [fields.forbidden("immutable", _IMMUTABLE)]
    changed = [name for name in names if (new.get(name) or {}) != (old.get(name) or {})]
    return errors + [fields.forbidden(name, _IMMUTABLE) for name in changed]
