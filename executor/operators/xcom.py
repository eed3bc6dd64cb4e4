"""The result of a container task: /airflow/xcom/return.json, without a second container and without exec.

Where the task's command is known (`cmds`), a shell runs it, waits, and then writes the file to the log between two
lines that only this pod has; they and what is between them are not shown. Any size comes exact: its length stands in
the first line. Where the image's own entry point runs, or the image has no shell, the file is the container's
termination message (Kubernetes, "Customizing the termination message"): nothing is wrapped, 4096 bytes at most.
Pure.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from executor.manifest.model import JsonMap, container_index

RETURN_FILE: Final = "/airflow/xcom/return.json"
FOLDER: Final = "/airflow/xcom"
VOLUME: Final = "xcom"  # the provider's name of it (cncf.kubernetes `utils/xcom_sidecar.py`)
MESSAGE_LIMIT: Final = 4096
LIMIT: Final = 8 * 1024 * 1024

# The command is a child, so that its signals can be passed on: a shell with process id 1 ignores them otherwise. One
# that is sent to a child just made may be lost, between its being made and its program, and so is sent again.
_SCRIPT: Final = """\
child= stop=
trap 'stop=TERM; [ -z "$child" ] || kill -TERM "$child" 2>/dev/null' TERM
trap 'stop=INT; [ -z "$child" ] || kill -INT "$child" 2>/dev/null' INT
[ -z "$stop" ] || exit 143
"$@" & child=$!
[ -z "$stop" ] || {{ sleep 1; kill -"$stop" "$child"; }} 2>/dev/null
wait "$child"; code=$?
while kill -0 "$child" 2>/dev/null; do wait "$child"; code=$?; done
if [ "$code" = 0 ] && [ -e {file} ]; then
  printf '\\n{mark} %s\\n' "$(($(wc -c < {file})))"; cat {file}; printf '\\n{mark} end\\n'
elif [ "$code" = 0 ]; then printf '\\n{mark} none\\n'; fi
exit "$code"
"""


class ResultError(ValueError):
    """The task said it gives a result, and there is none that can be used; one sentence for the DAG author."""


def mark_of(name: str) -> str:
    """What the lines around the result begin with; `name` is unique to the try."""
    return f"::airflow-xcom:{name[-16:]}::"


def with_result(pod: JsonMap, base: str, name: str, *, wrapped: bool) -> JsonMap:
    """`pod` with container `base` handing its result over: wrapped in a shell if it may be and its command is known."""
    index = container_index(pod, base)
    if index is None:
        return pod
    spec = pod["spec"]
    container = spec["containers"][index]
    handing = _wrapped(container, name) if wrapped and container.get("command") else _by_message(container)
    containers = [*spec["containers"][:index], handing, *spec["containers"][index + 1 :]]
    changed = {**spec, "containers": containers}
    if is_wrapped(handing):
        changed["volumes"] = [*(one for one in spec.get("volumes") or () if one["name"] != VOLUME), _EMPTY]
    return {**pod, "spec": changed}


def is_wrapped(container: JsonMap) -> bool:
    """Whether the container's result comes in its log."""
    return container.get("terminationMessagePath") != RETURN_FILE


_EMPTY: Final = {"name": VOLUME, "emptyDir": {}}


def _wrapped(container: JsonMap, name: str) -> JsonMap:
    script = _SCRIPT.format(file=RETURN_FILE, mark=mark_of(name))
    command = ["/bin/sh", "-c", script, "airflow-task", *container["command"]]
    mounts = [one for one in container.get("volumeMounts") or () if one.get("mountPath") != FOLDER]
    return {**container, "command": command, "volumeMounts": [*mounts, {"name": VOLUME, "mountPath": FOLDER}]}


def _by_message(container: JsonMap) -> JsonMap:
    return {**container, "terminationMessagePath": RETURN_FILE, "terminationMessagePolicy": "File"}


def parse(content: bytes | str | None, *, by_message: bool = False) -> Any:
    """The value in return.json. Raises ResultError where there is none, it is empty, too large or not JSON."""
    if content is None:
        raise ResultError(f"do_xcom_push=True, but the container wrote no {RETURN_FILE}. {_ADVICE}")
    size = len(content.encode() if isinstance(content, str) else content)
    if not content.strip():
        nothing = "wrote nothing, or an empty file, as" if by_message else "left an empty"
        raise ResultError(f"do_xcom_push=True, but the container {nothing} {RETURN_FILE}. {_ADVICE}")
    if by_message and size >= MESSAGE_LIMIT:
        raise ResultError(
            f"The result in {RETURN_FILE} is larger than {MESSAGE_LIMIT} bytes, which is all that an image's own entry "
            "point can hand over. Write the image's command in cmds, and use an image with /bin/sh"
        )
    try:
        return json.loads(content)
    except ValueError as error:
        raise ResultError(f"{RETURN_FILE} ({size} bytes) is not JSON: {error}") from None


_ADVICE: Final = 'Write JSON to it ("null" for no value), or leave do_xcom_push out.'


@dataclass(slots=True)
class ResultReader:
    """Takes the chunks of a container's log, gives back the task's own lines, and keeps the result out of them."""

    mark: bytes
    content: bytearray | None = None
    size: int = 0  # of the result, as the container said
    _left: int = 0  # bytes of it that have not come yet
    _rest: bytes = b""
    _blank: bool = False  # an empty line was seen: ours, if one of our lines follows

    @classmethod
    def of(cls, name: str) -> ResultReader:
        """For the pod of this name."""
        return cls(mark_of(name).encode())

    @property
    def seen(self) -> bool:
        """The result began, and all of it came."""
        return self.content is not None and not self._left

    def feed(self, chunk: bytes, longest: int = LIMIT) -> list[bytes]:
        """The complete lines in it that are the task's own, without their line ends; longer ones in pieces."""
        lines: list[bytes] = []
        data = self._rest + chunk
        while True:
            data = self._collect(data)
            line, newline, rest = data.partition(b"\n")
            if not newline:
                self._rest = data
                if len(data) > longest:
                    lines += self.end()
                return lines
            data = rest
            self._take(line, lines)

    def end(self) -> list[bytes]:
        """The last line, if no line end follows it."""
        lines: list[bytes] = []
        rest, self._rest = self._rest, b""
        if rest:
            self._take(rest, lines)
        elif self._blank:
            lines.append(b"")
            self._blank = False
        return lines

    def value(self) -> Any:
        """The result. Raises ResultError."""
        if self.size > LIMIT:
            raise ResultError(
                f"The result in {RETURN_FILE} has {self.size:,} bytes; {LIMIT:,} are the most that PodOperator "
                "brings into an XCom. Write large results to a store, and return where they are"
            )
        if self.content is not None and self._left:
            got = f"{self.size - self._left:,} of {self.size:,} bytes"
            raise ResultError(f"The log broke off within the result in {RETURN_FILE}: {got} arrived")
        return parse(bytes(self.content) if self.content is not None else None)

    def _collect(self, data: bytes) -> bytes:
        """Take what belongs to the result off `data`."""
        if self.content is None or not self._left:
            return data
        taken = data[: self._left]
        if self.size <= LIMIT:
            self.content += taken
        self._left -= len(taken)
        return data[len(taken) :]

    def _take(self, line: bytes, lines: list[bytes]) -> None:
        if line.startswith(self.mark):
            self._blank = False
            word = line[len(self.mark) :].strip()
            if word.isdigit():
                self.content, self.size, self._left = bytearray(), int(word), int(word)
            return
        if self._blank:
            lines.append(b"")
        self._blank = not line
        if line:
            lines.append(line)
