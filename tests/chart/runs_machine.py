"""What a chart needs of a cluster and one machine does not have; nothing else of what was rendered is touched.

- no registry: `images_file` says that the chart's image is this machine's own files, with DAGs where the image has them
- nothing binds volume claims: `fitted` makes each a folder that all pods share
- no cluster DNS: `fitted` writes the Services' names into the pods' /etc/hosts
- no controllers: `pods_of` makes the pods of a Deployment, StatefulSet or Job
- a pod has no address of its own, so that ports are this machine's: the values choose free ones (`runs_values`)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from executor.demo.home import search_path

Object = dict[str, Any]
LOOPBACK = "127.0.0.1"
WITH_PODS = ("Deployment", "StatefulSet", "Job")


def images_file(file: Path, images: Iterable[str], dags: Path) -> Path:
    """The local cluster's images file: `images` have what the official one has, at its places."""
    entry = {
        # As the official entrypoint does at last: what the arguments say, in place of itself.
        "entrypoint": ["/usr/bin/env"],
        "env": {"PATH": search_path(), "AIRFLOW_HOME": "/opt/airflow"},
        "workdir": "/opt/airflow",
        "mounts": {"/opt/airflow/dags": str(dags)},
    }
    file.write_text(yaml.safe_dump(dict.fromkeys(images, entry)))
    return file


class Machine:
    """Fits the objects of one installation to this machine. `shared`: where the folders of volume claims are made."""

    def __init__(self, objects: Iterable[Object], shared: Path) -> None:
        self._shared = shared
        self._names = [name for one in objects if one["kind"] == "Service" for name in _service_names(one)]

    def fitted(self, one: Object) -> Object:
        """An object with what its pods need in place; ConfigMaps may hold pods as text."""
        if one["kind"] in WITH_PODS:
            template = one["spec"]["template"]
            return {**one, "spec": {**one["spec"], "template": {**template, "spec": self._pod_spec(template["spec"])}}}
        if one["kind"] == "ConfigMap":
            return {**one, "data": {name: self._text(name, text) for name, text in one["data"].items()}}
        return one

    def _text(self, name: str, text: str) -> str:
        pod = yaml.safe_load(text) if name.endswith(".yaml") else None
        if not isinstance(pod, Mapping) or pod.get("kind") != "Pod":
            return text
        return yaml.safe_dump({**pod, "spec": self._pod_spec(pod["spec"])}, sort_keys=False)

    def _pod_spec(self, spec: Object) -> Object:
        volumes = [self._volume(volume) for volume in spec.get("volumes") or ()]
        return {**spec, "volumes": volumes, "hostAliases": [{"ip": LOOPBACK, "hostnames": self._names}]}

    def _volume(self, volume: Object) -> Object:
        if "persistentVolumeClaim" not in volume:
            return volume
        folder = self._shared / volume["persistentVolumeClaim"]["claimName"]
        folder.mkdir(exist_ok=True)
        return {"name": volume["name"], "hostPath": {"path": str(folder)}}


def pods_of(one: Object) -> list[Object]:
    """The pods that the controller of a Deployment, StatefulSet or Job would make at first."""
    metadata, spec = one["metadata"], one["spec"]
    template = spec["template"]
    return [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                **template.get("metadata", {}),
                "name": f"{metadata['name']}-{number}",
                "namespace": metadata["namespace"],
            },
            "spec": template["spec"],
        }
        for number in range(spec.get("replicas", 1))
    ]


def _service_names(service: Object) -> list[str]:
    name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
    return [name, f"{name}.{namespace}", f"{name}.{namespace}.svc", f"{name}.{namespace}.svc.cluster.local"]
