"""What runs in the container of a `@task.pod` function: this text is the program (`function_container`).

Any Python from 3.8 on and its standard library, nothing else: neither Airflow nor this project is imported, and the
syntax is Python 3.8's. The function's names live in `__main__`, this program's do not.
"""

from __future__ import annotations

import base64
import contextlib
import json
import linecache
import os
import pickle
import signal
import sys
import traceback
from typing import Any, Mapping, NoReturn, Sequence  # noqa: UP035  (Python 3.8)

PICKLED = "__pickle__"
PROTOCOL = 4  # every Python from 3.4 on reads it
TERMINATED = 128 + signal.SIGTERM
MESSAGE_FILE = "/dev/termination-log"  # Kubernetes, "Customizing the termination message"
LONGEST_MESSAGE = 1000  # characters


class NotPlainError(ValueError):
    """A value that cannot travel: where it is, and what it is."""


def encoded(value: Any, where: str, may_pickle: bool, keep: tuple[type, ...] = ()) -> Any:
    """`value` as JSON; with `may_pickle`, what is not JSON as {"__pickle__": base64}. `where` names it in errors.

    Tuples become lists, unless they may be pickled. Objects of the classes in `keep` stay. Raises NotPlainError.
    """
    if value is None or isinstance(value, keep) or _is_scalar(value, may_pickle):
        return value
    if isinstance(value, list) or _is_sequence(value, may_pickle, keep):
        return [encoded(one, f"{where}[{index}]", may_pickle, keep) for index, one in enumerate(value)]
    if _has_text_keys(value):
        return {key: encoded(one, f"{where}[{key!r}]", may_pickle, keep) for key, one in value.items()}
    if may_pickle:
        return {PICKLED: _pickled(value, where)}
    kind = "has a key that is no text" if isinstance(value, dict) else f"is a {type(value).__name__}"
    raise NotPlainError(f"{where} {kind}, which is not JSON")


def _has_text_keys(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(key, str) for key in value)


def _is_scalar(value: Any, exactly: bool) -> bool:
    return type(value) in (bool, int, float, str) if exactly else isinstance(value, (bool, int, float, str))


def _is_sequence(value: Any, may_pickle: bool, keep: tuple[type, ...]) -> bool:
    return isinstance(value, tuple) and (not may_pickle or any(isinstance(one, keep) for one in value))


def _pickled(value: Any, where: str) -> str:
    try:
        return base64.b64encode(pickle.dumps(value, PROTOCOL)).decode("ascii")
    except Exception as error:  # noqa: BLE001  (the object's own code: anything, and it is said)
        kind = type(value).__name__
        raise NotPlainError(f"{where} is a {kind}, which is neither JSON nor can be pickled: {error}") from None


def decoded(value: Any, where: str) -> Any:
    """The value that `encoded` was given, where it may pickle. Raises NotPlainError."""
    if isinstance(value, list):
        return [decoded(one, f"{where}[{index}]") for index, one in enumerate(value)]
    if not isinstance(value, dict):
        return value
    if list(value) != [PICKLED]:
        return {key: decoded(one, f"{where}[{key!r}]") for key, one in value.items()}
    try:
        return pickle.loads(base64.b64decode(value[PICKLED]))
    except Exception as error:  # noqa: BLE001  (the object's own code: anything, and it is said)
        told = f"{type(error).__name__}: {error}"
        raise NotPlainError(f"{where} cannot be unpickled in this image: {told}") from None


def main(task: dict[str, Any]) -> None:
    """Run one try; `task` is `function_container.payload`."""
    # Process 1 of a container does not hear SIGTERM unless it says so.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    result = called(task)
    if task["mark"]:
        hand_over(task, result)


def called(task: dict[str, Any]) -> Any:
    """The function's result. What it raises ends the program, with a traceback that begins in the function."""
    try:
        args, kwargs = arguments(task)
        return defined(task)(*args, **kwargs)
    except SystemExit as stop:
        if stop.code:
            raise
        return None
    except NotPlainError as error:
        sys.stderr.write(f"{error}\n")
        fail(str(error))
    except BaseException as error:  # noqa: BLE001  (the function's: anything, and it is shown)
        traceback.print_exception(type(error), error, of_function(error))
        fail("".join(traceback.format_exception_only(type(error), error)).strip())


def arguments(task: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Positional ones and those by keyword. Raises NotPlainError."""
    args, kwargs = task["args"], task["kwargs"]
    if task["pickle"]:
        args = [decoded(one, f"argument {name}") for name, one in zip(argument_names(task, args), args)]  # noqa: B905
        kwargs = {name: decoded(one, f"argument {name}") for name, one in kwargs.items()}
    return args, kwargs


def argument_names(function: Mapping[str, Any], args: Sequence[Any]) -> list[str]:
    """What the positional arguments are called in sentences."""
    names = function["parameters"]
    return [names[number] if number < len(names) else str(number + 1) for number in range(len(args))]


def defined(task: dict[str, Any]) -> Any:
    """The function, made of its source; its tracebacks have the name and the line numbers of the DAG file."""
    source, before = task["source"], task["line"] - 1
    if source[:1] in (" ", "\t"):
        source, before = f"if 1:\n{source}", before - 1
    text = "\n" * before + source
    linecache.cache[task["file"]] = (len(text), None, text.splitlines(True), task["file"])
    lazily = annotations.compiler_flag  # the names in annotations need not exist here
    names = sys.modules["__main__"].__dict__
    exec(compile(text, task["file"], "exec", lazily, True), names)
    return names[task["name"]]


def of_function(error: BaseException) -> Any:
    """The traceback without this program's frames."""
    shown, own = error.__traceback__, called.__code__.co_filename
    while shown is not None and shown.tb_frame.f_code.co_filename == own:
        shown = shown.tb_next
    return shown


def hand_over(task: dict[str, Any], result: Any) -> None:
    """The result in the log, between lines that only this pod has (`xcom.ResultReader` takes it out)."""
    try:
        content = json.dumps(checked(task, result)).encode("ascii")
    except NotPlainError as error:
        sys.stderr.write(f"{error}\n")
        fail(str(error))
    sys.stdout.flush()
    sys.stderr.flush()
    mark = task["mark"].encode("ascii")
    rest = b"\n%s %d\n%s\n%s end\n" % (mark, len(content), content, mark)
    while rest:
        rest = rest[os.write(1, rest) :]


def checked(task: dict[str, Any], result: Any) -> Any:
    """The result as it travels. Raises NotPlainError."""
    name = f"the result of {task['name']}"
    if task["multiple_outputs"] and result is not None and not _has_text_keys(result):
        raise NotPlainError(f"multiple_outputs=True, but {name} is no dict with text keys (a {type(result).__name__})")
    try:
        return encoded(result, name, task["pickle"])
    except NotPlainError as error:
        advice = "Return JSON" if task["pickle"] else "Return JSON, or write serializer='pickle'"
        raise NotPlainError(f"{error}. {advice}") from None


def fail(sentence: str) -> NoReturn:
    """End with 1, and tell Kubernetes why, if it listens: the log has it, too."""
    message = sentence[:LONGEST_MESSAGE].encode("utf-8", "backslashreplace")
    with contextlib.suppress(OSError), open(MESSAGE_FILE, "wb") as file:
        file.write(message)
    sys.exit(1)
