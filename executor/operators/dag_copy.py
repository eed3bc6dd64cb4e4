"""The DAG that a triggerer gives a deferred task: in Airflow 3.3 a copy of its own for each of them, of hundreds of KB.

Its tasks and groups point at one another, so Python frees it only when it next looks through all of its memory, which
in a large process is seldom. Taken apart, it is freed at once. Where a later Airflow may share it, it is left alone.
"""

from __future__ import annotations

from typing import Any, Final

import airflow

OF_ITS_OWN: Final = ("3.3.",)  # `jobs/triggerer_job_runner.py`, `create_runtime_ti`


def let_go(task: Any) -> None:
    """Free the DAG of this task, which is used no more."""
    dag = getattr(task, "dag", None)
    if dag is None or not airflow.__version__.startswith(OF_ITS_OWN):
        return
    for one in [*dag.task_dict.values(), dag.task_group]:
        getattr(one, "__dict__", {}).clear()
    dag.task_dict.clear()
