"""Tasks that fail: once, for want of memory, and because the worker's process ends with 3."""

from __future__ import annotations

import time
from datetime import timedelta

from airflow.sdk import dag, get_current_context, task

MEGABYTE = 1024 * 1024

small = {
    "pod_override": {"spec": {"containers": [{"name": "base", "resources": {"limits": {"memory": "600Mi"}}}]}},
}

# Text, as one would write it in a YAML file. The init container leaves a start-up script that ends Python with 3.
broken_start = {
    "pod_override": """
        spec:
          initContainers:
            - name: break-the-start
              image: busybox
              command: [sh, -c, "echo 'import os; os._exit(3)' > /broken/sitecustomize.py"]
              volumeMounts: [{name: broken, mountPath: /broken}]
          containers:
            - name: base
              env: [{name: PYTHONPATH, value: /broken}]
              volumeMounts: [{name: broken, mountPath: /broken}]
          volumes: [{name: broken, emptyDir: {}}]
    """
}


@dag(dag_id="demo_failures", schedule=None, tags=["demo"])
def failures() -> None:
    @task(retries=1, retry_delay=timedelta(seconds=1))
    def succeeds_on_retry() -> None:
        if get_current_context()["ti"].try_number == 1:
            raise RuntimeError("the first try fails on purpose")

    @task(executor_config=small)
    def takes_too_much_memory() -> None:
        hoard = []
        for _ in range(100):
            hoard.append("x" * 16 * MEGABYTE)
            time.sleep(0.05)
        raise AssertionError(f"{len(hoard) * 16} MiB are more than this pod's limit, and nobody minded")

    @task(executor_config=broken_start)
    def exits_3() -> None:
        raise AssertionError("never reached")

    succeeds_on_retry()
    takes_too_much_memory()
    exits_3()


failures()
