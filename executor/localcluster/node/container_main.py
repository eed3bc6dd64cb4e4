"""The launcher: a small process that starts containers, because a large one (the API server's) starts them slowly.

Run as ``python -I -S container_main.py SOCKET_FD``. Each message on the socket is one byte and four descriptors: the
JSON of `spec.ContainerSpec`, the status pipe, standard output, standard error. Standard library only, and nothing of
this package: it is forked for every container and must stay small.

Lines on the status pipe: ``{"launcher": pid}``, ``{"pid": pid of the container}``, then end of file once the program
runs, or ``{"error": "setup" | "exec", "message": text}``. The agent is the parent of both and waits for them itself.

Invariants: nothing is written to this machine's own files (every root is an overlay whose upper directory is the
container's own); the container dies with the agent (parent-death signal). Not a security boundary.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import stat
import sys
from contextlib import nullcontext, suppress
from typing import Any, NoReturn

CLONE_PARENT, CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWUSER, CLONE_NEWPID = 0x8000, 0x20000, 1 << 26, 1 << 28, 1 << 29
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MNT_DETACH, PR_SET_PDEATHSIG = 2, 1
SYSCALLS = {"x86_64": {"clone": 56, "pivot_root": 155}, "aarch64": {"clone": 220, "pivot_root": 41}}
# statvfs flag -> mount flag: a read-only remount in a user namespace must repeat the flags that are locked
KEPT_FLAGS = {2: MS_NOSUID, 4: MS_NODEV, 8: MS_NOEXEC, 1024: 1024, 2048: 2048, 4096: 1 << 21}
ESCAPES = {r"\040": " ", r"\011": "\t", r"\012": "\n", r"\134": "\\"}  # in /proc/self/mountinfo
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")

libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _syscall(name: str, *args: Any) -> int:
    number = SYSCALLS[os.uname().machine][name]
    return _check(libc.syscall(ctypes.c_long(number), *args), name)


def mount(source: str, target: str, fstype: str | None, flags: int = 0, options: str | None = None) -> None:
    """mount(2); raises OSError naming the target."""
    encoded = [None if text is None else os.fsencode(text) for text in (source, target, fstype, options)]
    result = libc.mount(encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), encoded[3])
    _check(result, f"mount {fstype or 'bind'} on {target}")


def unshare(spec: dict[str, Any]) -> None:
    """Own mount, UTS and PID namespaces; a user namespace first where we are not root."""
    uid, gid = os.getuid(), os.getgid()
    if spec["user_namespace"]:
        _check(libc.unshare(CLONE_NEWUSER), "unshare user namespace")
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    _check(libc.unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWPID), "unshare mount, UTS and PID namespaces")


def clone_sibling() -> int:
    """fork(2), but the child's parent is our parent: the agent waits for the container itself."""
    return _syscall("clone", ctypes.c_ulong(CLONE_PARENT | signal.SIGCHLD), None, None, None, None)


def mount_root(spec: dict[str, Any]) -> None:
    """Assemble the container's root directory at spec["root"] from its layers, lowest first."""
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    root = spec["root"]
    if spec["layers"][0]["target"] != "/":
        mount("root", root, "tmpfs", 0, "mode=755")
    for number, layer in enumerate(spec["layers"]):
        with suppress(OSError) if layer["target"] != "/" else nullcontext():
            mount_layer(spec, layer, root + layer["target"].rstrip("/"), str(number))


def mount_layer(spec: dict[str, Any], layer: dict[str, str], target: str, number: str) -> None:
    """One layer: a symbolic link, a read-only bind, or an overlay (read-only bind where overlay is not possible)."""
    if layer["kind"] == "link":
        os.symlink(os.readlink(layer["lower"]), target)
        return
    make_mountpoint(target, os.path.isdir(layer["lower"]))
    if layer["kind"] == "overlay":
        with suppress(OSError):
            return mount_overlay(spec, layer["lower"], target, number)
        # the state directory cannot be an upper layer, being an overlay itself, say: keep writes in memory
        if not os.path.ismount(spec["scratch"]):
            mount("scratch", spec["scratch"], "tmpfs", 0, "mode=755")
        with suppress(OSError) if layer["target"] != "/" else nullcontext():
            return mount_overlay(spec, layer["lower"], target, number)
    bind(layer["lower"], target, read_only=True)


