"""What a caller of a deletion, or of a write, may say besides the object; checked as the real server checks it.

Source: apimachinery ``pkg/apis/meta/v1/validation/validation.go``.
"""

from __future__ import annotations

from aiohttp import web

from executor.localcluster.body import read_body
from executor.localcluster.registry import DeleteOptions
from executor.localcluster.request_info import RequestInfo
from executor.localcluster.schema import TypeMismatchError, decode_by
from executor.localcluster.status import FieldError, bad_request, invalid
from executor.localcluster.types import Json
from executor.localcluster.validation import fields

_META = "meta.k8s.io"
_PROPAGATION = ("Foreground", "Background", "Orphan", "nil")

_LONGEST_MANAGER = 128


async def delete_options(request: web.Request, info: RequestInfo) -> DeleteOptions:
    """Options from the body, or from the query where the body says nothing. Raises 400 and 422."""
    body = await request.read()
    given = read_body(body, request.content_type).value if body else {}
    kind, version = given.get("kind") or "DeleteOptions", given.get("apiVersion") or ""
    if kind != "DeleteOptions":
        where = 'in scheme "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go"'
        raise bad_request(f'no kind "{kind}" is registered for version "{version}" {where}')
    return read_options(given, info)


def read_options(given: Json, info: RequestInfo) -> DeleteOptions:
    """Delete options as decoded JSON. Raises 400 and 422."""
    try:
        options, _ = decode_by("V1DeleteOptions", given)
    except TypeMismatchError as error:
        raise bad_request(str(error)) from None
    if not options.keys() - {"kind", "apiVersion"}:
        options |= _from_query(info)
    if errors := _errors(options):
        raise invalid("DeleteOptions", _META, "", errors)
    preconditions = options.get("preconditions") or {}
    return DeleteOptions(
        grace=options.get("gracePeriodSeconds"),
        uid=preconditions.get("uid"),
        version=preconditions.get("resourceVersion"),
        propagation=options.get("propagationPolicy") or ("Orphan" if options.get("orphanDependents") else ""),
        dry_run=bool(options.get("dryRun")) or info.dry_run,
    )


def _from_query(info: RequestInfo) -> Json:
    """The options of a request without a body of its own."""
    options: Json = {}
    grace = info.query.get("gracePeriodSeconds", "")
    if grace:
        if not grace.lstrip("-").isdigit():
            raise bad_request(f'strconv.ParseInt: parsing "{grace}": invalid syntax')
        options["gracePeriodSeconds"] = int(grace)
    if policy := info.query.get("propagationPolicy", ""):
        options["propagationPolicy"] = policy
    if info.query.get("orphanDependents"):
        options["orphanDependents"] = info.flag("orphanDependents")
    if dry_run := info.query.get("dryRun", ""):
        options["dryRun"] = [dry_run]
    return options


def _errors(options: Json) -> list[FieldError]:
    policy, errors = options.get("propagationPolicy"), []
    if policy is not None and "orphanDependents" in options:
        detail = "orphanDependents and deletionPropagation cannot be both set"
        errors.append(fields.invalid("propagationPolicy", policy, detail))
    elif policy is not None and policy not in _PROPAGATION[:-1]:
        errors.append(fields.unsupported("propagationPolicy", policy, _PROPAGATION))
    return errors + _dry_run(options.get("dryRun") or [])


def _dry_run(values: list[str]) -> list[FieldError]:
    return [] if all(value == "All" for value in values) else [fields.unsupported("dryRun", values, ("All",))]


def check_write(info: RequestInfo, applies: bool = False) -> None:
    """Raise the 422 for options of a create, update or patch that there are not; ``applies``: server-side apply."""
    given = info.query.get("dryRun", "")
    errors = _dry_run([given] if given else [])
    if len(info.query.get("fieldManager", "")) > _LONGEST_MANAGER:
        errors.append(fields.too_long("fieldManager", _LONGEST_MANAGER))
    if applies and not info.query.get("fieldManager"):
        errors.append(fields.required("fieldManager", "is required for apply patch"))
    if info.verb == "patch" and "force" in info.query and not applies:
        errors.append(fields.forbidden("force", "may not be specified for non-apply patch"))
    if errors:
        raise invalid(f"{info.verb.capitalize()}Options", _META, "", errors)
