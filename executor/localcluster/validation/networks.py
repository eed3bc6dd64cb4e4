"""Rules of services and network policies (``pkg/apis/core/validation``, ``pkg/apis/networking/validation``).

Excluded: addresses, families, load balancers, and peers of network policies.
"""

from __future__ import annotations

from executor.localcluster.status import FieldError
from executor.localcluster.types import Json
from executor.localcluster.validation import fields
from executor.localcluster.validation.metadata import labels, validate_metadata

_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_HIGHEST = 65535


def validate_service(service: Json) -> list[FieldError]:
    spec = service["spec"]
    ports = spec.get("ports") or []
    errors = validate_metadata(service)
    if not ports and spec["type"] != "ExternalName" and spec.get("clusterIP") != "None":
        errors.append(fields.required("spec.ports"))
    for index, port in enumerate(ports):
        errors += _service_port(f"spec.ports[{index}]", port, len(ports) > 1)
    errors += labels("spec.selector", spec.get("selector") or {})
    return errors + fields.one_of("spec.type", spec["type"], _TYPES)


def _service_port(path: str, port: Json, named: bool) -> list[FieldError]:
    name, target = port.get("name", ""), port["targetPort"]
    errors = [fields.required(f"{path}.name")] if named and not name else []
    errors += fields.each(f"{path}.name", name, fields.dns_label(name)) if name else []
    errors += fields.in_range(f"{path}.port", port.get("port", 0), 1, _HIGHEST)
    errors += fields.one_of(f"{path}.protocol", port["protocol"], _PROTOCOLS)
    return errors + (fields.in_range(f"{path}.targetPort", target, 1, _HIGHEST) if isinstance(target, int) else [])


def validate_network_policy(policy: Json) -> list[FieldError]:
    spec = policy["spec"]
    errors = validate_metadata(policy)
    for kind in ("ingress", "egress"):
        for index, rule in enumerate(spec.get(kind) or ()):
            errors += _ports(f"spec.{kind}[{index}].ports", rule.get("ports") or [])
    for index, name in enumerate(spec["policyTypes"]):
        errors += fields.one_of(f"spec.policyTypes[{index}]", name, ("Ingress", "Egress"))
    return errors


def _ports(path: str, ports: list[Json]) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, port in enumerate(ports):
        errors += fields.one_of(f"{path}[{index}].protocol", port["protocol"], _PROTOCOLS)
        if isinstance(port.get("port"), int):
            errors += fields.in_range(f"{path}[{index}].port", port["port"], 1, _HIGHEST)
    return errors