def mount_overlay(spec: dict[str, Any], lower: str, target: str, number: str) -> None:
    upper, work = f"{spec['scratch']}/{number}/upper", f"{spec['scratch']}/{number}/work"
    os.makedirs(upper, exist_ok=True)
    os.makedirs(work, exist_ok=True)
    os.chmod(upper, stat.S_IMODE(os.stat(lower).st_mode))
    quoted = lower.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")
    options = f"lowerdir={quoted},upperdir={upper},workdir={work}"
    for extra in spec["overlay_options"]:
        with suppress(OSError):
            return mount("overlay", target, "overlay", 0, options + extra)
    mount("overlay", target, "overlay", 0, options)


def make_mountpoint(path: str, directory: bool) -> None:
    if os.path.lexists(path):
        return
    os.makedirs(path if directory else os.path.dirname(path), exist_ok=True)
    if not directory:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))


def bind(source: str, target: str, read_only: bool) -> None:
    mount(source, target, None, MS_BIND | MS_REC)
    if read_only:
        make_read_only(target)


def make_read_only(target: str) -> None:
    kept = sum(ms for st, ms in KEPT_FLAGS.items() if os.statvfs(target).f_flag & st)
    mount("none", target, None, MS_REMOUNT | MS_BIND | MS_RDONLY | kept)


