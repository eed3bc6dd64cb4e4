"""Makes a pod's volumes on disk and says where each is mounted.

Volumes live below the pod's own directory, which nobody else can read, and go when the pod goes. Files of Secrets,
ConfigMaps and the like are links into a folder that is replaced as a whole when they change, so a reader sees all old
or all new ones (pkg/volume/util/atomic_writer.go); a subPath is mounted from the folder of its time and stays old.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from executor.localcluster.node.api import Json
from executor.localcluster.node.env import expand
from executor.localcluster.node.spec import Mount
from executor.localcluster.node.volume_files import Files, VolumeContext, VolumeError, volume_files

FILE_KINDS = ("secret", "configMap", "downwardAPI", "projected")
DATA = "..data"


def set_up_volume(volume: Json, folder: Path, context: VolumeContext) -> str:
    """Make one volume; returns its canonical path on this machine. Raises VolumeError."""
    if "hostPath" in volume:
        return _host_path(volume["hostPath"])
    folder.mkdir(parents=True, exist_ok=True)
    if "persistentVolumeClaim" in volume:
        raise VolumeError(f'persistentvolumeclaim "{volume["persistentVolumeClaim"]["claimName"]}" not found')
    if any(kind in volume for kind in FILE_KINDS):
        update_files(folder, volume_files(volume, context))
        folder.chmod(0o755)
    elif "emptyDir" in volume or set(volume) == {"name"}:
        folder.chmod(0o777)
    else:
        kinds = ", ".join(key for key in volume if key != "name")
        raise VolumeError(f"the local cluster does not support volume type {kinds}")
    return str(folder.resolve())


def update_files(folder: Path, files: Files) -> bool:
    """Make the volume hold these files, in one step; False if it did before."""
    if _holds(folder, files):
        return False
    old = folder / DATA
    replaced = old.resolve() if old.is_symlink() else None
    fresh = Path(tempfile.mkdtemp(prefix=time.strftime("..%Y_%m_%d_%H_%M_%S.", time.gmtime()), dir=folder))
    fresh.chmod(0o755)
    for name, file in files.items():
        path = fresh / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.data)
        path.chmod(file.mode)
    _link(DATA, fresh.name, folder)
    _link_names({name.partition("/")[0] for name in files}, folder)
    if replaced:
        shutil.rmtree(replaced)
    return True


def _holds(folder: Path, files: Files) -> bool:
    data = folder / DATA
    if not data.is_symlink():
        return False
    there = [path for path in data.resolve().rglob("*") if path.is_file()]
    held = {str(path.relative_to(data.resolve())): path for path in there}
    return held.keys() == files.keys() and all(path.read_bytes() == files[name].data for name, path in held.items())


def _link(name: str, to: str, folder: Path) -> None:
    """Make or replace a symbolic link, in one step."""
    temporary = folder / f"{name}_tmp"
    temporary.symlink_to(to)
    temporary.replace(folder / name)


def _link_names(names: Iterable[str], folder: Path) -> None:
    """One link for each first part of a path, and no other."""
    wanted = set(names)
    for path in folder.iterdir():
        if not path.name.startswith("..") and path.name not in wanted:
            path.unlink()
    for name in wanted:
        if not os.path.lexists(folder / name):
            _link(name, f"{DATA}/{name}", folder)


def _host_path(source: Json) -> str:
    """Kubernetes: "hostPath volume types". Raises VolumeError."""
    path, kind = Path(source["path"]), source.get("type") or ""
    try:
        if kind == "DirectoryOrCreate":
            path.mkdir(mode=0o755, parents=True, exist_ok=True)
        elif kind == "FileOrCreate" and not path.exists():
            path.touch(0o644)
    except OSError as error:
        raise VolumeError(f"hostPath type check failed: {error}") from error
    checks = {
        "Directory": path.is_dir,
        "DirectoryOrCreate": path.is_dir,
        "File": path.is_file,
        "FileOrCreate": path.is_file,
    }
    if not checks.get(kind, path.exists)():
        wanted = f"a {kind.removesuffix('OrCreate').lower()}" if kind else "there"
        raise VolumeError(f"hostPath type check failed: {path} is not {wanted}")
    return str(path.resolve())


def container_mounts(container: Json, volumes: Mapping[str, str], env: Mapping[str, str]) -> tuple[Mount, ...]:
    """The bind mounts of one container, parents before children. Raises VolumeError for a bad subPath."""
    mounts = []
    for mount in container.get("volumeMounts") or ():
        source = volumes[mount["name"]]
        sub_path = mount.get("subPath") or expand(mount.get("subPathExpr") or "", env)
        if sub_path:
            source = _sub_path(source, sub_path)
        target = os.path.normpath("/" + mount["mountPath"].lstrip("/"))
        mounts.append(Mount(source, target, bool(mount.get("readOnly"))))
    return tuple(sorted(mounts, key=lambda mount: mount.target.count("/")))


def _sub_path(source: str, sub_path: str) -> str:
    path = Path(source, sub_path)
    if os.path.isabs(sub_path) or ".." in Path(sub_path).parts:
        raise VolumeError(f'subPath "{sub_path}" must be a relative path inside the volume')
    if not path.exists():
        path.mkdir(parents=True)
        path.chmod(0o777)
    resolved = path.resolve()
    if not resolved.is_relative_to(source):
        raise VolumeError(f'subPath "{sub_path}" leads out of the volume')
    return str(resolved)
