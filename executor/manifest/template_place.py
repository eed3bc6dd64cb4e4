"""Where a template or its values are: a file, and the key in it; and the text that was read there.

`values.yaml#workers.podTemplate` is the key `podTemplate` of the map `workers` in the file `values.yaml`; a dot that
belongs to a key is written `\\.`. A Kubernetes ConfigMap mount swaps symbolic links, so a file's stamp is that of what
its path leads to.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from executor.manifest.errors import ManifestError

Stamp = tuple[int, int, int]

SOURCE_HINT: Final = "check the path and the file's permissions"
_DOT = re.compile(r"(?<!\\)\.")


@dataclass(frozen=True, slots=True)
class Place:
    """A file, and the keys that lead to the wanted value in it; no keys: the whole file."""

    path: Path
    keys: tuple[str, ...] = ()

    @classmethod
    def of(cls, text: str | Path) -> Place:
        """Return the place that `path` or `path#key.key` names."""
        path, mark, key = str(text).rpartition("#")
        if not mark or "/" in key or not key:
            return cls(Path(text).expanduser())
        return cls(Path(path).expanduser(), tuple(part.replace("\\.", ".") for part in _DOT.split(key)))

    def __str__(self) -> str:
        key = ".".join(part.replace(".", "\\.") for part in self.keys)
        return f"{self.path}#{key}" if key else str(self.path)


@dataclass(frozen=True, slots=True)
class FileText:
    """What a file held when it had this stamp."""

    path: Path
    stamp: Stamp
    text: str


@dataclass(frozen=True, slots=True)
class SourceText:
    """A template's text. Its first line is line `line` of file `name`, its first column is column `column` there."""

    name: str
    text: str
    line: int = 1
    column: int = 1

    def place(self, line: int, column: int) -> tuple[int, int]:
        """Return line and column in the file of a line and column of the text, all from 1."""
        return self.line + line - 1, self.column + column - 1


def stamp_of(path: Path) -> Stamp:
    """Return what changes when the file's content does. Raises OSError."""
    return _stamp(os.stat(path))


def _stamp(status: os.stat_result) -> Stamp:
    return (status.st_mtime_ns, status.st_size, status.st_ino)


def read_file(path: Path, layer: str) -> FileText:
    """Return a file's text with the stamp of exactly this text. Raises ManifestError."""
    try:
        return _read(path)
    except FileNotFoundError:
        pass  # a ConfigMap's old folder may go between finding the file and opening it
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(layer, error) from None
    try:
        return _read(path)
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(layer, error) from None


def _read(path: Path) -> FileText:
    with open(path, encoding="utf-8") as file:
        stamp = _stamp(os.fstat(file.fileno()))
        return FileText(path, stamp, file.read())


def unreadable(layer: str, error: OSError | UnicodeDecodeError) -> ManifestError:
    """Return the error for a file that cannot be read."""
    if isinstance(error, UnicodeDecodeError):
        return ManifestError(layer, "", "is not UTF-8 text", "save it as UTF-8")
    return ManifestError(layer, "", f"cannot be read ({error.strerror})", SOURCE_HINT)


def text_at(place: Place, text: str, layer: str) -> SourceText:
    """Return the template at `place`, given its file's text. Raises ManifestError for a key that leads to no text."""
    if not place.keys:
        return SourceText(str(place.path), text)
    node = _node_at(place, text, layer)
    if not isinstance(node, yaml.ScalarNode) or node.tag != "tag:yaml.org,2002:str":
        raise ManifestError(layer, "", "is no text", f"write {place.keys[-1]}: | and the template below it, indented")
    if node.style != "|":  # the lines of other styles are not those of the file
        return SourceText(str(place), str(node.value))
    line = node.start_mark.line + 2
    indent = _indent(text.splitlines()[line - 1 :])
    return SourceText(str(place.path), str(node.value), line, indent + 1)


def _indent(lines: list[str]) -> int:
    return next((len(line) - len(line.lstrip(" ")) for line in lines if line.strip()), 0)


def _node_at(place: Place, text: str, layer: str) -> yaml.Node | None:
    try:
        node: yaml.Node | None = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{place.path}:{mark.line + 1}:{mark.column + 1}:" if mark else ""
        raise ManifestError(layer, where, "is no YAML", "correct the YAML there") from None
    for depth, key in enumerate(place.keys):
        entries = {str(name.value): value for name, value in node.value} if isinstance(node, yaml.MappingNode) else {}
        if key not in entries:
            raise _no_key(place.keys, depth, list(entries), layer)
        node = entries[key]
    return node


def _no_key(keys: tuple[str, ...], depth: int, found: list[str], layer: str) -> ManifestError:
    where = ".".join(keys[:depth]) or "the file"
    there = ", ".join(found[:12]) or "nothing"
    return ManifestError(
        layer, "", f"has no key {keys[depth]!r} in {where}", f"it has {there}; correct the part after #"
    )


def value_at(place: Place, document: Any, layer: str) -> Any:
    """Return the value at `place` of a parsed file. Raises ManifestError for a key that is not there."""
    for depth, key in enumerate(place.keys):
        if not isinstance(document, dict) or key not in document:
            raise _no_key(place.keys, depth, list(document) if isinstance(document, dict) else [], layer)
        document = document[key]
    return document
