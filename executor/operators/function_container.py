"""A `@task.pod` function as a container: its program, source and arguments in the environment of `python`.

No file, no shell, no further object of Kubernetes: the interpreter reads everything from variables of 96 KiB (Linux
allows 128 KiB a string, `MAX_ARG_STRLEN`), and takes them away before the function sees its environment. Pure.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

from executor.identity import Identity, pod_name
from executor.manifest.model import JsonMap
from executor.operators.function_source import Function
from executor.operators.xcom import mark_of

JSON: Final = "json"
PICKLE: Final = "pickle"
VARIABLE: Final = "AIRFLOW_POD_FUNCTION_"
PIECE: Final = 96 * 1024
LIMIT: Final = 512 * 1024  # beside a pod's other fields, within the 1.5 MiB of etcd and the 2 MiB of exec

#: In Python 3.8's syntax, and without "$(", which Kubernetes would look into.
_LOADER: Final = f"""\
import base64, json, os, zlib
names = sorted((one for one in os.environ if one.startswith("{VARIABLE}")), key=lambda one: int(one[{len(VARIABLE)}:]))
task = json.loads(zlib.decompress(base64.b64decode("".join(os.environ.pop(one) for one in names))))
program = {{"__name__": "task_pod"}}
exec(compile(task.pop("program"), "<task.pod>", "exec"), program)
program["main"](task)
"""


class TooLargeError(ValueError):
    """Source and arguments do not fit into a pod; one sentence."""


def in_container(parameters: Mapping[str, Any], identity: Identity) -> Mapping[str, Any]:
    """Parameters of PodOperator with the function in them; those of a task without a function as they are.

    `parameters`: rendered, with JSON or pickled arguments (`in_pod.encoded`). Raises TooLargeError.
    """
    if not parameters.get("function"):
        return parameters
    mark = mark_of(pod_name(identity)) if parameters.get("do_xcom_push") else ""
    env = [*(parameters.get("env_vars") or ()), *_variables(payload(parameters, mark))]
    cmds = [parameters["function"]["python"], "-u", "-c", _LOADER]
    left = {"function": {"name": parameters["function"]["name"]}, "op_args": [], "op_kwargs": {}}
    return {**parameters, **left, "cmds": cmds, "arguments": None, "env_vars": env}


def payload(parameters: Mapping[str, Any], mark: str) -> str:
    """What the container gets. Raises TooLargeError."""
    given = parameters["function"]
    task = {
        **{name: given[name] for name in Function.__struct_fields__},
        "program": _program(),
        "pickle": given["serializer"] == PICKLE,
        "multiple_outputs": given["multiple_outputs"],
        "args": parameters["op_args"],
        "kwargs": parameters["op_kwargs"],
        "mark": mark,
    }
    text = base64.b64encode(zlib.compress(json.dumps(task).encode(), 9)).decode()
    if len(text) > LIMIT:
        raise TooLargeError(
            f"the source of {given['name']} and its arguments have {len(text):,} characters, compressed; {LIMIT:,} are "
            "the most that a pod carries. Write large arguments to a store, and give where they are"
        )
    return text


@lru_cache(maxsize=1)
def _program() -> str:
    return files("executor.operators").joinpath("in_pod.py").read_text(encoding="utf-8")


def _variables(text: str) -> list[dict[str, str]]:
    pieces = [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
    return [{"name": f"{VARIABLE}{number}", "value": piece} for number, piece in enumerate(pieces)]


def without_payload(pod: JsonMap) -> JsonMap:
    """The pod as it is shown to people: the variables with their lengths instead of their values."""
    spec = pod["spec"]
    return {**pod, "spec": {**spec, "containers": [_shown(one) for one in spec["containers"]]}}


def _shown(container: JsonMap) -> JsonMap:
    env = container.get("env") or ()
    if not any(_is_ours(one) for one in env):
        return container
    shown = [{**one, "value": f"({len(one['value']):,} characters)"} if _is_ours(one) else one for one in env]
    return {**container, "env": shown}


def _is_ours(variable: Any) -> bool:
    return str(variable.get("name")).startswith(VARIABLE) and "value" in variable
