"""Server-side apply: what an object becomes, and whose its fields are then.

A field that its applier leaves out goes, unless somebody else has it too; a field that somebody else has with another
value is a conflict, or taken over by ``force``. Pure; the rules of kinds come after it, as for every write.
Sources: Kubernetes page "Server-Side Apply"; ``sigs.k8s.io/structured-merge-diff`` ``merge/update.go``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from executor.localcluster import field_sets, ownership
from executor.localcluster.field_sets import DuplicateKeyError, Path, Paths, closure, dotted, is_key, whole
from executor.localcluster.ownership import Manager, Owned
from executor.localcluster.schema import Struct
from executor.localcluster.status import ApiError
from executor.localcluster.types import Json


@dataclass(frozen=True, slots=True)
class Applied:
    """The object, and its ``managedFields``."""

    object: Json
    managed: list[Json]


def apply(shape: Struct, live: Json | None, config: Json, manager: Manager, now: str, force: bool = False) -> Applied:
    """Apply ``config`` to ``live`` (``None``: there is no such object yet). Raises a 409 with every conflict, a 500."""
    wanted = _wanted(shape, config, manager)
    owners = ownership.of_live(shape, live) if live is not None else []
    others = [owned for owned in owners if owned.manager != manager]
    mine = next((owned for owned in owners if owned.manager == manager), Owned(manager, frozenset(), now))
    if live is None:
        return Applied(config, ownership.written([Owned(manager, frozenset(wanted), now)]))
    present = ownership.fields_of(shape, live)
    changed = frozenset(path for path, value in wanted.items() if path not in present or present[path] != value)
    if not force:
        _refuse(others, changed)
    others = [replace(owned, fields=owned.fields - changed) for owned in others]
    result = field_sets.merged(whole(shape, live), whole(shape, config))
    for path in _dropped(mine.fields, frozenset(wanted), others):
        result = field_sets.without(whole(shape, result), path)
    time = mine.time if mine.fields == wanted.keys() else now
    return Applied(result, ownership.written([*others, Owned(manager, frozenset(wanted), time)]))


def _wanted(shape: Struct, config: Json, manager: Manager) -> dict[Path, object]:
    """The fields that the applier asks for; of a status only on the path of the status, and nothing else there."""
    try:
        fields = ownership.fields_of(shape, config)
    except DuplicateKeyError as error:
        raise untyped(config, str(error)) from None
    if "status" not in shape.fields:
        return fields
    about_status = manager.subresource == "status"
    return {path: value for path, value in fields.items() if (path[0] == "f:status") is about_status}


def untyped(config: Json, why: str) -> ApiError:
    """The 500 of a configuration that has no place in its kind's schema."""
    metadata = config.get("metadata") or {}
    group, _, version = config["apiVersion"].rpartition("/")
    what = f"({metadata.get('namespace', '')}/{metadata.get('name', '')}; {group}/{version}, Kind={config['kind']})"
    return ApiError(500, "", f"failed to create typed patch object {what}: {why}")


def _dropped(before: Paths, wanted: Paths, others: Iterable[Owned]) -> list[Path]:
    """What the applier had, does not ask for any more, and nobody else has.

    The shortest first: an item goes as a whole, and one that stays keeps its key.
    """
    kept = closure(wanted).union(*(closure(owned.fields) for owned in others))
    gone = closure(before) - kept - ownership.SERVERS
    return sorted((path for path in gone if path[:-1] in gone or not is_key(path)), key=len)


def _refuse(others: Iterable[Owned], changed: Paths) -> None:
    clashes = [(owned.manager, sorted(dotted(path) for path in owned.fields & changed)) for owned in others]
    clashes = [(manager, fields) for manager, fields in clashes if fields]
    count = sum(len(fields) for _, fields in clashes)
    if not count:
        return
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {manager.sentence()}", "field": field}
        for manager, fields in clashes
        for field in fields
    ]
    text = "\n".join(_sentence(manager, fields) for manager, fields in clashes)
    plural = "s" if count > 1 else ""
    raise ApiError(409, "Conflict", f"Apply failed with {count} conflict{plural}: {text}", {"causes": causes})


def _sentence(manager: Manager, fields: list[str]) -> str:
    if len(fields) == 1:
        return f"conflict with {manager.sentence()}: {fields[0]}"
    return f"conflicts with {manager.sentence()}:\n" + "\n".join(f"- {field}" for field in fields)