def mount_kernel_files(root: str) -> None:
    """/proc of the new PID namespace, a small /dev, this machine's /sys."""
    for name in ("proc", "dev", "sys"):
        make_mountpoint(f"{root}/{name}", True)
    try:
        mount("proc", f"{root}/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    except OSError:  # a container runtime around us hides parts of /proc: the kernel then refuses a new one
        mount("/proc", f"{root}/proc", None, MS_BIND | MS_REC)
    with suppress(OSError):
        mount("/sys", f"{root}/sys", None, MS_BIND | MS_REC)
    mount("dev", f"{root}/dev", "tmpfs", MS_NOSUID, "mode=755,size=64k")
    for name in DEVICES:
        make_mountpoint(f"{root}/dev/{name}", False)
        with suppress(OSError):
            mount(f"/dev/{name}", f"{root}/dev/{name}", None, MS_BIND)
    for name, to in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        os.symlink(f"/proc/self/{to}", f"{root}/dev/{name}")
    os.mkdir(f"{root}/dev/shm")
    mount("shm", f"{root}/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=64m")


def enter_root(root: str) -> int:
    """Make `root` the root directory; returns a descriptor of the old one, still mounted beneath."""
    old = os.open("/", os.O_DIRECTORY | os.O_CLOEXEC)
    os.chdir(root)
    _syscall("pivot_root", b".", b".")
    os.chdir("/")
    return old


def mount_volumes(spec: dict[str, Any], old_root: int) -> None:
    """Bind every mount of the spec; targets are resolved inside the container, sources on this machine."""
    here = {**spec, "scratch": f"/proc/self/fd/{old_root}{spec['scratch']}"}
    binds = [(f"/proc/self/fd/{old_root}{volume['source']}", volume) for volume in spec["mounts"]]
    for number, (source, volume) in enumerate(binds):
        make_own_mountpoint(here, volume["target"], os.path.isdir(source), f"v{number}")
    for source, volume in binds:
        make_mountpoint(volume["target"], os.path.isdir(source))  # again: it may lie in a volume mounted just now
        bind(source, volume["target"], volume["read_only"])
    for path in spec["hidden"]:
        if os.path.isdir(path):
            mount("hidden", path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=64k")


def make_own_mountpoint(spec: dict[str, Any], target: str, directory: bool, number: str) -> None:
    """Make a mountpoint below a directory that belongs to somebody else: an overlay over it is ours to write."""
    try:
        make_mountpoint(target, directory)
    except PermissionError:
        parent = os.path.dirname(target)
        while not os.path.isdir(parent):
            parent = os.path.dirname(parent)
        mount_overlay(spec, parent, parent, number)
        make_mountpoint(target, directory)


def set_up(spec: dict[str, Any]) -> None:
    """Everything between the new namespaces and the program. Raises OSError."""
    _check(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")
    os.setsid()
    os.umask(0o022)
    socket.sethostname(spec["hostname"][:63])
    mount_root(spec)
    mount_kernel_files(spec["root"])
    old_root = enter_root(spec["root"])
    mount_volumes(spec, old_root)
    os.fchdir(old_root)
    _check(libc.umount2(b".", MNT_DETACH), "detach this machine's root")
    os.close(old_root)
    os.makedirs(spec["cwd"], exist_ok=True)
    os.chdir(spec["cwd"])
    if spec["read_only"]:
        close_root(spec)


def close_root(spec: dict[str, Any]) -> None:
    """Make every mount read-only that is part of the root: not volumes, not the kernel's file systems."""
    open_paths = ["/proc", "/sys", "/dev", *(os.path.realpath(volume["target"]) for volume in spec["mounts"])]
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        points = [line.split()[4] for line in file]
    for point in points:
        for code, character in ESCAPES.items():
            point = point.replace(code, character)
        if not any(point == path or point.startswith(path + "/") for path in open_paths):
            make_read_only(point)


def find_program(name: str, path: str) -> str:
    """As containerd's runtime looks it up; raises OSError with its sentence."""
    for candidate in [name] if "/" in name else [f"{folder or '.'}/{name}" for folder in path.split(":")]:
        if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return candidate
    if "/" not in name:
        raise FileNotFoundError(f'exec: "{name}": executable file not found in $PATH')
    if not os.path.exists(name):
        raise FileNotFoundError(f'exec: "{name}": stat {name}: no such file or directory')
    raise PermissionError(f'exec: "{name}": permission denied')


def become_program(spec: dict[str, Any]) -> NoReturn:
    argv, env = spec["argv"], spec["env"]
    program = find_program(argv[0], env.get("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"))
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execve(program, argv, env)
    except OSError as error:
        raise OSError(f"exec {program}: {(error.strerror or '').lower()}") from error


def report(status_fd: int, **message: Any) -> None:
    os.write(status_fd, json.dumps(message).encode() + b"\n")


def describe(error: OSError) -> str:
    text = error.strerror or str(error)
    return f"{error.filename}: {text}" if error.filename else text


def run_container(spec: dict[str, Any], status_fd: int) -> NoReturn:
    kind = "setup"
    try:
        set_up(spec)
        kind = "exec"
        become_program(spec)
    except OSError as error:
        report(status_fd, error=kind, message=describe(error))
    os._exit(128)


def launch(spec_fd: int, status_fd: int, stdout: int, stderr: int) -> NoReturn:
    """In a process of its own: read the spec, enter new namespaces, start the container there."""
    for descriptor in (spec_fd, status_fd, stdout, stderr):
        os.set_inheritable(descriptor, False)
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    report(status_fd, launcher=os.getpid())
    try:
        with open(spec_fd, encoding="utf-8") as file:
            spec = json.load(file)
        unshare(spec)
        pid = clone_sibling()
    except OSError as error:
        report(status_fd, error="setup", message=describe(error))
        os._exit(1)
    if pid == 0:
        run_container(spec, status_fd)
    report(status_fd, pid=pid)
    os._exit(0)


def main() -> None:
    """Serve requests until the agent closes its end of the socket."""
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        while True:
            data, descriptors, _, _ = socket.recv_fds(requests, 1, 4)
            if not data:
                return
            if clone_sibling() == 0:
                requests.close()
                launch(*descriptors)
            for descriptor in descriptors:
                os.close(descriptor)


if __name__ == "__main__":
    main()
