"""Writes `executor/manifest/pod_schema.json`, the field types of a Pod, from the installed Kubernetes client.

Run it after the client was upgraded: `python -m tests.unit.manifest.generate_pod_schema`. A test fails while the
file and the client differ. The client calls quantities text and ports objects, so which fields are those is said here.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from kubernetes.client import models

from executor.manifest import pod_schema

SCHEMA_FILE = Path(pod_schema.__file__).with_name("pod_schema.json")

# Kubernetes API reference: `Quantity` is written as text or as a number, `IntOrString` as either.
LOOSER = {
    ("V1ResourceRequirements", "limits"): "dict[str, quantity]",
    ("V1ResourceRequirements", "requests"): "dict[str, quantity]",
    ("V1VolumeResourceRequirements", "limits"): "dict[str, quantity]",
    ("V1VolumeResourceRequirements", "requests"): "dict[str, quantity]",
    ("V1PodSpec", "overhead"): "dict[str, quantity]",
    ("V1ContainerStatus", "allocatedResources"): "dict[str, quantity]",
    ("V1PodStatus", "allocatedResources"): "dict[str, quantity]",
    ("V1EmptyDirVolumeSource", "sizeLimit"): "quantity",
    ("V1ResourceFieldSelector", "divisor"): "quantity",
    ("V1HTTPGetAction", "port"): "int-or-str",
    ("V1TCPSocketAction", "port"): "int-or-str",
}


def generate() -> dict[str, dict[str, str]]:
    """Return model name -> field name -> type, for every model that can be reached from a Pod."""
    schema: dict[str, dict[str, str]] = {}
    wanted = ["V1Pod"]
    while wanted:
        name = wanted.pop()
        if name in schema:
            continue
        schema[name] = _fields(name)
        wanted += re.findall(r"\b(?:[A-Z]\w*)?V1[A-Z]\w*", " ".join(schema[name].values()))
    return dict(sorted(schema.items()))


def _fields(name: str) -> dict[str, str]:
    model = getattr(models, name)
    types = {model.attribute_map[attribute]: kind for attribute, kind in model.openapi_types.items()}
    return {field: LOOSER.get((name, field), kind) for field, kind in types.items()}


if __name__ == "__main__":
    SCHEMA_FILE.write_text(json.dumps(generate(), indent=0, sort_keys=True) + "\n")
