"""`PodOperator`: the provider's KubernetesPodOperator, as one pod and no worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, ClassVar

from airflow.sdk import BaseOperator
from airflow.triggers.base import StartTriggerArgs

from executor.operators import parameters as table
from executor.operators.accepting import RESUME, TRIGGER, accepted, computed_xcoms, start_args
from executor.operators.mapped import PodPartial, plain_arguments
from executor.operators.route import worker_reasons


class _StartArgs:
    """On the class a constant with no arguments, which is what mapping reads; on a task, what it has to tell."""

    def __get__(self, task: PodOperator | None, kind: type | None = None) -> StartTriggerArgs | None:
        if task is None or not task.is_ready:
            return StartTriggerArgs(trigger_cls=TRIGGER, next_method=RESUME, trigger_kwargs={})
        return None if task.worker_reasons else start_args(task.told, task.given_timeout)


class _StartsInTriggerer:
    """On the class True, which is what mapping reads; on a task, whether nothing of it needs a worker."""

    def __get__(self, task: PodOperator | None, kind: type | None = None) -> bool:
        return task is None or not task.worker_reasons


def with_signature(function: Callable[..., None]) -> Callable[..., None]:
    """Give the constructor the parameters of the table: Airflow, and whoever looks, reads them there."""
    function.__signature__ = table.signature()  # type: ignore[attr-defined]
    return function


class _ExecutionTimeout:
    """The trigger's own, counted from the pod's making: Airflow's would count from before a triggerer has the task, and
    end it by way of a worker, with the pod still there (Airflow `models/taskinstance.py`, `defer_task`)."""

    def __get__(self, task: PodOperator | None, kind: type | None = None) -> timedelta | None:
        if task is None or (task.is_ready and task.start_from_trigger):
            return None
        return task.given_timeout

    def __set__(self, task: PodOperator, value: timedelta | None) -> None:
        task.__dict__["given_timeout"] = value


class PodOperator(BaseOperator):
    """Runs a container image as the task: one pod, made and followed by the triggerer, and no worker.

    Takes the parameters of KubernetesPodOperator (cncf.kubernetes 10.25), with their defaults. What differs:

    - ``name``: how the pod's name begins; ``random_name_suffix``: the end of the name is a hash of the try, the same
      for everybody who looks for its pod. With False, and a name, the name is the whole of it, and must be free.
    - ``in_cluster=None``, with nothing said by the connection or config_file: the cluster of
      ``[kubernetes_executor]``, else the one the triggerer runs in, else the kubeconfig of its user.
    - ``poll_interval``, ``startup_check_interval_seconds``, ``base_container_status_polling_interval``,
      ``logging_interval``, ``deferrable``: nothing is polled, and the task is never resumed in a worker.
    - ``reattach_on_restart``, ``durable``: a try has one pod, whichever triggerer follows it. On the worker path a new
      try goes on with the pod that the one before left at work, unless they are False.
    - ``do_xcom_push``: the content of /airflow/xcom/return.json, without a sidecar and without exec. Where ``cmds`` are
      given, /bin/sh runs them and hands over up to 8 MiB; an image's own entry point, or an image without a shell, up
      to 4096 bytes.
    - ``trigger_kwargs``, ``is_delete_operator_pod``: refused.
    - ``execution_timeout`` is counted from the making of the pod, by the trigger.

    A task with a pool of its own, ``max_active_tis_per_*``, outlets, callbacks in Python, or a subclass's hooks takes
    the worker path: a worker makes and follows the pod, and the task's log says why.
    """

    template_fields: tuple[str, ...] = table.TEMPLATE_FIELDS
    template_fields_renderers: ClassVar[dict[str, str]] = {"env_vars": "py"}
    ui_color = "#b8d8f5"
    BASE_CONTAINER_NAME = "base"

    start_trigger_args = _StartArgs()
    start_from_trigger = _StartsInTriggerer()
    execution_timeout = _ExecutionTimeout()
    given_timeout: timedelta | None = None

    base_container_name: str
    is_ready: bool = False
    killer: Callable[[], None] | None = None

    @with_signature
    def __init__(self, **given: Any) -> None:
        own = {one.name: given.pop(one.name, one.default) for one in table.PARAMETERS}
        super().__init__(**given)
        for name, value in own.items():
            setattr(self, name, accepted(f"PodOperator {self.task_id}", name, value))
        if not self.base_container_name:
            self.base_container_name = self.BASE_CONTAINER_NAME
        self.is_ready = True

    @classmethod
    def partial(cls, *, task_id: str, **given: Any) -> PodPartial:
        """The arguments that all instances of a mapped task share. Raises RefusedParameterError."""
        made = super().partial(task_id=task_id, **plain_arguments(f"{cls.__name__} {task_id}", given))
        made._expand_called = True  # the one that is not used; the other warns if it is never mapped
        return PodPartial(operator_class=cls, kwargs=made.kwargs, params=made.params, home=PodOperator)

    @classmethod
    def home(cls) -> type:
        """The class of this package whose hooks a triggerer stands in for; a user's subclass may have others."""
        return PodOperator

    @property
    def told(self) -> Mapping[str, Any]:
        """What its pod is made of, by parameter, beside much else."""
        return vars(self)

    @property
    def worker_reasons(self) -> tuple[str, ...]:
        """Why this task needs a worker; empty: it starts in the triggerer."""
        return (*worker_reasons(vars(self), type(self), self.home(), self._dag), *computed_xcoms(vars(self)))

    def execute(self, context: Any) -> Any:
        """The worker path."""
        from executor.operators.worker import carry_out

        return carry_out(self, context)

    def dry_run(self) -> None:
        """Print the pod that would be made, with its templates as they are written; asks no cluster."""
        from executor.operators.preview import pod_text

        print(pod_text(self))  # noqa: T201

    def on_kill(self) -> None:
        """Delete the pod, as on_kill_action says; called in the worker when the task is taken from it."""
        if self.killer is not None:
            self.killer()
