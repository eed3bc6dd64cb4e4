"""Which template file a pod is made from. A whole file is chosen; templates are never merged with one another."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Final

from executor.manifest.errors import ManifestError
from executor.manifest.executor_config import TaskConfig
from executor.manifest.model import ManifestSettings, PodRequest
from executor.manifest.template_source import SHIPPED_TEMPLATE

SUFFIXES: Final = (".yaml", ".yml", ".yaml.j2", ".j2", ".yaml.tpl", ".tpl", ".gotmpl")


def choose_template(settings: ManifestSettings, request: PodRequest, config: TaskConfig) -> Path:
    """Return the template's path: coordinator > executor_config > queue > configuration > shipped.

    Raises ManifestError for a name that is not in the folder.
    """
    if request.coordinator_template:
        return Path(request.coordinator_template)
    if config.template_file:
        return Path(config.template_file)
    if config.template_name:
        return named_template(config.template_name, settings, 'executor_config["pod_template"]')
    by_queue = settings.queue_pod_templates.get(request.queue) if request.queue else None
    if by_queue:
        is_path = "/" in by_queue or by_queue.endswith(SUFFIXES)
        return (
            Path(by_queue) if is_path else named_template(by_queue, settings, f"queue_pod_templates[{request.queue}]")
        )
    return settings.default_template or SHIPPED_TEMPLATE


def named_template(name: str, settings: ManifestSettings, layer: str) -> Path:
    """Return the file of the template `name` in pod_templates_folder."""
    folder = settings.pod_templates_folder
    if folder is None:
        raise ManifestError(layer, "", f"is {name!r}, but pod_templates_folder is not set", "set it, or name a file")
    for path in _candidates(folder, name):
        if path.is_file():
            return path
    problem = f"is {name!r}, which is no template in {folder}"
    raise ManifestError(layer, "", problem, _advice(name, folder))


def _candidates(folder: Path, name: str) -> list[Path]:
    """A name, not a path: nothing outside the folder can be named."""
    if "/" in name or "\\" in name or name.startswith("."):
        return []
    if name.endswith(SUFFIXES):
        return [folder / name]
    return [folder / (name + suffix) for suffix in SUFFIXES]


def _advice(name: str, folder: Path) -> str:
    try:
        found = sorted({entry.name.partition(".")[0] for entry in folder.iterdir() if entry.name.endswith(SUFFIXES)})
    except OSError:
        return "create the folder, or correct pod_templates_folder"
    near = difflib.get_close_matches(name, found, 1)
    if near:
        return f"did you mean {near[0]}?"
    return f"use one of: {', '.join(found)}" if found else "put a template there"
