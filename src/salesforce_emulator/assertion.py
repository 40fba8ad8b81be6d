"""Assertions of the JWT bearer flow: who signed them, for whom, until when."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate


class InvalidKeyError(ValueError):
    """Text that is neither an RSA certificate nor an RSA public key in PEM."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """An assertion taken apart, its signature not yet checked; `expires` is in seconds since 1970."""

    issuer: str
    subject: str
    audience: tuple[str, ...]
    expires: float
    signed: bytes
    signature: bytes

    def is_signed_for(self, pem: str) -> bool:
        """Tell whether the key of a certificate signed it."""
        try:
            public_key(pem).verify(self.signature, self.signed, PKCS1v15(), SHA256())
        except (InvalidSignature, InvalidKeyError):
            return False
        return True


def read(text: str) -> Assertion | None:
    """Take an assertion apart; None where it is none of ours (RS256 is the only algorithm, as documented)."""
    parts = text.split(".")
    try:
        header, claims, signature = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in parts)
        head, given = orjson.loads(header), orjson.loads(claims)
        if head["alg"] != "RS256":
            return None
        return Assertion(
            issuer=str(given["iss"]),
            subject=str(given.get("sub") or given["prn"]),
            audience=_audience(given["aud"]),
            expires=float(given["exp"]),
            signed=".".join(parts[:2]).encode(),
            signature=signature,
        )
    except (ValueError, KeyError, TypeError, binascii.Error):
        return None


def public_key(pem: str) -> RSAPublicKey:
    """Read the RSA key of a certificate, or a public key. Raises InvalidKeyError."""
    given = pem.encode()
    try:
        key = load_pem_x509_certificate(given).public_key() if b"CERTIFICATE" in given else load_pem_public_key(given)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidKeyError(str(error)) from error
    if not isinstance(key, RSAPublicKey):
        raise InvalidKeyError("the key is no RSA key")
    return key


def _audience(given: Any) -> tuple[str, ...]:
    return tuple(map(str, given)) if isinstance(given, list) else (str(given),)
