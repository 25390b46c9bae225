"""The account's key: from the environment only, never from a settings file, never in a message or a log.

`KALSHI_ACCESS_KEY` is the id of the key, `KALSHI_PRIVATE_KEY` its private half: the PEM text itself or the
path of a file.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from kalshi.signing import CredentialError, Signer, load_private_key

ACCESS_KEY_VARIABLE = "KALSHI_ACCESS_KEY"
PRIVATE_KEY_VARIABLE = "KALSHI_PRIVATE_KEY"


class CredentialsError(Exception):
    """The operator's credentials cannot be used; the message says which part and why, never its content."""


def _masked(key_id: str) -> str:
    return f"'{key_id[:4]}…'"


@attrs.frozen(kw_only=True)
class Credentials:
    """One key of one account. Printing it shows no secret."""

    key_id: str = attrs.field(repr=_masked)
    private_key_pem: bytes = attrs.field(repr=False)


def credentials_from(environ: Mapping[str, str]) -> Credentials | None:
    """Returns the credentials in `environ`, None without any. Raises CredentialsError for broken ones."""
    key_id = environ.get(ACCESS_KEY_VARIABLE, "").strip()
    private_key = environ.get(PRIVATE_KEY_VARIABLE, "").strip()
    if not key_id and not private_key:
        return None
    if not private_key:
        raise CredentialsError(f"{ACCESS_KEY_VARIABLE} is set, but {PRIVATE_KEY_VARIABLE} (PEM text or path) is not.")
    if not key_id:
        raise CredentialsError(f"{PRIVATE_KEY_VARIABLE} is set, but {ACCESS_KEY_VARIABLE} (its id) is not.")
    try:
        pem = load_private_key(private_key)
        Signer(key_id, pem)  # a key that cannot sign is found now, with its name, and not at the first order
    except CredentialError as error:
        raise CredentialsError(f"{ACCESS_KEY_VARIABLE} and {PRIVATE_KEY_VARIABLE} cannot be used: {error}.") from None
    return Credentials(key_id=key_id, private_key_pem=pem)
