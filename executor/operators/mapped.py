"""`PodOperator.partial(...).expand(...)`: mapped tasks start in the triggerer too.

What all instances have in common travels as arguments of the trigger; what differs stays in the stored DAG, where the
trigger looks up its map index. Both are plain JSON before Airflow stores them, since other objects become text there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
from airflow.sdk.bases.operator import get_merged_defaults
from airflow.sdk.definitions._internal.expandinput import DictOfListsExpandInput, ListOfDictsExpandInput
from airflow.sdk.definitions._internal.mixins import ResolveMixin
from airflow.sdk.definitions.mappedoperator import MappedOperator, OperatorPartial
from airflow.sdk.definitions.xcom_arg import PlainXComArg

from executor.operators import parameters as table
from executor.operators.accepting import accepted, computed_xcoms, start_args
from executor.operators.route import worker_reasons

ExpandInput = DictOfListsExpandInput | ListOfDictsExpandInput


@attrs.define(kw_only=True, repr=False)
class PodPartial(OperatorPartial):
    """What `PodOperator.partial` gives. `home` is PodOperator itself, of which `operator_class` may be a subclass."""

    home: type

    def _expand(self, expand_input: ExpandInput, *, strict: bool) -> MappedOperator:
        kind = self.operator_class
        expand_input.value = _plain_input(f"{kind.__name__} {self.kwargs['task_id']}", expand_input.value)
        given = {name: value for name, value in self.kwargs.items() if name != "default_args"}
        defaults, _ = get_merged_defaults(given["dag"], given["task_group"], None, None)
        common = with_defaults(kind.__name__, given, defaults)
        mapped = super()._expand(expand_input, strict=strict)
        decide_start(mapped, common, self.home)
        return mapped


def with_defaults(who: str, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of all instances, with what the DAG and the task group say for all their tasks."""
    missing = table.BY_NAME.keys() & defaults.keys() - given.keys()
    return {**given, **{name: accepted(who, name, defaults[name]) for name in missing}}


def decide_start(mapped: MappedOperator, common: Mapping[str, Any], home: type) -> None:
    """Have the instances start in the triggerer, unless something of them needs a worker."""
    reasons = (
        *worker_reasons(common, mapped.operator_class, home, mapped.dag),
        *computed_xcoms(common),
        *_of_input(mapped._get_specified_expand_input().value),
    )
    mapped.start_from_trigger = not reasons
    mapped.start_trigger_args = None if reasons else start_args(common, common.get("execution_timeout"))
    if not reasons:
        mapped.partial_kwargs["execution_timeout"] = None  # the trigger's own, see PodOperator


def plain_arguments(who: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments with those of PodOperator as plain JSON. Raises RefusedParameterError."""
    return {name: accepted(who, name, value) if name in table.BY_NAME else value for name, value in arguments.items()}


def _plain_input(who: str, value: Any) -> Any:
    """Of `expand` a map of lists, of `expand_kwargs` a list of maps; either may be an XCom."""
    if isinstance(value, Mapping):
        return {name: _plain_list(who, name, given) for name, given in value.items()}
    if isinstance(value, Sequence):
        return [plain_arguments(who, one) if isinstance(one, Mapping) else one for one in value]
    return value


def _plain_list(who: str, name: str, given: Any) -> Any:
    if name not in table.BY_NAME or not isinstance(given, list | tuple):
        return given
    return [accepted(who, name, one) for one in given]


def _of_input(value: Any) -> tuple[str, ...]:
    found = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else [value]
    computed = [one for one in found if isinstance(one, ResolveMixin) and not isinstance(one, PlainXComArg)]
    return ("what it is mapped over is computed from XComs, which a worker does",) if computed else ()
