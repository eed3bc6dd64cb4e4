"""Which image pull errors will not heal: the one place that reads a registry's words.

The kubelet reports every failed pull as ErrImagePull or ImagePullBackOff; whether the image is missing or the
registry is having a bad minute stands only in the message (containerd `core/remotes/docker`).
"""

from __future__ import annotations

FINAL_REASONS = frozenset({"InvalidImageName", "ErrImageNeverPull"})
_FINAL_WORDS = (
    "not found",
    "manifest unknown",
    "does not exist",
    "pull access denied",
    "insufficient_scope",
    "no matching manifest",
    "invalid reference format",
)


def will_not_heal(message: str) -> bool:
    """True if another pull of the same image will give the same answer. message: of a failed pull."""
    lowered = message.lower()
    return any(word in lowered for word in _FINAL_WORDS)
