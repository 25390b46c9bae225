"""Ready-made keys for customers who bring none: made at the start, or found in a folder from the last time.

The private half is written with mode 0600 into a folder of mode 0700. It guards play money on loopback, but people
copy commands, and one day the key beside it is a real one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Literal

import attrs

from kalshi.signing import CredentialError, generate_key_pair, verify

KeyKind = Literal["ed25519", "rsa"]
KEY_IDS: Final[dict[KeyKind, str]] = {
    "ed25519": "00000000-0000-4000-8000-00000000feed",
    "rsa": "00000000-0000-4000-8000-00000000beef",
}


class KeyFilesError(Exception):
    """The keys cannot be written, read or used; the message says which and why."""


@attrs.frozen(kw_only=True)
class ReadyKey:
    """A key pair in files; what a customer needs is the id and the private file."""

    key_id: str
    kind: KeyKind
    private_file: Path
    public_pem: bytes = attrs.field(repr=False)


def ready_key(folder: Path, key_id: str, kind: KeyKind, name: str | None = None) -> ReadyKey:
    """Returns the key pair of that name in the folder, making it where there is none. Raises KeyFilesError."""
    name = kind if name is None else name
    private_file, public_file = folder / f"{name}.private.pem", folder / f"{name}.public.pem"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not private_file.exists():
            private_pem, public_pem = generate_key_pair(kind)
            _write_private(private_file, private_pem)
            public_file.write_bytes(public_pem)
        public_pem = read_public_key(public_file)
    except OSError as error:
        raise KeyFilesError(f"cannot keep keys in {folder}: {error.strerror or error}") from None
    return ReadyKey(key_id=key_id, kind=kind, private_file=private_file.absolute(), public_pem=public_pem)


def read_public_key(path: Path) -> bytes:
    """Returns a public key's PEM. Raises KeyFilesError for what is none, OSError for what cannot be read."""
    public_pem = path.read_bytes()
    try:
        verify(public_pem, "", "0", "GET", "/")
    except CredentialError as error:
        raise KeyFilesError(f"{path} is not usable: {error}") from None
    return public_pem


def _write_private(path: Path, pem: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
