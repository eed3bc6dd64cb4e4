"""The value sets of this folder, and Helm's own rendering of them: recorded in `goldens`, or made now.

`python -m tests.chart.sets` records the goldens anew; HELM_SDK_PYTHON names a Python that has helm-python-sdk.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.chart.rendering import CHART, Object, by_name, objects, render

HERE = Path(__file__).parent
_LONG = {"long_names": ("release-of-the-data-platform-team.with-fifty-three-char", "n" * 63)}


@dataclass(frozen=True, slots=True)
class ValueSet:
    """A file of values, and the release it is for."""

    name: str
    values: dict[str, Any]
    release: str
    namespace: str

    @property
    def golden(self) -> Path:
        return HERE / "goldens" / f"{self.name}.yaml"

    def recorded(self) -> list[Object]:
        """The objects Helm made when the golden was recorded."""
        return objects(self.golden.read_text(), self.golden.name)


def _read(file: Path) -> ValueSet:
    release, namespace = _LONG.get(file.stem, ("airflow", "airflow"))
    return ValueSet(file.stem, yaml.safe_load(file.read_text()), release, namespace)


@cache
def rendered(name: str) -> dict[str, Object]:
    """The objects of a value set by name, as this repository's engine renders them. Shared: nobody changes them."""
    given = SETS[name]
    return by_name(render(given.values, release=given.release, namespace=given.namespace))


SETS = {file.stem: _read(file) for file in sorted((HERE / "values").glob("*.yaml"))}


@dataclass(frozen=True, slots=True)
class HelmAnswer:
    """Texts by file below `templates`, or Helm's refusal."""

    files: Mapping[str, str]
    error: str


def helm(python: str, releases: Sequence[tuple[Mapping[str, Any], str, str]], folder: Path = CHART) -> list[HelmAnswer]:
    """What Helm's own engine makes of values, release and namespace, in one process of its own."""
    asked = [{"values": values, "name": name, "namespace": namespace} for values, name, namespace in releases]
    command = [python, str(HERE / "record.py"), str(folder)]
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=True, timeout=100)
    return [HelmAnswer(one.get("files", {}), one.get("error", "")) for one in json.loads(done.stdout)]


def main() -> None:
    """Record all goldens."""
    sets = list(SETS.values())
    answers = helm(os.environ["HELM_SDK_PYTHON"], [(one.values, one.release, one.namespace) for one in sets])
    for one, answer in zip(sets, answers, strict=True):
        if answer.error:
            sys.exit(f"{one.name}: {answer.error}")
        one.golden.write_text(_as_golden(answer.files))


def _as_golden(files: Mapping[str, str]) -> str:
    made = {name: text.strip("\n").removeprefix("---\n") for name, text in files.items() if name != "NOTES.txt"}
    return "".join(f"---\n# Source: {name}\n{text}\n" for name, text in sorted(made.items()) if text.strip())


if __name__ == "__main__":
    main()
