"""A pod template of this task's own, with an init container, and a sidecar that never ends.

Kubernetes would keep such a pod for ever; the executor ends it when the task is done.
"""

from __future__ import annotations

import os
from pathlib import Path

from airflow.sdk import dag, task


@dag(dag_id="demo_template", schedule=None, tags=["demo"])
def template() -> None:
    # Read by the scheduler, where the demo says where its templates lie; a worker has no use for it.
    @task(executor_config={"pod_template_file": os.environ.get("DEMO_TEMPLATES", "") + "/with_sidecar.yaml"})
    def read_what_the_init_container_wrote() -> str:
        return Path("/prepared/greeting").read_text()

    read_what_the_init_container_wrote()


template()
