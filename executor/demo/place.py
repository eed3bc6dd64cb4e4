"""Where the demo's pods run: the local cluster, or a cluster of the user's own."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from executor.demo.cluster import Cluster, LocalCluster
from executor.demo.home import AirflowHome
from executor.demo.pod_template import LOCAL_IMAGE, WorkerFiles

_CONFIG_MAP = "airflow-demo-dags"


@dataclass(frozen=True, slots=True)
class Place:
    """A cluster and how a worker lives in it. `host`: the address under which its pods reach this machine."""

    what: str
    cluster: Cluster
    namespace: str
    image: str
    host: str
    files: Callable[[AirflowHome], WorkerFiles]


@contextmanager
def local_place(directory: Path) -> Iterator[Place]:
    """Run a local cluster: images are names only, the pods see this machine's files."""
    with LocalCluster(directory / "cluster") as cluster:
        yield Place(
            what="a local one: every container is a process on this machine",
            cluster=cluster,
            namespace="default",
            image=LOCAL_IMAGE,
            host="127.0.0.1",
            files=WorkerFiles.of_this_machine,
        )


@contextmanager
def place_of(variables: Mapping[str, str]) -> Iterator[Place]:
    """Use the cluster of DEMO_KUBECONFIG with the image DEMO_IMAGE; DAGs go there in a ConfigMap.

    Raises:
        SystemExit: DEMO_IMAGE is missing, or the kubeconfig cannot be read.
    """
    kubeconfig, image = Path(variables["DEMO_KUBECONFIG"]).expanduser().resolve(), variables.get("DEMO_IMAGE")
    if not image:
        raise SystemExit("IMAGE is missing: name an image that holds Airflow 3.3, such as IMAGE=apache/airflow:3.3.2")
    if not kubeconfig.is_file():
        raise SystemExit(f"KUBECONFIG={kubeconfig}: there is no such file")
    cluster, namespace = Cluster(kubeconfig), variables.get("DEMO_NAMESPACE") or "default"
    cluster.ensure_namespace(namespace)
    host = variables.get("DEMO_HOST") or _address_towards(cluster.server)

    def files(home: AirflowHome) -> WorkerFiles:
        texts = {file.name: file.read_text() for file in home.dags.glob("*.py")}
        cluster.put_config_map(_CONFIG_MAP, texts, namespace)
        return WorkerFiles.of_config_map(_CONFIG_MAP)

    try:
        what = f"yours; note that Airflow listens on {host} without a login, as the pods must reach it"
        yield Place(what, cluster, namespace, image, host, files)
    finally:
        cluster.delete_config_map(_CONFIG_MAP, namespace)


def _address_towards(server: str) -> str:
    """Return this machine's address on the way to the API server; on the way out, if that is on this machine."""
    url = urlsplit(server)
    for host in (url.hostname or "", "192.0.2.1"):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((host, url.port or 443))  # UDP: nothing is sent
            address = str(probe.getsockname()[0])
        if not address.startswith("127."):
            return address
    raise SystemExit("this machine has no address that pods could reach; give one with HOST=...")
