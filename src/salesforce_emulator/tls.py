"""Our own certificate authority and the server's certificate, made at the first start."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_DNS_NAME = re.compile(
    r"(?=[^.]*[A-Za-z])[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*"
)


@dataclass(frozen=True, slots=True)
class Certificates:
    """Paths of PEM files: the authority to trust, the server's key and its certificate chain."""

    ca: Path
    key: Path
    chain: Path


def certificates(folder: Path, hosts: Iterable[str]) -> Certificates:
    """Make a server certificate for `hosts`; the authority of an earlier start in the same folder is used again."""
    ca_path, ca_key = folder / "ca.pem", folder / "ca-key.pem"
    if ca_path.exists() and ca_key.exists():
        authority = trustme.CA.from_pem(ca_path.read_bytes(), ca_key.read_bytes())
    else:
        authority = trustme.CA(organization_name="Salesforce emulator", key_type=trustme.KeyType.ECDSA)
        authority.cert_pem.write_to_path(ca_path)
        authority.private_key_pem.write_to_path(ca_key)
        ca_key.chmod(0o600)
    issued = authority.issue_cert(*_names(hosts), key_type=trustme.KeyType.ECDSA)
    key, chain = folder / "server-key.pem", folder / "server.pem"
    issued.private_key_pem.write_to_path(key)
    key.chmod(0o600)
    chain.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    return Certificates(ca_path, key, chain)


def _names(hosts: Iterable[str]) -> list[str]:
    """Leave out what no certificate can hold: the unspecified address, machine names that are no DNS names."""
    names = dict.fromkeys(["localhost", "127.0.0.1", "::1", *hosts])
    return [name for name in names if _is_address(name) or _DNS_NAME.fullmatch(name)]


def _is_address(name: str) -> bool:
    try:
        return not ipaddress.ip_address(name).is_unspecified
    except ValueError:
        return False
