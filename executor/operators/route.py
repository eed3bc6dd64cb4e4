"""Triggerer or worker: what a task has decides, when its DAG is stored.

A task that starts in the triggerer has no worker around it, so whatever a worker would do for it is lost: pools, asset
events, callbacks of the DAG file, hooks of a subclass (Airflow `models/dagrun.py`, `schedule_tis`; `models/trigger.py`,
`handle_event_submit`). Such a task takes the worker path, and its log says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from airflow.configuration import conf

from executor.operators.parameters import PARAMETERS, Use

DEFAULT_POOL: Final = "default_pool"
BASE_XCOM: Final = "airflow.sdk.execution_time.xcom.BaseXCom"
_OLD_BASE_XCOM: Final = ("airflow.sdk.bases.xcom.BaseXCom", "airflow.models.xcom.BaseXCom")
_HOOKS: Final = ("execute", "pre_execute", "post_execute", "on_kill", "render_template_fields")
_LIMITS: Final = ("max_active_tis_per_dag", "max_active_tis_per_dagrun")


def worker_reasons(values: Mapping[str, Any], kind: type, home: type, dag: Any) -> tuple[str, ...]:
    """Why the task needs a worker; empty: it starts in the triggerer.

    values: attributes of the operator, or arguments of a mapped one; kind: its class; home: PodOperator.
    """
    return (*_of_scheduling(values), *_of_python(values), *_of_class(kind, home), *_of_dag(dag))


def _of_scheduling(values: Mapping[str, Any]) -> Iterator[str]:
    pool = values.get("pool") or DEFAULT_POOL
    if pool != DEFAULT_POOL:
        yield f"pool {pool!r} counts only tasks that go to a worker"
    yield from (f"{name} counts only tasks that go to a worker" for name in _LIMITS if values.get(name) is not None)
    if values.get("outlets"):
        yield "asset events of outlets are written by a worker"
    if values.get("inlets"):
        yield "inlets are read by a worker"


def _of_python(values: Mapping[str, Any]) -> Iterator[str]:
    if values.get("on_execute_callback"):
        yield "on_execute_callback is called by a worker"
    for name in ("_pre_execute_hook", "_post_execute_hook", "pre_execute", "post_execute"):
        if values.get(name) is not None:
            yield f"{name.strip('_')} is called by a worker"
    yield from (one.why for one in PARAMETERS if one.use is Use.WORKER and values.get(one.name))
    if _custom_backend():
        yield "the custom [core] xcom_backend is used by workers only"


def _custom_backend() -> bool:
    backend = conf.get("core", "xcom_backend", fallback=BASE_XCOM)
    return backend not in (BASE_XCOM, *_OLD_BASE_XCOM)


def _of_class(kind: type, home: type) -> Iterable[str]:
    if kind is home:
        return ()
    return (
        f"{kind.__name__}.{name} is called by a worker"
        for name in _HOOKS
        if getattr(kind, name, None) is not getattr(home, name, None)
    )


def _of_dag(dag: Any) -> Iterator[str]:
    """What templates use and is not stored with the DAG."""
    for name in ("user_defined_macros", "user_defined_filters", "jinja_environment_kwargs"):
        if getattr(dag, name, None):
            yield f"the DAG's {name} are known to workers only"
