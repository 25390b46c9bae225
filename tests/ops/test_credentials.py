"""Where the account's key comes from: variables, or the folder that a service manager hands over."""

from __future__ import annotations

from pathlib import Path

import pytest

from kalshi.signing import generate_key_pair
from ops.credentials import Credentials, CredentialsError, credentials_from

KEY_ID = "11111111-2222-4333-8444-555555555555"


@pytest.fixture
def pem() -> bytes:
    return generate_key_pair("ed25519")[0]


def _hand_over(folder: Path, **files: bytes) -> dict[str, str]:
    for name, content in files.items():
        (folder / name.replace("_", "-")).write_bytes(content)
    return {"CREDENTIALS_DIRECTORY": str(folder)}


def test_both_halves_are_found_in_the_service_managers_folder(tmp_path: Path, pem: bytes) -> None:
    environ = _hand_over(tmp_path, kalshi_access_key=f"{KEY_ID}\n".encode(), kalshi_private_key=pem)
    assert credentials_from(environ) == Credentials(key_id=KEY_ID, private_key_pem=pem)


def test_a_variable_wins_over_its_file(tmp_path: Path, pem: bytes) -> None:
    environ = _hand_over(tmp_path, kalshi_access_key=b"another", kalshi_private_key=pem)
    found = credentials_from({**environ, "KALSHI_ACCESS_KEY": KEY_ID})
    assert found is not None
    assert found.key_id == KEY_ID


@pytest.mark.parametrize("environ", [{}, {"CREDENTIALS_DIRECTORY": ""}, {"CREDENTIALS_DIRECTORY": "/nowhere"}])
def test_without_any_there_are_none(environ: dict[str, str]) -> None:
    assert credentials_from(environ) is None


def test_a_folder_with_files_of_others_has_none_of_ours(tmp_path: Path) -> None:
    assert credentials_from(_hand_over(tmp_path, database_password=b"secret")) is None


def test_one_half_alone_is_named(tmp_path: Path, pem: bytes) -> None:
    with pytest.raises(CredentialsError, match="KALSHI_ACCESS_KEY"):
        credentials_from(_hand_over(tmp_path, kalshi_private_key=pem))


def test_a_key_that_cannot_sign_is_refused_without_its_content(tmp_path: Path) -> None:
    environ = _hand_over(tmp_path, kalshi_access_key=KEY_ID.encode(), kalshi_private_key=b"my-secret")
    with pytest.raises(CredentialsError) as refused:
        credentials_from(environ)
    assert "my-secret" not in str(refused.value)


def test_an_id_that_is_no_text_is_refused_without_its_content(tmp_path: Path, pem: bytes) -> None:
    environ = _hand_over(tmp_path, kalshi_access_key=b"\xff\xfesecret", kalshi_private_key=pem)
    with pytest.raises(CredentialsError) as refused:
        credentials_from(environ)
    assert "secret" not in str(refused.value)


def test_what_must_never_be_written_is_the_id_and_every_line_of_the_key(pem: bytes) -> None:
    secrets = Credentials(key_id=KEY_ID, private_key_pem=pem).secrets()
    assert KEY_ID in secrets
    assert all(line in secrets for line in pem.decode().splitlines() if not line.startswith("-----"))
    assert not any("-----" in secret or not secret for secret in secrets)
