"""Writes as the API understands them: create, update, status, delete, on top of the numbered store.

Every method is synchronous, takes decoded objects and returns the stored version; refusals are ``ApiError``.
Rules of single kinds (defaults, validation, admission) come from :mod:`executor.localcluster.strategies`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from executor.localcluster import status
from executor.localcluster.graceful import grace_of, ready_to_go
from executor.localcluster.ownership import Manager, after_update
from executor.localcluster.quota import charge
from executor.localcluster.resources import CONFIG_MAPS, NAMESPACES, PODS, SERVICE_ACCOUNTS, Resource
from executor.localcluster.schema import struct_of
from executor.localcluster.stamps import generate_name, read_timestamp, timestamp, utc_now
from executor.localcluster.store import Key, Store, Stored, stored_form
from executor.localcluster.strategies import strategy_for
from executor.localcluster.types import Json
from executor.localcluster.usage import Meter
from executor.localcluster.validation.metadata import validate_patched_uid
from executor.localcluster.writable import writable_part

NAME_MISMATCH = "the name of the object ({}) does not match the name on the URL ({})"


@dataclass(frozen=True, slots=True)
class Write:
    """How an update is meant: ``manager`` is who writes; ``managed`` the ``managedFields`` that an apply has found."""

    subresource: str = ""
    dry_run: bool = False
    manager: str = ""
    managed: list[Json] | None = None


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """What a caller of delete may say; ``grace`` in seconds, ``None`` for the object's own."""

    grace: int | None = None
    uid: str | None = None
    version: str | None = None
    propagation: str = ""
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Deletion:
    """What a delete did: ``stored`` is the object as left (or last seen); ``gone`` whether it is removed."""

    stored: Stored
    gone: bool


