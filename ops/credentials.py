"""The account's key: from the environment only, never from a settings file, never in a message or a log.

`KALSHI_ACCESS_KEY` is the id of the key, `KALSHI_PRIVATE_KEY` its private half: the PEM text itself or the
path of a file.

Under a service manager both may be files in `$CREDENTIALS_DIRECTORY` instead (systemd's LoadCredential),
`kalshi-access-key` and `kalshi-private-key`: only this service can read them, and no child inherits them as it does a
variable. A variable that is set wins over its file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs

from kalshi.signing import CredentialError, Signer, load_private_key

ACCESS_KEY_VARIABLE = "KALSHI_ACCESS_KEY"
PRIVATE_KEY_VARIABLE = "KALSHI_PRIVATE_KEY"
FOLDER_VARIABLE = "CREDENTIALS_DIRECTORY"
ACCESS_KEY_FILE = "kalshi-access-key"
PRIVATE_KEY_FILE = "kalshi-private-key"
KEY_ID_BYTES_MAX = 1_000  # an id is 36 characters; a file much longer is another one


class CredentialsError(Exception):
    """The operator's credentials cannot be used; the message says which part and why, never its content."""


def _masked(key_id: str) -> str:
    return f"'{key_id[:4]}…'"


@attrs.frozen(kw_only=True)
class Credentials:
    """One key of one account. Printing it shows no secret."""

    key_id: str = attrs.field(repr=_masked)
    private_key_pem: bytes = attrs.field(repr=False)

    def secrets(self) -> tuple[str, ...]:
        """Returns what must never be written anywhere: the id, and each line of the key, whatever it comes out of."""
        lines = self.private_key_pem.decode("ascii", "replace").splitlines()
        return (self.key_id, *(line.strip() for line in lines if line.strip() and not line.startswith("-----")))


def credentials_from(environ: Mapping[str, str]) -> Credentials | None:
    """Returns the credentials in `environ`, None without any. Raises CredentialsError for broken ones."""
    key_id = environ.get(ACCESS_KEY_VARIABLE, "").strip() or _key_id_in_folder(environ)
    private_key = environ.get(PRIVATE_KEY_VARIABLE, "").strip() or _file_in_folder(environ, PRIVATE_KEY_FILE)
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


def _file_in_folder(environ: Mapping[str, str], name: str) -> str:
    """Returns the path of the service manager's credential of that name; empty where it gave none."""
    folder = environ.get(FOLDER_VARIABLE, "")
    path = Path(folder, name)
    try:
        return str(path) if folder and path.exists() else ""
    except OSError as error:
        raise CredentialsError(f"the credential {name} cannot be read: {error.strerror}.") from None


def _key_id_in_folder(environ: Mapping[str, str]) -> str:
    path = _file_in_folder(environ, ACCESS_KEY_FILE)
    if not path:
        return ""
    try:
        with Path(path).open("rb") as file:
            return file.read(KEY_ID_BYTES_MAX).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        # The content may be a private key put under the wrong name, so it is not repeated.
        reason = getattr(error, "strerror", None) or "it is no plain text"
        raise CredentialsError(f"the credential {ACCESS_KEY_FILE} cannot be read: {reason}.") from None
