"""Parses a folder of DAGs with real Airflow and prints what becomes of each task's executor_config, as JSON.

Run in a process of its own, `python -m tests.unit.manifest.parse_dags FOLDER`, with AIRFLOW_HOME set: the config goes
the way it goes in a deployment, parsed (cluster policies), serialised, deserialised, pickled as in the database, built.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization
from airflow.utils.sqlalchemy import ExecutorConfigType
from sqlalchemy.dialects import sqlite

from executor.manifest import ManifestError, ManifestSettings, PodBuilder, TemplateSource
from tests.unit.manifest.builders import request


def through_the_database(config: Any) -> Any:
    """The config as the scheduler reads it from its row."""
    column = ExecutorConfigType()
    write = column.bind_processor(sqlite.dialect())
    read = column.result_processor(sqlite.dialect(), None)
    return read(write(config))


def pod_for(config: Any) -> Any:
    try:
        built = PodBuilder(ManifestSettings(), TemplateSource()).build(request(config))
    except ManifestError as error:
        return str(error)
    return next(c for c in built.manifest["spec"]["containers"] if c["name"] == "base")


def main(folder: str) -> None:
    bag = DagBag(folder)
    found: dict[str, Any] = {}
    for dag in bag.dags.values():
        stored = DagSerialization.from_dict(json.loads(json.dumps(DagSerialization.to_dict(dag))))
        for task in stored.tasks:
            config = getattr(task, "partial_kwargs", {}).get("executor_config") or task.executor_config
            found[task.task_id] = pod_for(through_the_database(config))
    errors = {name.rpartition("/")[2]: text for name, text in bag.import_errors.items()}
    print(json.dumps({"bases": found, "errors": errors}))


if __name__ == "__main__":
    main(sys.argv[1])
