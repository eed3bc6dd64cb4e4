"""Layer 4: secrets as environment variables and volumes of container `base`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from executor.manifest.model import BASE, JsonMap, container_index
from executor.secret import FIELDS, Secret


@dataclass(frozen=True, slots=True)
class SecretUse:
    """A secret and, for a volume, which entries go to which files (`items` of a Kubernetes secret volume)."""

    secret: Secret
    items: tuple[JsonMap, ...] = ()


def secrets_patch(uses: Iterable[SecretUse], pod: JsonMap) -> JsonMap:
    """Return the merge patch that gives `base` of `pod` these secrets.

    `envFrom` is a list without a merge key, so the patch holds the pod's own entries too.
    """
    env: list[JsonMap] = []
    env_from: list[JsonMap] = []
    mounts: list[JsonMap] = []
    volumes: list[JsonMap] = []
    for use in uses:
        secret = use.secret
        if secret.deploy_type == "volume":
            volume = _volume(use)
            volumes.append(volume)
            mounts.append({"name": volume["name"], "mountPath": secret.deploy_target, "readOnly": True})
        elif secret.key is None:
            env_from.append({"secretRef": {"name": secret.secret}})
        else:
            reference = {"secretKeyRef": {"name": secret.secret, "key": secret.key}}
            env.append({"name": secret.deploy_target, "valueFrom": reference})
    if env_from:
        env_from = _appended(_base_of(pod).get("envFrom") or [], env_from)
    container = {"env": env, "envFrom": env_from, "volumeMounts": mounts}
    spec: dict[str, Any] = {"containers": [{"name": BASE, **{k: v for k, v in container.items() if v}}]}
    return {"spec": {**spec, "volumes": volumes} if volumes else spec}


def _appended(present: list[JsonMap], more: list[JsonMap]) -> list[JsonMap]:
    result = list(present)
    for entry in more:
        if entry not in result:
            result.append(entry)
    return result


def _base_of(pod: JsonMap) -> JsonMap:
    index = container_index(pod, BASE)
    base: JsonMap = pod["spec"]["containers"][index] if index is not None else {}
    return base


def _volume(use: SecretUse) -> JsonMap:
    """The name is a hash of the secret, so that the same task always gives the same pod."""
    secret = use.secret
    told = json.dumps([*(secret[field] for field in FIELDS), *use.items], sort_keys=True)
    source: JsonMap = {"secretName": secret.secret}
    if secret.key is not None:
        source["items"] = [{"key": secret.key, "path": secret.key}]
    elif use.items:
        source["items"] = list(use.items)
    return {"name": f"secret-{sha256(told.encode()).hexdigest()[:12]}", "secret": source}
