"""Every value set renders to what Helm makes of it: recorded, and made by Helm's own engine now."""

from __future__ import annotations

import pytest

from tests.chart.rendering import by_name, notes, objects
from tests.chart.sets import SETS, HelmAnswer, ValueSet, helm, rendered

each_set = pytest.mark.parametrize("given", SETS.values(), ids=SETS.keys())


@pytest.fixture(scope="module")
def engine(helm_python: str) -> dict[str, HelmAnswer]:
    """Helm's renderings of all value sets, now."""
    answers = helm(helm_python, [(one.values, one.release, one.namespace) for one in SETS.values()])
    return dict(zip(SETS, answers, strict=True))


@each_set
def test_equals_the_golden(given: ValueSet) -> None:
    recorded = by_name(given.recorded())
    assert rendered(given.name).keys() == recorded.keys()
    for name, one in recorded.items():
        assert rendered(given.name)[name] == one, name


@each_set
def test_helm_makes_the_same_now(given: ValueSet, engine: dict[str, HelmAnswer]) -> None:
    answer = engine[given.name]
    assert not answer.error
    made = [one for file, text in answer.files.items() if file != "NOTES.txt" for one in objects(text, file)]
    assert by_name(made) == by_name(given.recorded()) == rendered(given.name)
    assert notes(given.values, release=given.release, namespace=given.namespace) == answer.files["NOTES.txt"]


def test_every_golden_has_its_values() -> None:
    goldens = {file.stem for file in SETS["trial"].golden.parent.glob("*.yaml")}
    assert goldens == set(SETS)
    assert len(SETS) >= 10
