"""What every task of the example DAGs must come to; the demo succeeds only if all of it does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Expected:
    """One task: its final state, and how many tries and launches that takes.

    `mapped` is the number of map indices, 0 for a plain task. `says`: a part of the sentence that the event log must
    hold for a failure.
    """

    dag_id: str
    task_id: str
    state: str = "success"
    tries: int = 1
    launches: int = 1
    mapped: int = 0
    says: str = ""

    @property
    def map_indexes(self) -> tuple[int, ...]:
        """Its map indices; -1 stands for a task that is not mapped."""
        return tuple(range(self.mapped)) or (-1,)


EXPECTED = (
    Expected("demo_resources", "bash"),
    Expected("demo_resources", "taskflow"),
    Expected("demo_secrets", "by_override"),
    Expected("demo_secrets", "by_executor_config"),
    Expected("demo_secrets", "by_env_secrets"),
    Expected("demo_template", "read_what_the_init_container_wrote"),
    Expected("demo_mapped", "square", mapped=5),
    Expected("demo_failures", "succeeds_on_retry", tries=2, launches=2),
    Expected("demo_failures", "takes_too_much_memory", state="failed", says="memory"),
    Expected("demo_failures", "exits_3", state="failed", says="exit code 3"),
    Expected("demo_deferrable", "wait_a_moment", launches=2),
)


def dag_ids() -> tuple[str, ...]:
    """Return the DAGs, each once, in order."""
    return tuple(dict.fromkeys(expected.dag_id for expected in EXPECTED))
