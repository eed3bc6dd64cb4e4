"""Makes the DAG of the table's tasks; called by a DAG file, in DAG processor, triggerer and workers."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

from airflow.sdk import DAG

from tests.operators.kpo.row import Place, Row, combine
from tests.operators.kpo.table import ROWS

DAG_ID = "kpo"
#: Read by every task; rows may say otherwise.
QUICK = {"startup_check_interval_seconds": 1, "image": "alpine:3.24.2", "termination_grace_period": 2}


def dag_file(place: Path) -> str:
    """The text of the DAG file of this place; the word airflow lets the DAG processor look into it."""
    return f"""# an airflow DAG
from pathlib import Path

from tests.operators.kpo.dag import make_dag

dag = make_dag(Path({str(place)!r}))
"""


def read_place(path: Path) -> Place:
    """Return the place that this file tells."""
    document = json.loads(path.read_text())
    trials = {name: tuple(rows) for name, rows in document.pop("trials").items()}
    return Place(**document, trials=trials)


def make_dag(path: Path) -> DAG:
    """Return the DAG; the place says which tasks it has."""
    place = read_place(path)
    with DAG(DAG_ID, schedule=None) as dag:
        made = {name: _task(place, name, [ROWS[row] for row in rows]) for name, rows in place.trials.items()}
        for name, rows in place.trials.items():
            for before in {place.task_of(other) for row in rows for other in ROWS[row].after}:
                made[before] >> made[name]
    return dag


def _task(place: Place, name: str, rows: list[Row]) -> Any:
    kwargs = {**QUICK, **combine(name, rows, place), "task_id": name}
    kwargs["labels"] = {**kwargs.get("labels", {}), "trial": name}
    kwargs["priority_weight"] = 2 if any(row.drive or row.after for row in rows) else 1
    makers = [row.make for row in rows if row.make]
    return makers[0](place, kwargs) if makers else _operator(place)(**kwargs)


def _operator(place: Place) -> Any:
    module, _, name = place.operator.rpartition(".")
    return getattr(import_module(module), name)
