"""As many waiting tasks as the size says: of PodOperator, and of an operator that starts a trigger that only waits."""

from airflow.sdk import DAG, BaseOperator
from airflow.triggers.base import StartTriggerArgs

from executor.operators import PodOperator

SIZES = (1, 20, 200)
LIMITS = {"schedule": None, "max_active_tasks": 2000, "max_active_runs": 2000}


class Bare(BaseOperator):
    """What `start_from_trigger` itself costs."""

    start_from_trigger = True
    start_trigger_args = StartTriggerArgs(
        trigger_cls="tests.operators.bare_trigger.BareTrigger", next_method="execute", trigger_kwargs={}
    )


for size in SIZES:
    with DAG(f"pods_{size}", **LIMITS) as pods:
        for number in range(size):
            PodOperator(
                task_id=f"pod_{number}",
                image="any",
                cmds=["sleep", "3600"],
                node_selector={"nowhere": "yes"},
                schedule_timeout_seconds=3600,
                termination_grace_period=1,
                env_vars={"NUMBER": str(number)},
            )
    with DAG(f"runs_{size}", **LIMITS) as runs:
        for number in range(size):
            PodOperator(
                task_id=f"run_{number}",
                image="any",
                cmds=["sleep", "3600"],
                termination_grace_period=1,
                startup_timeout_seconds=3600,
            )
    with DAG(f"bare_{size}", **LIMITS) as bare:
        for number in range(size):
            Bare(task_id=f"bare_{number}")
    globals()[f"pods_{size}"] = pods
    globals()[f"bare_{size}"] = bare
    globals()[f"runs_{size}"] = runs
