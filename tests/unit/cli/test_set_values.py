"""`--set` as Helm reads it."""

from __future__ import annotations

from typing import Any

import pytest

from executor.cli.set_values import set_values

GIVEN: list[Any] = [
    (["a=b"], {"a": "b"}),
    (["a.b=c"], {"a": {"b": "c"}}),
    (["a.b=1,a.c=true", "a.d=null"], {"a": {"b": 1, "c": True, "d": None}}),
    (["a=1.5,b=007,c=-3"], {"a": "1.5", "b": "007", "c": -3}),
    (["a={x,y,3}"], {"a": ["x", "y", 3]}),
    (["a[0].name=x,a[0].image=y,a[1].name=z"], {"a": [{"name": "x", "image": "y"}, {"name": "z"}]}),
    (["a[1]=x"], {"a": [None, "x"]}),
    ([r"a\.b=c"], {"a.b": "c"}),
    ([r"a=b\,c"], {"a": "b,c"}),
    (["a="], {"a": ""}),
    (["a=b=c"], {"a": "b=c"}),
    (["a=b", "a.c=d"], {"a": {"c": "d"}}),
    ([], {}),
]


@pytest.mark.parametrize(("texts", "values"), GIVEN)
def test_values(texts: list[str], values: dict[str, Any]) -> None:
    assert set_values(texts) == values


@pytest.mark.parametrize("text", ["a", "=b", "[0]=x", "a[99999]=x"])
def test_what_is_no_key_and_value(text: str) -> None:
    with pytest.raises(ValueError, match=f"^--set {text}: ".replace("[", r"\[")):
        set_values([text])
