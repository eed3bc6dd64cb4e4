"""A Kubernetes secret that a task is given, as an environment variable or as a volume.

`Secret` is a dict on purpose. Airflow turns `executor_config` into JSON when it stores a DAG, and every object that it
does not know becomes `str(object)` there (airflow/serialization/serialized_objects.py, `default_serialization`); dicts
survive. So a `Secret` arrives at the executor as a plain dict of the same four keys. Cheap to import: standard library
only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NoReturn

DeployType = Literal["env", "volume"]

FIELDS = ("deploy_type", "deploy_target", "secret", "key")


class Secret(dict[str, Any]):
    """A secret for `executor_config={"secrets": [Secret(...)]}`; cannot be changed.

    `deploy_type` is "env" or "volume". `deploy_target` is the variable's name (as it is spelled; None together with
    `key` None gives all keys of the secret as variables) or the folder to mount at. `secret` is the name of the
    Kubernetes Secret in the pod's namespace, `key` the entry of it; a volume without `key` shows all of them.

    Raises ValueError or TypeError with what to write instead.
    """

    __slots__ = ()

    def __init__(self, deploy_type: DeployType, deploy_target: str | None, secret: str, key: str | None = None) -> None:
        super().__init__(deploy_type=deploy_type, deploy_target=deploy_target, secret=secret, key=key)
        problem = problem_of(self)
        if problem:
            raise ValueError(f"Secret({deploy_type!r}, {deploy_target!r}, {secret!r}, {key!r}): {problem}")

    @property
    def deploy_type(self) -> DeployType:
        """Return "env" or "volume"."""
        kind: DeployType = self["deploy_type"]
        return kind

    @property
    def deploy_target(self) -> str | None:
        """Return the variable's name or the folder."""
        target: str | None = self["deploy_target"]
        return target

    @property
    def secret(self) -> str:
        """Return the name of the Kubernetes Secret."""
        name: str = self["secret"]
        return name

    @property
    def key(self) -> str | None:
        """Return the entry of the Secret, or None for all."""
        entry: str | None = self["key"]
        return entry

    def __hash__(self) -> int:  # type: ignore[override]  # a frozen dict may have one
        return hash(tuple(self[field] for field in FIELDS))

    def __repr__(self) -> str:
        return f"Secret({', '.join(repr(self[field]) for field in FIELDS)})"

    def __reduce__(self) -> tuple[type[Secret], tuple[Any, ...]]:
        return Secret, tuple(self[field] for field in FIELDS)

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("a Secret cannot be changed; write a new one")

    __setitem__ = __delitem__ = update = pop = popitem = clear = setdefault = __ior__ = _refuse


def problem_of(fields: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the four values of a secret and how to write it, or None."""
    kind, target, name, key = (fields.get(field) for field in FIELDS)
    if kind not in ("env", "volume"):
        return f"deploy_type is {kind!r}; write 'env' or 'volume'"
    if not _is_text(name):
        return f"secret is {name!r}; write the name of a Kubernetes Secret"
    for field, value in (("deploy_target", target), ("key", key)):
        if value is not None and not _is_text(value):
            return f"{field} is {value!r}; write a text, or leave it out"
    return _env_problem(target, key) if kind == "env" else _volume_problem(target)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _env_problem(target: str | None, key: str | None) -> str | None:
    if key is not None and target is None:
        return "it has a key but no deploy_target; write the name of the environment variable"
    if key is None and target is not None:
        return f"it has no key; write which entry of the secret becomes {target}, or deploy_target=None for all of them"
    return None


def _volume_problem(target: str | None) -> str | None:
    if target is None or not target.startswith("/"):
        return f"deploy_target is {target!r}; write the absolute path of the folder to mount the secret at"
    return None