class Registry:
    """The rules of writing.

    ``authority`` is the PEM text that every namespace's ``kube-root-ca.crt`` holds; ``now`` gives the time of stamps.
    """

    def __init__(self, store: Store, authority: str = "", now: Callable[[], datetime] = utc_now) -> None:
        self.store = store
        self.authority = authority
        self.now = now
        self.meter = Meter(store)

    def create(
        self, resource: Resource, namespace: str, obj: Json, dry_run: bool = False, managed: list[Json] | None = None
    ) -> Stored:
        """Keep a new object. ``obj`` is taken over: the caller must not use it afterwards.

        ``managed`` are its ``managedFields`` where it is applied.
        """
        self._prepare_metadata(resource, namespace, obj)
        obj["metadata"] |= {"managedFields": managed} if managed else {}
        strategy = strategy_for(resource)
        if "status" in resource.subresources and not strategy.created_with_status:
            obj.pop("status", None)
        strategy.default(obj)
        obj["metadata"] |= {"generation": 1} if strategy.numbered else {}
        self._require_namespace(resource, namespace, obj["metadata"]["name"])
        strategy.admit(self.store, obj)
        self._refuse(resource, obj, strategy.validate(obj))
        strategy.check(self.store, obj)
        if resource.namespaced:
            charge(self.store, self.meter, resource, obj)
        if dry_run:
            return self._rehearse_create(resource, obj)
        stored = self.store.create(resource, obj)
        if resource is NAMESPACES:
            self._furnish(stored.key[1])
        return stored

    def _furnish(self, namespace: str) -> None:
        """What controllers put into each new namespace; at once, so that a pod can follow its namespace at once."""
        self.create(SERVICE_ACCOUNTS, namespace, {"metadata": {"name": "default"}})
        certificate = {"metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": self.authority}}
        self.create(CONFIG_MAPS, namespace, certificate)

    def update(self, resource: Resource, key: Key, obj: Json, write: Write) -> Stored:
        """Replace the object at ``key``. A resourceVersion in ``obj`` must be the current one."""
        subresource = write.subresource
        current = self.store.get(resource, key)
        self._check_identity(resource, current, obj)
        strategy = strategy_for(resource)
        old = current.object
        merged = writable_part(resource, old, obj, subresource)
        if subresource != "status":
            strategy.default(merged)
            errors = strategy.validate_update(merged, old) or strategy.validate(merged)
            self._refuse(resource, merged, errors)
            if strategy.numbered and merged.get("spec") != old.get("spec"):
                merged["metadata"]["generation"] = merged["metadata"].get("generation", 0) + 1
        self._own(resource, old, merged, write)
        if write.dry_run:
            return stored_form(resource, merged, current.version)
        stored = self.store.replace(resource, current, merged)
        if stored.terminating and ready_to_go(merged):
            self.store.remove(resource, stored)
        return stored

    def _own(self, resource: Resource, old: Json, new: Json, write: Write) -> None:
        """Write down whose the fields are, where somebody ever applied the object."""
        before, managed = old["metadata"].get("managedFields"), write.managed
        if managed is None and before:
            manager = Manager(write.manager, "Update", resource.api_version, write.subresource)
            managed = after_update(struct_of(resource.model), old, new, manager, timestamp(self.now()))
        if managed:
            new["metadata"]["managedFields"] = managed

    def patched(self, resource: Resource, key: Key, obj: Json, write: Write) -> Stored:
        """Replace the object at ``key`` by what a patch made of it."""
        uid, mine = (obj.get("metadata") or {}).get("uid", ""), self.store.get(resource, key).uid
        if errors := validate_patched_uid(uid, mine):
            raise status.invalid(resource.kind, resource.group, key[1], errors)
        return self.update(resource, key, obj, write)

    def bind(self, key: Key, node: str) -> Stored:
        """Assign a pod to a node, as ``pods/binding`` does; raises Conflict when it has one already."""
        current = self.store.get(PODS, key)
        pod = current.object
        if pod["spec"].get("nodeName"):
            why = f'pod {key[1]} is already assigned to node "{pod["spec"]["nodeName"]}"'
            raise status.conflict(_BINDINGS, key[1], why)
        if pod["metadata"].get("deletionTimestamp"):
            raise status.conflict(_BINDINGS, key[1], f"pod {key[1]} is being deleted, cannot be assigned to a host")
        if pod["spec"].get("schedulingGates"):
            raise status.conflict(_BINDINGS, key[1], f"pod {key[1]} has non-empty .spec.schedulingGates")
        status_now = self._with_condition(pod, {"type": "PodScheduled", "status": "True", "lastProbeTime": None})
        pod["spec"]["nodeName"] = node
        return self.store.replace(PODS, current, pod | {"status": status_now})

    def mark_disrupted(self, key: Key, reason: str, message: str) -> Stored:
        """Give a pod the condition ``DisruptionTarget``, as whatever is about to end it does first."""
        current = self.store.get(PODS, key)
        condition = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": message}
        pod = current.object
        return self.store.replace(PODS, current, pod | {"status": self._with_condition(pod, condition)})

    def _with_condition(self, pod: Json, condition: Json) -> Json:
        """The pod's status with one condition set now."""
        old = pod.get("status") or {}
        others = [c for c in old.get("conditions") or () if c["type"] != condition["type"]]
        return {**old, "conditions": [*others, {**condition, "lastTransitionTime": timestamp(self.now())}]}

    def delete(self, resource: Resource, key: Key, options: DeleteOptions) -> Deletion:
        """Delete at once, or mark and leave the rest to the node agent, a finalizer or the namespace's end."""
        current = self.store.get(resource, key)
        self.check_preconditions(resource, current, options)
        if options.dry_run:
            return Deletion(current, gone=True)
        if options.propagation == "Orphan":
            self._orphan(current.uid)
        obj = current.object
        grace = grace_of(resource, obj, options.grace)
        finalizers = obj["metadata"].get("finalizers")
        held = grace > 0 or bool(finalizers) or (resource is NAMESPACES)
        if not held:
            # A pod is marked in any case, so the last that watches see of it says that it was deleted (delete.go).
            last = self._mark(resource, current, 0) if resource is PODS else current
            return Deletion(self.store.remove(resource, last), gone=True)
        return Deletion(self._mark(resource, current, grace), gone=False)

    def _mark(self, resource: Resource, current: Stored, grace: int) -> Stored:
        obj = current.object
        metadata = obj["metadata"]
        if metadata.get("deletionTimestamp") and grace >= metadata.get("deletionGracePeriodSeconds", 0):
            return current
        metadata |= {"deletionTimestamp": self._gone_by(metadata, grace), "deletionGracePeriodSeconds": grace}
        if resource is NAMESPACES:
            obj["status"] = {**obj.get("status", {}), "phase": "Terminating"}
        return self.store.replace(resource, current, obj)

    def _gone_by(self, metadata: Json, grace: int) -> str:
        """The end of the grace, counted from the first request, also when a later one shortens it (``delete.go``)."""
        asked = self.now()
        if before := metadata.get("deletionTimestamp"):
            asked = read_timestamp(before) - timedelta(seconds=metadata.get("deletionGracePeriodSeconds", 0))
        return timestamp(asked + timedelta(seconds=grace))

    def _orphan(self, uid: str) -> None:
        for resource, key in list(self.store.dependents.get(uid, ())):
            current = self.store.get(resource, key)
            obj = current.object
            references = obj["metadata"]["ownerReferences"]
            obj["metadata"]["ownerReferences"] = [r for r in references if r.get("uid") != uid]
            self.store.replace(resource, current, obj)

    def _prepare_metadata(self, resource: Resource, namespace: str, obj: Json) -> None:
        metadata = obj["metadata"] = dict(obj.get("metadata") or {})
        obj["apiVersion"], obj["kind"] = resource.api_version, resource.kind
        if metadata.get("resourceVersion"):
            raise status.bad_request("resourceVersion should not be set on objects to be created")
        if metadata.get("namespace", namespace) != namespace and resource.namespaced:
            raise status.bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        if resource.namespaced:
            metadata["namespace"] = namespace
        else:
            metadata.pop("namespace", None)
        for name in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "managedFields"):
            metadata.pop(name, None)
        if not metadata.get("name"):
            prefix = metadata.get("generateName")
            metadata["name"] = generate_name(prefix) if prefix else ""
        metadata["uid"] = str(uuid.uuid4())
        metadata["creationTimestamp"] = timestamp(self.now())

    def _require_namespace(self, resource: Resource, namespace: str, name: str) -> None:
        if not resource.namespaced:
            return
        found = self.store.get(NAMESPACES, ("", namespace))
        if found.terminating:
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            error = status.forbidden(resource, name, why)
            cause = {"reason": "NamespaceTerminating", "field": "metadata.namespace"}
            cause["message"] = f"namespace {namespace} is being terminated"
            error.details = {**(error.details or {}), "causes": [cause]}
            raise error

    def _rehearse_create(self, resource: Resource, obj: Json) -> Stored:
        key = (obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
        if self.store.find(resource, key):
            raise status.already_exists(resource, key[1])
        return stored_form(resource, obj, 0)

    def _check_identity(self, resource: Resource, current: Stored, obj: Json) -> None:
        metadata = obj.get("metadata") or {}
        name = current.key[1]
        if metadata.get("name", name) != name:
            raise status.bad_request(NAME_MISMATCH.format(metadata["name"], name))
        version = metadata.get("resourceVersion")
        if version and version != str(current.version):
            raise status.conflict(resource, name)
        uid, mine = metadata.get("uid"), current.uid
        if uid and uid != mine:
            why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {mine}"
            raise status.conflict(resource, name, why)

    @staticmethod
    def check_preconditions(resource: Resource, current: Stored, options: DeleteOptions) -> None:
        """Raise the 409 of a deletion that means another object or another version of it."""
        metadata, name = current.object["metadata"], current.key[1]
        if options.uid is not None and options.uid != metadata["uid"]:
            why = (
                f"the UID in the precondition ({options.uid}) does not match the UID in record ({metadata['uid']}). "
                "The object might have been deleted and then recreated"
            )
            raise status.conflict_of_kind(resource, name, why)
        if options.version is not None and options.version != metadata["resourceVersion"]:
            why = (
                f"the ResourceVersion in the precondition ({options.version}) does not match the ResourceVersion in "
                f"record ({metadata['resourceVersion']}). The object might have been modified"
            )
            raise status.conflict_of_kind(resource, name, why)

    def _refuse(self, resource: Resource, obj: Json, errors: list[status.FieldError]) -> None:
        if errors:
            raise status.invalid(resource.kind, resource.group, obj["metadata"]["name"], errors)


_BINDINGS = Resource("pods/binding", "Binding", "V1Binding")
