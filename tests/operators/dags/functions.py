"""DAGs of `@task.pod` functions, in an image that has a Python and neither Airflow nor a shell."""

from airflow.sdk import Asset, dag, task

IMAGE = {"image": "shell/less:1", "python": "/opt/bin/python3", "termination_grace_period": 1}


@task.pod(**IMAGE, multiple_outputs=True, env_vars={"GREETING": "{{ dag.dag_id }}"})
def give(n, run):
    import importlib.util
    import os

    print("giving", os.environ["GREETING"])
    return {"n": n, "run": run, "airflow": importlib.util.find_spec("airflow") is not None, "list": [1, 2, 3]}


@task.pod(**IMAGE)
def add(given, more=0):
    return given + more


@task.pod(**IMAGE)
def fail(given):
    raise LookupError(f"no customer {given['n']}")


@task.pod(**IMAGE, skip_on_exit_code=99)
def skip():
    import sys

    sys.exit(99)


@task.pod(**IMAGE)
def unusable(given):
    import datetime

    return datetime.date(2026, 1, given)


@task.pod(**IMAGE, serializer="pickle")
def first(days):
    import datetime

    return {"day": min(days), "since": datetime.date(2026, 1, 1)}


@task.pod(**IMAGE, serializer="pickle", multiple_outputs=True)
def later(found):
    return {"days": (found["day"] - found["since"]).days, "day": found["day"].isoformat()}


@task.pod(**{**IMAGE, "python": "/no/such/python"})
def astray():
    return 1


@task.pod(**IMAGE, outlets=[Asset("counted")])
def count(given):
    return len(given)


@dag(schedule=None)
def functions():
    from datetime import date

    given = give(3, run="{{ run_id }}")
    fail(given)
    skip()
    astray()
    unusable(1)
    later(first({date(2026, 3, 1), date(2026, 4, 1)}))
    count(given["list"])
    each = add.partial(more=10).expand(given=add.override(task_id="listed")([1], [2, 3]))
    add.override(task_id="total")([each, "x"], [])


functions()
