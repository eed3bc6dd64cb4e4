"""An API server accepts the shipped pod templates, and what it refuses is told with the layer. Dry runs only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from executor.cli.pods import Planned
from executor.cli.server_check import refusals
from executor.kube.settings import KubeSettings
from executor.manifest import ManifestSettings, PodBuilder, TemplateSource
from tests.unit.manifest.builders import IDENTITY, override, request
from tests.unit.manifest.test_template_shipped import SHIPPED


def planned(path: Path, number: int, config: Any = None) -> Planned:
    builder = PodBuilder(ManifestSettings(default_template=path), TemplateSource())
    built = builder.build(request(config, identity=replace(IDENTITY, attempt=number + 1)))
    return Planned(built, built.manifest)


@pytest.fixture
def settings(kubeconfig: Path) -> KubeSettings:
    return KubeSettings(in_cluster=False, config_file=str(kubeconfig))


async def test_every_shipped_template_is_accepted(settings: KubeSettings) -> None:
    pods = [planned(path, number) for number, path in enumerate(SHIPPED)]
    said = await refusals(settings, pods)
    assert dict(zip([path.name for path in SHIPPED], said, strict=True)) == {path.name: None for path in SHIPPED}


async def test_what_is_refused_is_told_by_layer(settings: KubeSettings) -> None:
    misspelled = planned(SHIPPED[0], 0, override(imagePullPolcy="Always"))
    invalid = planned(SHIPPED[0], 1, {"pod_override": {"spec": {"activeDeadlineSeconds": 0}}})

    unknown, refused = await refusals(settings, [misspelled, invalid])

    assert unknown is not None
    assert "pod_override: spec.containers[base].imagePullPolcy is a field that this Kubernetes does not know" in unknown
    assert refused is not None
    assert "activeDeadlineSeconds" in refused
