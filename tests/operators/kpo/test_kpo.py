"""The provider's KubernetesPodOperator under this executor, row by row; the README shows the same table.

`python -m tests.operators.kpo.table README.md` writes it there.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator

from tests.operators.kpo.clusters import template_file
from tests.operators.kpo.play import play
from tests.operators.kpo.row import Clash, Place, Row, Seen, combine, ends
from tests.operators.kpo.table import BEGIN, END, PARAMETERS, ROWS, SHARED, parameter_names, text
from tests.operators.kpo.ways import LEFT_OUT_BY_POD_OPERATOR

README = Path(__file__).parents[3] / "README.md"
TASK_OF = {row: task for task, rows in SHARED.items() for row in rows}
#: Nobody sees an effect of these on one machine; of every other row the effect is looked at.
MAY_BE_SPEC_ONLY = {"dnspolicy", "dns_config", "hostnetwork", "host_aliases", "hostname", "subdomain", "schedulername"}
#: It needs two workers and two pods, and is played under SOAK=1 only.
SOAK_ONLY = {"process_duplicate_label_pods"}


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Seen]:
    return play(tmp_path_factory.mktemp("kpo"), SHARED)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", TASK_OF)
def test_row(seen: dict[str, Seen], name: str) -> None:
    told = seen[TASK_OF[name]]

    assert told.state == ends(ROWS[row] for row in SHARED[TASK_OF[name]]), told.log
    ROWS[name].check(told)


def test_every_parameter_has_a_row() -> None:
    assert list(parameter_names()) == [name for name in parameter_names() if name in PARAMETERS]
    assert len(PARAMETERS) == len(parameter_names()) == 61


def test_the_readme_shows_the_table() -> None:
    shown = README.read_text().split(BEGIN)[1].split(END)[0]

    assert text().splitlines() == shown.strip().splitlines()


def test_every_row_is_played() -> None:
    assert set(ROWS) - set(TASK_OF) == SOAK_ONLY
    assert len(SHARED) <= 12


def test_few_rows_look_at_the_spec_only() -> None:
    assert {name for name, row in ROWS.items() if row.spec_only} <= MAY_BE_SPEC_ONLY


def test_rows_are_left_out_by_name() -> None:
    assert set(LEFT_OUT_BY_POD_OPERATOR) <= set(ROWS)


def test_the_installed_provider_has_the_parameters() -> None:
    assert set(parameter_names()) <= set(inspect.signature(KubernetesPodOperator.__init__).parameters)


def test_dry_run_prints_the_pod_and_asks_no_cluster(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = Place(str(tmp_path), "/no/such/kubeconfig", "none", "", SHARED)
    template_file(tmp_path / "pod.yaml")
    arguments: dict[str, Any] = combine("wide", [ROWS[name] for name in SHARED["wide"]], place)
    operator = KubernetesPodOperator(task_id="wide", **arguments | {"pod_template_file": f"{tmp_path}/pod.yaml"})

    operator.dry_run()

    out = capsys.readouterr().out
    printed = yaml.safe_load(out[out.index("api_version: v1") :])  # the operator's log goes there, too
    assert printed["metadata"]["name"].startswith("nightly-load-")
    assert printed["spec"]["node_selector"] == {"pool": "gpu"}
    assert printed["spec"]["containers"][0]["env"][0] == {"name": "FROM_FILE", "value": "from the file"}


def test_rows_that_want_different_things_share_no_task(tmp_path: Path) -> None:
    place = Place(str(tmp_path), "", "", "", {})
    one = Row("one", "", lambda seen: None, lambda place: {"image": "a"})
    other = Row("other", "", lambda seen: None, lambda place: {"image": "b"})

    with pytest.raises(Clash, match=r"shared\.image: 'a' and 'b'"):
        combine("shared", [one, other], place)
