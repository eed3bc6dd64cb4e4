"""What a template finds at its root: .Values, .Release, .Chart, .Capabilities, .Files, .Template."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from executor.templating.values import Struct, Value, ValuesMap, adopt

RELEASE: Mapping[str, Any] = {
    "Name": "release-name",
    "Namespace": "default",
    "Service": "Helm",
    "Revision": 1,
    "IsInstall": True,
    "IsUpgrade": False,
}
CHART: Mapping[str, Any] = {"Name": "chart", "Version": "0.1.0"}
CAPABILITIES: Mapping[str, Any] = {"KubeVersion": {"Version": "v1.36.0", "Major": "1", "Minor": "36"}}
_CHART_FIELDS: Mapping[str, Any] = {
    "Name": "",
    "Home": "",
    "Sources": [],
    "Version": "",
    "Description": "",
    "Keywords": [],
    "Maintainers": [],
    "Icon": "",
    "APIVersion": "v2",
    "Condition": "",
    "Tags": "",
    "AppVersion": "",
    "Deprecated": False,
    "Annotations": {},
    "KubeVersion": "",
    "Dependencies": [],
    "Type": "",
    "IsRoot": True,
}
_API_VERSIONS = [
    "v1",
    "admissionregistration.k8s.io/v1",
    "apiextensions.k8s.io/v1",
    "apps/v1",
    "authentication.k8s.io/v1",
    "authorization.k8s.io/v1",
    "autoscaling/v1",
    "autoscaling/v2",
    "batch/v1",
    "certificates.k8s.io/v1",
    "coordination.k8s.io/v1",
    "discovery.k8s.io/v1",
    "events.k8s.io/v1",
    "flowcontrol.apiserver.k8s.io/v1",
    "networking.k8s.io/v1",
    "node.k8s.io/v1",
    "policy/v1",
    "rbac.authorization.k8s.io/v1",
    "scheduling.k8s.io/v1",
    "storage.k8s.io/v1",
]


def root(
    values: Mapping[str, object],
    release: Mapping[str, object],
    chart: Mapping[str, object],
    capabilities: Mapping[str, object],
    *,
    name: str,
    floats: bool,
) -> dict[str, Value]:
    """The dot a template starts with. Mappings carry Helm's own keys and are laid over the defaults."""
    about = {**_CHART_FIELDS, **CHART, **chart}
    base_path = f"{about['Name']}/templates"
    return {
        "Values": ValuesMap(adopt(values, floats=floats)),
        "Release": {key: _plain(value, key) for key, value in {**RELEASE, **release}.items()},
        "Chart": Struct("chart.Metadata", {key: adopt(value, floats=False) for key, value in about.items()}),
        "Capabilities": _capabilities({**CAPABILITIES, **capabilities}),
        "Files": _files(),
        "Subcharts": {},
        "Template": {"Name": f"{base_path}/{name}", "BasePath": base_path},
    }


def _plain(value: object, key: str) -> Value:
    """Helm's own numbers are plain ints."""
    adopted = adopt(value, floats=False, path=f"release.{key}")
    return int(adopted) if isinstance(adopted, int) and not isinstance(adopted, bool) else adopted


def _capabilities(given: Mapping[str, Any]) -> Struct:
    version = given["KubeVersion"]
    if isinstance(version, str):
        version = {"Version": version}
    major, _, rest = str(version["Version"]).lstrip("v").partition(".")
    fields = {"Major": major, "Minor": rest.partition(".")[0], **version}
    fields["GitVersion"] = fields["Version"]
    kube = Struct("chartutil.KubeVersion", fields, {"String": ((), lambda: fields["Version"])}, shown=fields["Version"])
    helm = {"Version": "v3.21.1", "GitCommit": "", "GitTreeState": "", "GoVersion": "", **given.get("HelmVersion", {})}
    return Struct(
        "*chartutil.Capabilities",
        {
            "KubeVersion": kube,
            "APIVersions": _api_versions(list(given.get("APIVersions", _API_VERSIONS))),
            "HelmVersion": Struct("version.BuildInfo", helm),
        },
    )


def _api_versions(known: list[str]) -> Struct:
    shown = "[" + " ".join(known) + "]"
    return Struct("common.VersionSet", {}, {"Has": (("string",), lambda name: name in known)}, shown=shown)


def _files() -> Struct:
    """No files: a pod template has none beside it."""

    def lines(_: str) -> list[Value]:
        return []

    empty: dict[str, Any] = {
        "Get": (("string",), lambda _: ""),
        "GetBytes": (("string",), lambda _: []),
        "Lines": (("string",), lines),
        "Glob": (("string",), lambda _: _files()),
        "AsConfig": ((), lambda: "{}"),
        "AsSecrets": ((), lambda: "{}"),
    }
    return Struct("engine.files", {}, empty, shown="map[]")
