"""A deferrable sensor: one try, two launches, since the worker leaves while the triggerer waits."""

from __future__ import annotations

from airflow.providers.standard.sensors.date_time import DateTimeSensorAsync
from airflow.sdk import DAG

with DAG(dag_id="demo_deferrable", schedule=None, tags=["demo"]):
    DateTimeSensorAsync(
        task_id="wait_a_moment",
        target_time="{{ (dag_run.run_after + macros.timedelta(seconds=15)).isoformat() }}",
    )
