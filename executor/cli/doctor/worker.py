"""What a worker finds in its pod: environment, mounted folders, a configuration file. Pure, read off a manifest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

Json = Mapping[str, Any]

BASE: Final = "base"
_SOURCE: Final = frozenset({"name"})


class Worker:
    """Container `base` of a manifest."""

    def __init__(self, manifest: Json) -> None:
        self._spec: Json = manifest["spec"]
        self.base: Json = next(one for one in self._spec["containers"] if one.get("name") == BASE)

    def variable(self, name: str) -> str | None:
        """The value of an environment variable where the pod states it; None where it does not."""
        return next((one.get("value") for one in reversed(self.base.get("env") or ()) if one.get("name") == name), None)

    def refers_for(self, name: str) -> bool:
        """Whether the variable's value comes from elsewhere: a Secret, a ConfigMap, a field of the pod."""
        return any(one.get("name") == name and one.get("valueFrom") for one in self.base.get("env") or ())

    @property
    def has_hidden_variables(self) -> bool:
        """Whether further variables come from Secrets or ConfigMaps."""
        return bool(self.base.get("envFrom"))

    @property
    def has_airflow_cfg(self) -> bool:
        """Whether a file airflow.cfg is mounted, as the charts do: then its configuration is the scheduler's."""
        return any(
            PurePosixPath(str(one.get("mountPath"))).name == "airflow.cfg"
            for one in self.base.get("volumeMounts") or ()
        )

    def may_know(self, *names: str) -> bool:
        """Whether one of these variables reaches the worker, as far as the pod tells."""
        stated = any(self.variable(name) is not None or self.refers_for(name) for name in names)
        return stated or self.has_hidden_variables or self.has_airflow_cfg

    def volume_of(self, folder: str) -> Json | None:
        """The volume in which this folder of the container lies; None if it is the image's."""
        mounts = [one for one in self.base.get("volumeMounts") or () if _is_within(folder, str(one.get("mountPath")))]
        if not mounts:
            return None
        nearest = max(mounts, key=lambda one: len(str(one.get("mountPath"))))
        return next((one for one in self._spec.get("volumes") or () if one.get("name") == nearest.get("name")), None)

    def is_filled(self, volume: Json) -> bool:
        """Whether an init container or a sidecar mounts the volume, too."""
        return any(volume.get("name") in _mounted(one) for one in self._others())

    def _others(self) -> Iterator[Json]:
        yield from self._spec.get("initContainers") or ()
        yield from (one for one in self._spec["containers"] if one.get("name") != BASE)


def kind_of(volume: Json) -> str:
    """What a volume is: emptyDir, persistentVolumeClaim ..."""
    return next(iter(volume.keys() - _SOURCE), "emptyDir")


def _mounted(container: Json) -> set[Any]:
    return {one.get("name") for one in container.get("volumeMounts") or ()}


def _is_within(folder: str, mount: str) -> bool:
    return PurePosixPath(folder).is_relative_to(PurePosixPath(mount))
