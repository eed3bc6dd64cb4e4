"""Roles and bindings, enforced: what ``--rbac`` switches on.

Rules only ever add up; nothing denies. Sources: Kubernetes page "Using RBAC Authorization"; ``pkg/registry/rbac/
validation/rule.go``, ``plugin/pkg/auth/authorizer/rbac/rbac.go``. Excluded: the check that nobody grants more than he
has (escalation), and writing the rules of aggregated roles into them: they are put together when they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from executor.localcluster.authorization import Attributes, Decision, Grants
from executor.localcluster.resources import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES, Resource
from executor.localcluster.selectors import matches_labels
from executor.localcluster.store import Key, Store
from executor.localcluster.types import Json
from executor.localcluster.users import MASTERS, User, service_account_name

_API_GROUP = "rbac.authorization.k8s.io"
_MOST_DECODED = 2000


class Rbac:
    """Answers by the RBAC objects that are in the store now."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._decoded: dict[str, tuple[int, Json]] = {}

    def decide(self, user: User, asked: Attributes) -> Decision:
        """Administrators may do everything, even if all roles are gone."""
        if MASTERS in user.groups:
            return Decision(True)
        errors: list[str] = []
        for rule in self._rules(user, asked.namespace, errors):
            if _allows(rule, asked):
                return Decision(True)
        text = errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]"
        return Decision(False, f"RBAC: {text}" if errors else "")

    def grants(self, user: User, namespace: str) -> Grants:
        """All rules that apply to a user in a namespace."""
        errors: list[str] = []
        rules = list(self._rules(user, namespace, errors))
        paths = [rule for rule in rules if rule.get("nonResourceURLs")]
        return Grants([rule for rule in rules if not rule.get("nonResourceURLs")], paths, errors)

    def _rules(self, user: User, namespace: str, errors: list[str]) -> Iterator[Json]:
        for binding in self._all(CLUSTER_ROLE_BINDINGS):
            yield from self._bound(binding, "", user, errors)
        if namespace:
            for binding in self._all(ROLE_BINDINGS, namespace):
                yield from self._bound(binding, namespace, user, errors)

    def _bound(self, binding: Json, namespace: str, user: User, errors: list[str]) -> Iterator[Json]:
        if not any(_is_subject(subject, user, namespace) for subject in binding.get("subjects") or ()):
            return
        reference = binding["roleRef"]
        of_cluster = reference["kind"] == "ClusterRole"
        resource, place = (CLUSTER_ROLES, "") if of_cluster else (ROLES, namespace)
        role = self._find(resource, (place, reference["name"]))
        if role is None:
            errors.append(f'{reference["kind"].lower()}.{_API_GROUP} "{reference["name"]}" not found')
            return
        yield from self._rules_of(role, set())

    def _rules_of(self, role: Json, seen: set[str]) -> Iterator[Json]:
        """The role's own rules, and those of the roles it gathers."""
        yield from role.get("rules") or ()
        seen.add(role["metadata"]["name"])
        selectors = (role.get("aggregationRule") or {}).get("clusterRoleSelectors") or ()
        for other in self._all(CLUSTER_ROLES) if selectors else ():
            labels = other["metadata"].get("labels") or {}
            wanted = any(matches_labels(selector, labels) for selector in selectors)
            if wanted and other["metadata"]["name"] not in seen:
                yield from self._rules_of(other, seen)

    def _all(self, resource: Resource, namespace: str = "") -> list[Json]:
        keys = [stored.key for stored in self._store.in_namespace(resource, namespace)]
        return [obj for key in keys if (obj := self._find(resource, key)) is not None]

    def _find(self, resource: Resource, key: Key) -> Json | None:
        """An object, decoded once for each version of it."""
        stored = self._store.find(resource, key)
        if stored is None:
            return None
        version, obj = self._decoded.get(stored.uid, (0, {}))
        if version != stored.version:
            if len(self._decoded) >= _MOST_DECODED:
                self._decoded.clear()
            obj = stored.object
            self._decoded[stored.uid] = stored.version, obj
        return obj


def _is_subject(subject: Json, user: User, namespace: str) -> bool:
    """`namespace`: the binding's own, which is meant where a service account is named without one."""
    kind, name = subject.get("kind"), subject.get("name", "")
    if kind == "ServiceAccount":
        return user.name == service_account_name(subject.get("namespace") or namespace, name)
    return bool(name == user.name) if kind == "User" else kind == "Group" and name in user.groups


def _allows(rule: Json, asked: Attributes) -> bool:
    if not _has(rule.get("verbs"), asked.verb):
        return False
    if asked.path:
        return any(_covers_path(pattern, asked.path) for pattern in rule.get("nonResourceURLs") or ())
    names: Sequence[str] = rule.get("resourceNames") or ()
    named = not names or asked.name in names
    return named and _has(rule.get("apiGroups"), asked.group) and _covers_resource(rule.get("resources"), asked)


def _has(values: Sequence[str] | None, value: str) -> bool:
    return values is not None and ("*" in values or value in values)


def _covers_resource(resources: Sequence[str] | None, asked: Attributes) -> bool:
    """``pods``, ``pods/log``, ``*/log`` (that part of every resource) or ``*``."""
    anyone = f"*/{asked.subresource}" if asked.subresource else ""
    return _has(resources, asked.full_resource) or (bool(anyone) and _has(resources, anyone))


def _covers_path(pattern: str, path: str) -> bool:
    return pattern in ("*", path) or (pattern.endswith("*") and path.startswith(pattern[:-1]))
