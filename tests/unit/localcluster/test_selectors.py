"""Selectors: text to predicate."""

from __future__ import annotations

import pytest

from executor.localcluster.selectors import selection, view_of
from executor.localcluster.status import ApiError
from executor.localcluster.types import Json

_POD: Json = {
    "metadata": {"name": "p", "namespace": "n", "labels": {"app": "x", "tier": "1", "airflow.io/a": ""}},
    "spec": {"nodeName": "node-1"},
    "status": {"phase": "Running"},
}


@pytest.mark.parametrize(
    ("selector", "holds"),
    [
        ("", True),
        ("app=x", True),
        ("app = x", True),
        ("app==y", False),
        ("app!=y", True),
        ("missing!=y", True),
        ("missing=", False),
        ("airflow.io/a=", True),
        ("airflow.io/a", True),
        ("!missing", True),
        ("! app", False),
        ("app in (a, x)", True),
        ("app in (a,b)", False),
        ("app notin (a,b)", True),
        ("missing notin (a)", True),
        ("app=x,tier in (1,2),!missing", True),
        ("app=x,tier in (2,3)", False),
        ("tier>0", True),
        ("tier < 1", False),
    ],
)
def test_label_selectors(selector: str, holds: bool) -> None:
    selected = selection("Pod", selector, "")
    assert (selected is None or selected(view_of("Pod", _POD))) is holds


@pytest.mark.parametrize(
    ("selector", "holds"),
    [
        ("metadata.name=p", True),
        ("metadata.name==p,status.phase!=Failed", True),
        ("spec.nodeName=", False),
        ("spec.nodeName!=", True),
        ("status.podIP=", True),
        ("status.phase=Running,spec.nodeName=node-2", False),
        ("spec.hostNetwork=false", True),
    ],
)
def test_field_selectors(selector: str, holds: bool) -> None:
    selected = selection("Pod", "", selector)
    assert selected is not None
    assert selected(view_of("Pod", _POD)) is holds


@pytest.mark.parametrize(("labels", "fields"), [("a in", ""), ("a=b=c", ""), ("", "spec.image=x"), ("", "phase")])
def test_a_bad_selector(labels: str, fields: str) -> None:
    with pytest.raises(ApiError) as caught:
        selection("Pod", labels, fields)
    assert caught.value.code == 400


def test_a_field_of_another_kind_is_not_selectable() -> None:
    with pytest.raises(ApiError, match="is not a known field selector"):
        selection("ConfigMap", "", "spec.nodeName=x")
