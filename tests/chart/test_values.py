"""values.yaml, its schema and helm/README.md say the same; what is wrong is refused by a sentence with its place."""

from __future__ import annotations

from typing import Any

import pytest

from executor.templating import TemplateError
from tests.chart.readme import README, readme, values
from tests.chart.rendering import render
from tests.chart.schema import objects_that_take_any_key, refusals
from tests.chart.sets import SETS, helm

EXTERNAL = {"postgresql": {"enabled": False}}
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"replicas": 2}, "Additional properties are not allowed ('replicas' was unexpected)"),
    ({"scheduler": {"replica": 2}}, "scheduler: Additional properties are not allowed ('replica' was unexpected)"),
    ({"workers": {"resources": {"request": {}}}}, "workers.resources: Additional properties are not allowed"),
    ({"env": [{"name": "A", "val": "1"}]}, "env.0: Additional properties are not allowed"),
    ({"scheduler": {"replicas": "2"}}, "scheduler.replicas: '2' is not of type 'integer'"),
    ({"scheduler": {"args": "airflow scheduler"}}, "scheduler.args: 'airflow scheduler' is not of type 'array'"),
    ({"workers": {"env": [{"name": "N", "value": 1}]}}, "workers.env.0.value: 1 is not of type 'string'"),
    ({"envSecrets": [{"env": "A", "secret": "s"}]}, "envSecrets.0: 'key' is a required property"),
    ({"dags": {"source": "s3"}}, "dags.source: 's3' is not one of ['image', 'volume', 'gitSync']"),
    ({"apiServer": {"service": {"port": 0}}}, "apiServer.service.port: 0 is less than the minimum of 1"),
    ({"executor": {"class": "CeleryExecutor"}}, "executor.class: 'CeleryExecutor' does not match"),
    ({"podTemplates": {"a/b": "x"}}, "podTemplates: 'a/b' does not match any of the regexes"),
    ({"executor": {"namespaces": ["Team"]}}, "executor.namespaces.0: 'Team' does not match"),
    (
        EXTERNAL,
        "externalDatabase.secret: 'the name of a Secret with the URL of the database, because postgresql.enabled",
    ),
    (
        {"externalDatabase": {"secret": "s"}},
        "postgresql.enabled: 'false, because externalDatabase.secret names another",
    ),
    (
        {"dags": {"source": "gitSync"}},
        "dags.gitSync.repo: 'the address of a repository, because dags.source is gitSync",
    ),
    (
        {"logs": {"remote": {"enabled": True}}},
        "logs.remote.folder: 'where task logs go, because logs.remote.enabled is",
    ),
    ({"secrets": {"existing": "s", "jwtSecret": "j"}}, "secrets.jwtSecret: 'empty, because secrets.existing has it'"),
    (
        {"triggerer": {"serviceAccount": {"create": False}}},
        "triggerer.serviceAccount.name: 'the name of a ServiceAccount, because create is false'",
    ),
    (
        {"executor": {"namespaces": ["team"]}, "logs": {"persistence": {"enabled": True}}},
        "logs.persistence.existingClaim: 'the name of a claim that exists in each of executor.namespaces, because",
    ),
    (
        {"executor": {"namespaces": ["team"]}, "dags": {"source": "volume"}},
        "dags.volume.existingClaim: 'the name of a claim that exists in each of executor.namespaces, because",
    ),
]
FAILED: list[tuple[dict[str, Any], str]] = [
    ({"config": {"core": {"executor": "X"}}}, "config.core.executor: name the executor in executor.class"),
    (
        {"config": {"kubernetes_executor": {"namespace": "x"}}},
        "config.kubernetes_executor: its options belong into executor.config.kubernetes_executor",
    ),
    (
        {"config": {"database": {"sql_alchemy_conn": "postgresql://u:p@h/d"}}},
        "config.database.sql_alchemy_conn: everybody who may read ConfigMaps would see it; it belongs into "
        "externalDatabase.secret",
    ),
    ({"podTemplates": {"pod_template_file": "spec:"}}, "podTemplates.pod_template_file: that name is the default's"),
    ({"executor": {"namespaces": ["airflow"]}}, "executor.namespaces: the release's own namespace is always one of"),
]
OPEN = {
    "affinity",
    "claims[]",
    "configMapRef",
    "containerSecurityContext",
    "global",
    "podSecurityContext",
    "secretRef",
    "valueFrom",
}  # parts of Kubernetes' own objects, which the API server judges; and Helm's map for parent charts


def test_every_value_is_documented() -> None:
    assert [one.path for one in values() if not one.text] == []


def test_the_readme_is_generated() -> None:
    assert README.read_text() == readme(), "run python -m tests.chart.readme"


@pytest.mark.parametrize("name", SETS)
def test_the_value_sets_are_good(name: str) -> None:
    assert refusals(SETS[name].values) == []


def test_the_defaults_are_good_and_every_key_has_a_default() -> None:
    assert refusals({}) == []
    assert {place.rpartition("/")[2] for place in objects_that_take_any_key()} == OPEN


@pytest.mark.parametrize(("given", "said"), REFUSED, ids=[said[:60] for _, said in REFUSED])
def test_the_schema_refuses(given: dict[str, Any], said: str) -> None:
    found = refusals(given)
    assert len(found) == 1, found
    assert said in found[0]


@pytest.mark.parametrize(("given", "said"), FAILED, ids=[said[:40] for _, said in FAILED])
def test_what_no_schema_can_say_fails_with_a_sentence(given: dict[str, Any], said: str) -> None:
    assert refusals(given) == []
    with pytest.raises(TemplateError) as caught:
        render(given)
    assert said in str(caught.value)


def test_helm_refuses_all_of_them(helm_python: str) -> None:
    wrong = [*REFUSED, *FAILED]
    answers = helm(helm_python, [(given, "airflow", "airflow") for given, _ in wrong])
    for (given, said), answer in zip(wrong, answers, strict=True):
        place = said.partition(":")[0] if ": " in said else ""
        words = place if (given, said) in FAILED else place.replace(".", "/")
        assert answer.error, given
        assert words in answer.error


@pytest.mark.parametrize("missing", ["dags.gitSync.repo", "logs.remote.folder", "externalDatabase.secret"])
def test_without_the_schema_the_templates_say_it(missing: str) -> None:
    """`helm install --skip-schema-validation`."""
    given = {
        "dags.gitSync.repo": {"dags": {"source": "gitSync"}},
        "logs.remote.folder": {"logs": {"remote": {"enabled": True}}},
        "externalDatabase.secret": EXTERNAL,
    }[missing]
    with pytest.raises(TemplateError, match=missing):
        render(given)
