"""Five mapped tasks: five pods."""

from __future__ import annotations

from airflow.sdk import dag, task


@dag(dag_id="demo_mapped", schedule=None, tags=["demo"])
def mapped() -> None:
    @task
    def square(number: int) -> int:
        return number * number

    square.expand(number=[1, 2, 3, 4, 5])


mapped()
