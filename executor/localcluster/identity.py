"""What a cluster is known by: its tokens and its certificate, which ``--data`` keeps over a restart.

The file holds secrets and is readable for this user only. Nothing of it is ever printed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from cryptography import x509

from executor.localcluster.kubeconfig import ServerCertificate, make_certificate, write_private
from executor.localcluster.tokens import Keys, new_keys

FILE = "identity.json"
_LEFT = timedelta(days=2)


@dataclass(frozen=True, slots=True, repr=False)
class Identity:
    """Tokens and certificate. Never printed."""

    keys: Keys
    certificate: ServerCertificate


class IdentityError(OSError):
    """The file cannot be read; the message says what to do."""


def new_identity() -> Identity:
    return Identity(new_keys(), make_certificate())


def load_identity(folder: Path) -> Identity:
    """The identity kept in a folder, made and kept there the first time; a certificate about to expire is renewed."""
    path = folder / FILE
    found = _read(path) if path.exists() else new_identity()
    if _expires(found.certificate) - datetime.now(UTC) < _LEFT:
        found = Identity(found.keys, make_certificate())
    write_private(path, msgspec.json.encode(found))
    return found


def _read(path: Path) -> Identity:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Identity)
    except msgspec.DecodeError:
        raise IdentityError(f"{path} cannot be read; delete it to get a new token and certificate") from None


def _expires(certificate: ServerCertificate) -> datetime:
    return x509.load_pem_x509_certificate(certificate.certificate).not_valid_after_utc
