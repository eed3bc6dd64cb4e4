"""Label values and names for any text."""

from __future__ import annotations

import re

from airflow.providers.cncf.kubernetes.pod_generator import make_safe_label_value
from hypothesis import given
from hypothesis import strategies as st

from executor.identity import Identity, labels, pod_name, safe_label_value

LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")

texts = st.text(max_size=260) | st.text("ab_-.9é:", max_size=80)


@given(texts)
def test_every_text_has_a_valid_value(text: str) -> None:
    assert LABEL_VALUE.fullmatch(safe_label_value(text))


@given(texts.filter(lambda text: not any("\ud800" <= c <= "\udfff" for c in text)))
def test_the_value_is_upstreams_where_that_is_valid(text: str) -> None:
    upstream = make_safe_label_value(text)
    if LABEL_VALUE.fullmatch(upstream):
        assert safe_label_value(text) == upstream


@given(texts, texts)
def test_different_texts_have_different_values(one: str, other: str) -> None:
    assert (safe_label_value(one) == safe_label_value(other)) == (one == other)


@given(texts, texts, st.uuids().map(str), st.integers(1, 99))
def test_every_task_has_a_valid_name_and_labels(dag_id: str, task_id: str, launch: str, attempt: int) -> None:
    who = Identity(launch, attempt, launch, dag_id, task_id, "r", 1, -1, "d", "1", "3.3.2")
    assert DNS_LABEL.fullmatch(pod_name(who))
    assert all(LABEL_VALUE.fullmatch(value) for value in labels(who).values())
