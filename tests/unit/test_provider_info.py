"""What Airflow learns from the entry point."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
import textwrap
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

import executor
from executor.options import OPTIONS, OWN_SECTION, UPSTREAM_SECTION
from executor.provider_info import get_provider_info

REPOSITORY = Path(executor.__file__).parents[1]
UPSTREAM_DISTRIBUTION = "apache-airflow-providers-cncf-kubernetes"


def run_python(script: str, *path: Path, **environment: str) -> Any:
    """The JSON that a fresh interpreter prints, with these folders before the repository on its path."""
    where = os.pathsep.join(str(one) for one in (*path, REPOSITORY))
    variables = {"PATH": os.environ["PATH"], "AIRFLOW_HOME": os.environ["AIRFLOW_HOME"], "PYTHONPATH": where}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env=variables | environment, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_it_is_what_airflows_schema_wants() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(files("airflow").joinpath("provider_info.schema.json").read_text())
    info = get_provider_info()
    jsonschema.validate(info, schema)
    assert json.loads(json.dumps(info)) == info


def test_every_option_of_ours_is_registered_and_no_other_section() -> None:
    config = get_provider_info()["config"]
    assert set(config) == {OWN_SECTION}
    ours = {one.name: one for one in OPTIONS if one.section == OWN_SECTION}
    assert set(config[OWN_SECTION]["options"]) == set(ours)
    for name, row in config[OWN_SECTION]["options"].items():
        assert row["default"] == ours[name].default_text
        assert ours[name].description in row["description"]


def test_it_is_cheap_for_every_process_that_imports_airflow() -> None:
    loaded = run_python("""
        import json, sys
        import executor.provider_info
        executor.provider_info.get_provider_info()
        print(json.dumps(sorted(sys.modules)))
    """)
    assert not {"airflow", "aiohttp", "asyncio", "kubernetes", "msgspec", "yaml", "executor.settings"} & set(loaded)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder that makes this repository an installed distribution, as pip would."""
    info = tmp_path / "airflow_pod_executor-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: airflow-pod-executor\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text(
        "[apache_airflow_provider]\nprovider_info = executor.provider_info:get_provider_info\n"
    )
    return tmp_path


def test_beside_the_other_provider_both_sections_are_whole_and_only_set_options_count(installed: Path) -> None:
    assert importlib.metadata.version(UPSTREAM_DISTRIBUTION)
    seen = run_python(
        """
        import json
        from airflow.configuration import conf
        from airflow.providers_manager import ProvidersManager
        from executor.airflow_config import read_settings
        settings = read_settings()
        print(json.dumps({
            "providers": sorted(ProvidersManager().providers),
            "theirs": sorted(conf.configuration_description["kubernetes_executor"]["options"]),
            "ours": {name: conf.get("kubernetes_pod_executor", name)
                     for name in conf.configuration_description["kubernetes_pod_executor"]["options"]},
            "their default": conf.getint("kubernetes_executor", "pod_launch_failure_retries"),
            "their namespace": conf.get("kubernetes_executor", "namespace"),
            "our default": settings.pod_launch_failure_retries,
            "our namespace": settings.namespace,
            "set": settings.reconcile_interval,
        }))
        """,
        installed,
        AIRFLOW__KUBERNETES_POD_EXECUTOR__RECONCILE_INTERVAL="17",
    )
    assert {"airflow-pod-executor", UPSTREAM_DISTRIBUTION} <= set(seen["providers"])
    assert {one.name for one in OPTIONS if one.section == UPSTREAM_SECTION} <= set(seen["theirs"])
    expected = {one.name: one.default_text for one in OPTIONS if one.section == OWN_SECTION}
    assert seen["ours"] == expected | {"reconcile_interval": "17"}
    assert (seen["their default"], seen["their namespace"]) == (1, "default")
    assert (seen["our default"], seen["our namespace"], seen["set"]) == (3, None, 17.0)
