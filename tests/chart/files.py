"""`.Files` of a chart: what lies in its folder beside templates and values (Helm's engine/files.go)."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from executor.templating.values import Strings, Struct
from executor.templating.yaml_writer import dump

NO_FILES = ("Chart.yaml", "values.yaml", "values.schema.json", ".helmignore")
NO_FOLDERS = ("templates/", "from-official-chart/")
_WILD = {"**": ".*", "*": "[^/]*", "?": "[^/]"}


def chart_files(folder: Path) -> Struct:
    """The files as templates see them."""
    names = [str(one.relative_to(folder)) for one in sorted(folder.rglob("*")) if one.is_file()]
    beside = [name for name in names if not name.startswith(NO_FOLDERS) and name not in NO_FILES]
    return as_files({name: (folder / name).read_bytes() for name in beside})


def as_files(files: Mapping[str, bytes]) -> Struct:
    """Files by name, with the methods of Helm's `.Files`."""
    methods: dict[str, tuple[tuple[str, ...], Callable[..., Any]]] = {
        "Get": (("string",), lambda name: files.get(name, b"").decode()),
        "Lines": (("string",), lambda name: Strings(files.get(name, b"").decode().removesuffix("\n").split("\n"))),
        "Glob": (("string",), lambda pattern: as_files(_matching(files, pattern))),
        "AsConfig": ((), lambda: _data({name: text.decode() for name, text in files.items()})),
        "AsSecrets": ((), lambda: _data({name: base64.b64encode(text).decode() for name, text in files.items()})),
    }
    return Struct("engine.files", {name: text.decode() for name, text in files.items()}, methods, shown="map[]")


def _matching(files: Mapping[str, bytes], pattern: str) -> dict[str, bytes]:
    """Those whose whole name matches; a star stops at a slash, two do not (gobwas/glob)."""
    parts = re.split(r"(\*\*|\*|\?)", pattern)
    wanted = re.compile("".join(_WILD.get(part, re.escape(part)) for part in parts))
    return {name: text for name, text in files.items() if wanted.fullmatch(name)}


def _data(files: Mapping[str, str]) -> str:
    return dump({Path(name).name: text for name, text in files.items()}).removesuffix("\n")
