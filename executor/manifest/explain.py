"""Says in a DAG author's words what the API server's strict decoding found.

The server answers 400 without causes, `strict decoding error: unknown field "spec.containers[0].imagePullPolcy", ...`
(Kubernetes API server, `fieldValidation=Strict`); list elements are by index there, and no layer is known.
"""

from __future__ import annotations

import difflib
import re

from executor.manifest.model import BuiltPod
from executor.manifest.pod_schema import POD, fields_of
from executor.manifest.provenance import Provenance

_COMPLAINT = re.compile(r'(unknown|duplicate) field "([^"]+)"')


def explain_strict_error(message: str, built: BuiltPod) -> str:
    """Return `message` with each field's container, layer and nearest right name; unchanged if it names no field."""
    found = [_sentence(kind, path, built.provenance) for kind, path in _COMPLAINT.findall(message)]
    return "; ".join(dict.fromkeys(found)) if found else message


def _sentence(kind: str, path: str, provenance: Provenance) -> str:
    text = f"{provenance.layer_of(path)}: {provenance.readable(path)} is {_KINDS[kind]}"
    near = nearest_field(path) if kind == "unknown" else None
    return f"{text}; did you mean {near}?" if near else text


_KINDS = {
    "unknown": "a field that this Kubernetes does not know",
    "duplicate": "a field that is given twice",
}


def nearest_field(path: str) -> str | None:
    """Return the known field whose name is closest to the last step of `path`, if one is close."""
    *parents, name = re.sub(r"\[[^\]]*\]", "", path).split(".")
    model: str | None = POD
    for parent in parents:
        field = fields_of(model).get(parent)
        model = field.leaf if field else None
    near = difflib.get_close_matches(name, fields_of(model), 1, 0.7)
    return near[0] if near else None
