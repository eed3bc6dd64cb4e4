"""Helm's own engine renders the chart; runs under a Python that has helm-python-sdk, and needs nothing else.

record.py CHART <releases >answers, both JSON. In: a list of {values, name, namespace}; out: for each {files} by their
path below `templates`, or {error}.
"""

from __future__ import annotations

import io
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

import helm_python

NAME = "chart"
IGNORED = (".helmignore", "from-official-chart")  # what .helmignore says


def archive(folder: Path) -> bytes:
    """The chart as `helm package` would make it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as tar:
        for one in sorted(folder.iterdir()):
            if one.name not in IGNORED:
                tar.add(one, f"{NAME}/{one.name}")
    return packed.getvalue()


def answer(chart: helm_python.Chart, asked: dict[str, Any]) -> dict[str, Any]:
    """One release's texts."""
    try:
        made = chart.render(asked["values"], name=asked["name"], namespace=asked["namespace"])
    except helm_python.HelmError as error:
        return {"error": str(error)}
    return {"files": {path.partition("/templates/")[2]: text for path, text in made.items()}}


if __name__ == "__main__":
    with helm_python.Chart.load_archive(archive(Path(sys.argv[1]))) as loaded:
        json.dump([answer(loaded, one) for one in json.load(sys.stdin)], sys.stdout)
