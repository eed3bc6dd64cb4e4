"""In a component's container: run the demo's DAGs, and check what each task came to. Exit code 1 if one is not right.

Needs nothing but what is in the image, since it is sent there by standard input. Arguments: DAGs; all without.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence

from executor.demo.database import AirflowDatabase, TaskRow
from executor.demo.expected import EXPECTED, Expected, dag_ids
from executor.demo.processes import wait_until
from executor.demo.stack import FINISHED_RUN

RUN = "played"
PARSED_SECONDS, RUNS_SECONDS = 300, 900


def main(wanted: Sequence[str]) -> int:
    """Returns the exit code."""
    database = AirflowDatabase(os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"])
    wait_until("the DAGs parsed", lambda: set(wanted) <= database.parsed_dags(), PARSED_SECONDS, pause=2)
    for dag in wanted:
        trigger = ["airflow", "dags", "trigger", dag, "--run-id", RUN, "--output", "plain"]
        subprocess.run(trigger, check=True, stdout=subprocess.DEVNULL)

    def over() -> bool:
        return all(database.run_state(dag, RUN) in FINISHED_RUN for dag in wanted)

    wait_until("the runs over", over, RUNS_SECONDS, pause=2)
    problems = [line for one in EXPECTED if one.dag_id in wanted for line in _checked(database, one)]
    for problem in problems:
        print(f"problem: {problem}")
    return 1 if problems else 0


def _checked(database: AirflowDatabase, expected: Expected) -> Iterator[str]:
    """Print how the task ended; yields what is wrong with that."""
    rows = database.task_instances(dag_id=expected.dag_id, run_id=RUN, task_id=expected.task_id)
    logs = database.event_logs(dag_id=expected.dag_id, run_id=RUN, task_id=expected.task_id)
    said = [log.extra for log in logs if log.event == "pod failed"]
    print(f"{expected.dag_id}.{expected.task_id}: {', '.join(map(_short, rows))}", *said, sep="\n    ")
    if sorted(row.map_index for row in rows) != sorted(expected.map_indexes):
        yield f"{expected.task_id}: {len(rows)} of {len(expected.map_indexes)} tasks"
    for row in rows:
        if (row.state, row.try_number) != (expected.state, expected.tries):
            yield f"{expected.task_id}: {_short(row)}, expected {expected.state} in try {expected.tries}"
    if expected.says and not any(expected.says in text for text in said):
        yield f"{expected.task_id}: nobody says {expected.says!r}"


def _short(row: TaskRow) -> str:
    return f"{row.state} in try {row.try_number}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or dag_ids()))
