"""`@task.pod`: a Python function in a container of its own image, by way of PodOperator: one pod, and no worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Final, cast

import attrs
from airflow.sdk.bases.decorator import DecoratedOperator, TaskDecorator, _TaskDecorator
from airflow.sdk.bases.operator import get_merged_defaults
from airflow.sdk.definitions.mappedoperator import MappedOperator
from airflow.sdk.definitions.xcom_arg import PlainXComArg, XComArg
from msgspec import to_builtins

from executor.operators.function_arguments import refuse_context, travelling, travelling_input
from executor.operators.function_container import JSON, PICKLE
from executor.operators.function_source import function_of, refuse_unplain
from executor.operators.mapped import ExpandInput, decide_start, plain_arguments, with_defaults
from executor.operators.operator import PodOperator
from executor.operators.parameters import TEMPLATE_FIELDS
from executor.operators.plain import RefusedParameterError

NAME: Final = "@task.pod"
_PROGRAM: Final = frozenset({"cmds", "arguments"})
_PYTHON: Final = "python3"


def pod_task(
    python_callable: Callable[..., Any] | None = None, *, multiple_outputs: bool | None = None, **given: Any
) -> TaskDecorator:
    """`@task.pod(image=..., ...)`: the function's source runs in a container of the image.

    :param image: has a Python from 3.8 on; neither Airflow nor a shell is needed in it.
    :param serializer: ``json`` (arguments and result are JSON) or ``pickle`` (what is not JSON is pickled; both sides
        need the same classes, and unpickling runs code, so each upstream task is trusted).
    :param python: the interpreter in the image, by name or path; ``python3``.
    :param multiple_outputs: an XCom for each key of the dict that is returned.
    :param do_xcom_push: whether the result is wanted; True.

    And all parameters of PodOperator but `cmds` and `arguments`. Raises RefusedParameterError, when the DAG is parsed,
    for a function whose source cannot run alone, and for arguments that cannot travel.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        with _naming(f"{NAME} {given.get('task_id') or getattr(function, '__name__', '')}"):
            refuse_unplain(function)
        outputs = attrs.NOTHING if multiple_outputs is None else multiple_outputs
        return PodTaskDecorator(
            function=function,
            multiple_outputs=cast("bool", outputs),
            operator_class=PodFunctionOperator,
            kwargs=dict(given),
            decorator_name=NAME.lstrip("@"),
        )

    return cast("TaskDecorator", decorate if python_callable is None else decorate(python_callable))


class PodFunctionOperator(DecoratedOperator, PodOperator):
    """One call of a `@task.pod` function."""

    custom_operator_name = NAME
    template_fields: tuple[str, ...] = (
        "op_args",
        "op_kwargs",
        *(name for name in TEMPLATE_FIELDS if name not in _PROGRAM),
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        **DecoratedOperator.template_fields_renderers,
        **PodOperator.template_fields_renderers,
    }

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        task_id: str,
        serializer: str = JSON,
        python: str = _PYTHON,
        do_xcom_push: bool = True,
        **given: Any,
    ) -> None:
        self.who = f"{NAME} {task_id}"
        with _naming(self.who):
            self.function = _told_function(python_callable, {"serializer": serializer, "python": python, **given})
        super().__init__(python_callable=python_callable, task_id=task_id, do_xcom_push=do_xcom_push, **given)
        with _naming(self.who):
            refuse_context(python_callable, self.op_kwargs, len(self.op_args))

    @classmethod
    def home(cls) -> type:
        """The class of this package whose hooks a triggerer stands in for."""
        return PodFunctionOperator

    @property
    def told(self) -> Mapping[str, Any]:
        """With the arguments as they travel. Raises RefusedParameterError."""
        with _naming(self.who):
            return {**vars(self), **travelling(self.function, list(self.op_args), self.op_kwargs)}


@attrs.define(slots=False)
class PodTaskDecorator(_TaskDecorator[Any, Any, PodFunctionOperator]):
    """With `expand`, whose instances start in the triggerer, too."""

    def _expand(self, expand_input: ExpandInput, *, strict: bool) -> XComArg:
        who = f"{NAME} {self.kwargs['task_id']}"
        kwargs = {"do_xcom_push": True, **plain_arguments(who, self.kwargs)}
        with _naming(who):
            function = _told_function(self.function, {**kwargs, "multiple_outputs": self.multiple_outputs})
            arguments = travelling(function, (), kwargs.get("op_kwargs") or {})
            if isinstance(expand_input.value, Mapping):
                refuse_context(self.function, {*arguments["op_kwargs"], *expand_input.value}, 0)
            expand_input.value = travelling_input(function, expand_input.value)
        made = super(PodTaskDecorator, attrs.evolve(self, kwargs=kwargs))._expand(expand_input, strict=strict)
        mapped = cast("MappedOperator", cast("PlainXComArg", made).operator)
        given = {**mapped.partial_kwargs, **arguments, "function": function, "multiple_outputs": self.multiple_outputs}
        defaults, _ = get_merged_defaults(mapped.dag, mapped.task_group, None, kwargs.get("default_args"))
        decide_start(mapped, with_defaults(who, given, defaults), PodFunctionOperator)
        return made


def _told_function(function: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What travels of the function itself. Raises RefusedParameterError."""
    program = next((name for name in sorted(_PROGRAM) if given.get(name)), "")
    if program:
        raise RefusedParameterError(f"{program} cannot be honoured: the function is the program")
    serializer = given.get("serializer", JSON)
    if serializer not in (JSON, PICKLE):
        raise RefusedParameterError(f"serializer={serializer!r} is not known: write 'json' or 'pickle'")
    found: dict[str, Any] = to_builtins(function_of(function))
    outputs = bool(given.get("multiple_outputs"))
    return {**found, "serializer": serializer, "python": given.get("python", _PYTHON), "multiple_outputs": outputs}


@contextmanager
def _naming(who: str) -> Iterator[None]:
    try:
        yield
    except RefusedParameterError as error:
        raise RefusedParameterError(f"{who}: {error}") from None
