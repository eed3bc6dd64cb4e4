"""What templates are rendered with besides themselves: values, helpers, the chart, the release.

Files are looked at again at most twice a second, and whenever a template itself changed; what did not change in content
is not parsed again. Values files merge as Helm's do, later ones over earlier ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from executor.manifest.errors import ManifestError
from executor.manifest.template_place import FileText, Place, Stamp, read_file, stamp_of, unreadable, value_at
from executor.templating import TemplateError, load_values

LOOK_AGAIN: Final = 0.5  # seconds
HELPER_SUFFIXES: Final = (".tpl", ".yaml", ".yml", ".txt")
_CHART_FILE: Final = "Chart.yaml"


@dataclass(frozen=True, slots=True)
class TemplateInputs:
    """Settings. `values` are files (`file` or `file#key.key`), later ones win; `helpers` are files or folders.

    `release` and `namespace` are `.Release.Name` and `.Release.Namespace`; `over` are values above those of the files.
    `helm_numbers` prints numbers as Helm does (`1e+06`).
    """

    values: tuple[str, ...] = ()
    helpers: tuple[str, ...] = ()
    release: str = "airflow"
    namespace: str = "default"
    helm_numbers: bool = False
    over: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """What was read: merged `values`, the text of each helper file by its name, `.Release` and `.Chart`."""

    values: dict[str, Any]
    helpers: Mapping[str, str]
    release: Mapping[str, Any]
    chart: Mapping[str, Any] | None
    helm_numbers: bool = False


class InputFiles:
    """Reads the inputs, and again when their files change. Not thread-safe."""

    def __init__(self, settings: TemplateInputs, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._values = [Place.of(text) for text in settings.values]
        self._helpers = [Path(text).expanduser() for text in settings.helpers]
        self._looked = float("-inf")
        self._stamps: dict[Path, Stamp] | None = None
        self._texts: dict[Path, str] = {}
        self._result: Inputs | ManifestError | None = None

    def state(self, *, look: bool = False) -> Inputs | ManifestError:
        """Return the inputs, or why there are none; the same object while nothing changed.

        With `look` the files are read now, whatever their stamps: of two quick changes both may have the same.
        """
        now = self._clock()
        if look or self._result is None or now - self._looked >= LOOK_AGAIN:
            self._looked = now
            self._look(trust_stamps=not look)
        assert self._result is not None
        return self._result

    def read(self) -> Inputs:
        """Return the inputs. Raises ManifestError."""
        state = self.state(look=True)
        if isinstance(state, ManifestError):
            raise ManifestError(*state.args)
        return state

    def _look(self, *, trust_stamps: bool) -> None:
        try:
            paths = list(dict.fromkeys(self._paths()))
            stamps = {path: stamp_of(path) for path in paths}
            if trust_stamps and stamps == self._stamps:
                return
            files = [read_file(path, self._layer(path)) for path in paths]
        except ManifestError as error:
            self._stamps = None
            return self._fail(error)
        except OSError as error:
            self._stamps = None
            return self._fail(unreadable(self._layer(Path(error.filename)), error))
        self._stamps = {file.path: file.stamp for file in files}
        self._take(files)

    def _take(self, files: list[FileText]) -> None:
        texts = {file.path: file.text for file in files}
        if texts == self._texts and isinstance(self._result, Inputs):
            return
        self._texts = texts
        try:
            self._result = self._made(texts)
        except ManifestError as error:
            self._fail(error)

    def _fail(self, error: ManifestError) -> None:
        """The same trouble stays the same object, so that it counts as no change."""
        if not isinstance(self._result, ManifestError) or self._result.args != error.args:
            self._result = error

    def _made(self, texts: Mapping[Path, str]) -> Inputs:
        settings = self._settings
        values = merged([*self._layers_of_values(texts), dict(settings.over)])
        chart_files = [path for path in texts if path.name == _CHART_FILE]
        chart = chart_of(texts[chart_files[0]], chart_files[0]) if chart_files else None
        helpers = {str(path): text for path, text in texts.items() if path in set(self._helper_files())}
        release = {"Name": settings.release, "Namespace": settings.namespace}
        return Inputs(values, helpers, release, chart, settings.helm_numbers)

    def _layers_of_values(self, texts: Mapping[Path, str]) -> Iterator[dict[str, Any]]:
        for place in self._values:
            layer = f"pod_template_values {place}"
            found = value_at(place, parsed_values(texts[place.path], place.path, layer), layer)
            if not isinstance(found, dict | None):
                raise ManifestError(layer, "", f"is a {type(found).__name__}", "name a map of values")
            yield found or {}

    def _paths(self) -> Iterator[Path]:
        yield from (place.path for place in self._values)
        yield from self._helper_files()
        for folder in self._helpers:
            chart = folder.parent / _CHART_FILE
            if folder.is_dir() and chart.is_file():
                yield chart

    def _helper_files(self) -> Iterator[Path]:
        for helper in self._helpers:
            yield from helper_files(helper) if helper.is_dir() else (helper,)

    def _layer(self, path: Path) -> str:
        values = any(place.path == path for place in self._values)
        return f"pod_template_{'values' if values else 'helpers'} {path}"


def helper_files(folder: Path) -> list[Path]:
    """Return the files of a chart's `templates` folder (or of a mounted ConfigMap) in the order Helm parses them.

    Deepest first, then by name from the end: a later `define` of the same name wins. Hidden entries are left out: a
    ConfigMap mount keeps its versions in `..data` and `..2026_11_20...`.
    """
    found = [path for path in _visible(folder) if path.suffix in HELPER_SUFFIXES]
    return sorted(found, key=lambda path: (len(path.parts), str(path)), reverse=True)


def _visible(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _visible(entry)
        else:
            yield entry


def parsed_values(text: str, path: Path, layer: str) -> dict[str, Any]:
    """Return the map of a values file, read as Helm reads it. Raises ManifestError."""
    try:
        return load_values(text)
    except TemplateError as error:
        where = f"{path}:{error.line}:{error.column}:"
        raise ManifestError(layer, where, error.problem, advice_of(error, "correct the YAML there")) from None


def advice_of(error: TemplateError, otherwise: str) -> str:
    """Return a TemplateError's advice as the end of a sentence."""
    advice = error.advice.rstrip(".")
    if not advice:
        return otherwise
    return advice if advice.startswith((".", "(", "Helm")) else advice[0].lower() + advice[1:]


def merged(layers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return values merged as Helm merges values files: maps key by key, all else replaced, null deletes."""
    result: dict[str, Any] = {}
    for layer in layers:
        result = _over(result, layer)
    return result


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        under = result.get(key)
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            result[key] = _over(under if isinstance(under, Mapping) else {}, value)
        else:
            result[key] = value
    return result


def chart_of(text: str, path: Path) -> dict[str, Any]:
    """Return `.Chart` for the text of a Chart.yaml: its keys as Helm names them, with a capital letter."""
    raw = parsed_values(text, path, f"pod_template_helpers {path}")
    return {key[:1].upper() + key[1:]: value for key, value in raw.items()}
