"""Request signatures: whom the exchange takes us for.

The signed text is `timestamp_ms + METHOD + path`, where the path is the full one from the root, without
query, host or body. RSA keys sign with RSASSA-PSS over SHA-256 with MGF1-SHA-256 and a salt as long as the
digest; Ed25519 keys sign the text itself. The exchange picks the scheme by the key that it has on file, so
this client does it by the key it has.

Rules:
1. A signature is made for one request and never used twice.
2. No text of ours (repr, error message) shows any part of a private key.

Source: Kalshi API key pages of 2026-08-20 and 2026-09-24; recorded requests of 2026-06-11.
"""

from __future__ import annotations

import base64
import binascii
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

# Fresh RSA keys are for tests and the simulator; 2048 bits is the shortest that the exchange takes.
_RSA_BITS: Final = 2048
# A PEM file is a few kilobytes; more than this is some other file.
_KEY_FILE_BYTES_MAX: Final = 65_536
# Whoever verifies does it for a handful of keys, thousands of times each.
_PUBLIC_KEYS_MAX: Final = 64

_PSS: Final = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=hashes.SHA256.digest_size)


class CredentialError(ValueError):
    """The operator's key or key id cannot be used; the message says which one and what to do."""


class Signer:
    """Signs requests with one private key. Raises CredentialError for an unusable key or key id."""

    def __init__(self, key_id: str, private_key_pem: bytes) -> None:
        if not key_id.strip() or not key_id.isascii() or not key_id.isprintable():
            raise CredentialError("the key id is empty or holds unprintable characters: copy it from the API key page")
        self.key_id = key_id.strip()
        self._private_key = _load(private_key_pem)

    def __repr__(self) -> str:
        return f"Signer(key_id={self.key_id!r}, private key hidden)"

    def headers(self, method: str, path: str, timestamp_ms: int) -> dict[str, str]:
        """Returns the three access headers for one request; `path` is the full one, without the query."""
        text = _signed_text(str(timestamp_ms), method, path)
        if isinstance(self._private_key, rsa.RSAPrivateKey):
            signature = self._private_key.sign(text, _PSS, hashes.SHA256())
        else:
            signature = self._private_key.sign(text)
        return {
            "KALSHI-ACCESS-KEY": self.key_id,
            "KALSHI-ACCESS-TIMESTAMP": str(timestamp_ms),
            "KALSHI-ACCESS-SIGNATURE": base64.b64encode(signature).decode("ascii"),
        }


def load_private_key(text_or_path: str) -> bytes:
    """Returns the PEM bytes of an inline key or of the file it names; raises CredentialError.

    An inline key may have its line breaks written as backslash and n, as environment files often do.
    """
    if "-----BEGIN" in text_or_path:
        return text_or_path.replace("\\n", "\n").encode("ascii", "replace")
    try:
        with Path(text_or_path).expanduser().open("rb") as file:
            pem = file.read(_KEY_FILE_BYTES_MAX + 1)
    except (OSError, ValueError, RuntimeError) as error:
        # The text may be a key without its first line, so it is not repeated here (rule 2).
        reason = getattr(error, "strerror", None) or "this is no path"
        raise CredentialError(f"the private key is neither PEM text nor a readable file: {reason}") from None
    if len(pem) > _KEY_FILE_BYTES_MAX:
        raise CredentialError("the private key file is too large to be a PEM key: check its path")
    return pem


def verify(public_key_pem: bytes, signature_b64: str, timestamp_ms: str, method: str, path: str) -> bool:
    """Returns whether the signature is that of the key over this time, method and path.

    Raises CredentialError where the public key itself cannot be used.
    """
    try:
        key = _public_key(public_key_pem)
    except (ValueError, TypeError) as error:
        raise CredentialError("the public key is no PEM that can be read") from error
    text = _signed_text(timestamp_ms, method, path)
    try:
        signature = base64.b64decode(signature_b64, validate=True)
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, text, _PSS, hashes.SHA256())
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, text)
        else:
            raise CredentialError("the public key is neither RSA nor Ed25519")
    except (InvalidSignature, binascii.Error):
        return False
    except ValueError as error:
        if isinstance(error, CredentialError):
            raise
        return False  # A signature with characters outside ASCII.
    return True


@lru_cache(maxsize=_PUBLIC_KEYS_MAX)
def _public_key(pem: bytes) -> PublicKeyTypes:
    return serialization.load_pem_public_key(pem)


def generate_key_pair(kind: Literal["rsa", "ed25519"]) -> tuple[bytes, bytes]:
    """Returns a fresh (private PEM, public PEM) pair, PKCS#8 and SubjectPublicKeyInfo."""
    private: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
    if kind == "rsa":
        private = rsa.generate_private_key(public_exponent=65_537, key_size=_RSA_BITS)
    else:
        private = ed25519.Ed25519PrivateKey.generate()
    private_pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public_pem = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private_pem, public_pem


def _signed_text(timestamp_ms: str, method: str, path: str) -> bytes:
    return f"{timestamp_ms}{method.upper()}{path.partition('?')[0]}".encode("utf-8", "replace")


def _load(private_key_pem: bytes) -> rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(private_key_pem, password=None)
    except TypeError:
        raise CredentialError("the private key is encrypted: give it without a passphrase") from None
    except Exception:
        raise CredentialError("the private key is no PEM that can be read (PKCS#1 or PKCS#8)") from None
    if isinstance(key, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        return key
    raise CredentialError("the private key is neither RSA nor Ed25519: make a new one on the API key page")
