"""The checked-in table of field types is that of the installed client."""

from __future__ import annotations

import json

from executor.manifest.merge_rules import _MERGE_KEYS, _UNIONS
from executor.manifest.pod_schema import Field, fields_of
from tests.unit.manifest.generate_pod_schema import LOOSER, SCHEMA_FILE, generate


def test_the_table_is_the_clients() -> None:
    advice = "run: python -m tests.unit.manifest.generate_pod_schema"
    assert json.loads(SCHEMA_FILE.read_text()) == generate(), advice


def test_fields_are_parsed_by_shape() -> None:
    container = fields_of("V1Container")
    assert container["env"] == Field("list", "V1EnvVar")
    assert container["args"] == Field("list", "str")
    assert container["resources"] == Field("object", "V1ResourceRequirements")
    assert fields_of("V1ObjectMeta")["labels"] == Field("map", "str")
    assert fields_of("V1ResourceRequirements")["limits"] == Field("map", "quantity")
    assert fields_of("NoModel") == fields_of(None) == {}


def test_the_hand_written_tables_name_real_fields() -> None:
    for table in (_MERGE_KEYS, _UNIONS):
        for model, names in table.items():
            unknown = set(names) - set(fields_of(model)) - {"sleep", "tcpSocket", "grpc"}
            assert not unknown, f"{model}: {unknown}"
    for model, field in LOOSER:
        assert field in fields_of(model)
