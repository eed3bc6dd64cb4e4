"""Pods from layers: template + configuration + secrets + override + identity -> a plain dict, with provenance.

Pure except for `TemplateSource`, which reads files. Imports neither Airflow nor the Kubernetes client.
"""

from __future__ import annotations

from executor.manifest.builder import PodBuilder, finalize
from executor.manifest.errors import ManifestError, MergeError
from executor.manifest.explain import explain_strict_error
from executor.manifest.merge import strategic_merge
from executor.manifest.model import BuiltPod, ManifestSettings, PodRequest, WorkloadMount
from executor.manifest.plain import to_plain
from executor.manifest.provenance import Provenance
from executor.manifest.template_source import SHIPPED_TEMPLATE, TemplateSource

__all__ = [
    "SHIPPED_TEMPLATE",
    "BuiltPod",
    "ManifestError",
    "ManifestSettings",
    "MergeError",
    "PodBuilder",
    "PodRequest",
    "Provenance",
    "TemplateSource",
    "WorkloadMount",
    "explain_strict_error",
    "finalize",
    "strategic_merge",
    "to_plain",
]
