"""Signatures are the exchange's: RSA-PSS or Ed25519 over time, method and path, and nobody sees the key."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Literal

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from kalshi.signing import CredentialError, Signer, generate_key_pair, load_private_key, verify

RSA = generate_key_pair("rsa")
ED25519 = generate_key_pair("ed25519")
PAIRS = {"rsa": RSA, "ed25519": ED25519}
PATH = "/trade-api/v2/portfolio/events/orders"

Kind = Literal["rsa", "ed25519"]
kinds = pytest.mark.parametrize("kind", ["rsa", "ed25519"])


def signed(kind: Kind) -> dict[str, str]:
    return Signer("key-1", PAIRS[kind][0]).headers("POST", PATH, 1_781_159_360_866)


@kinds
def test_the_three_headers_carry_key_time_and_a_signature_that_verifies(kind: Kind) -> None:
    headers = signed(kind)
    assert set(headers) == {"KALSHI-ACCESS-KEY", "KALSHI-ACCESS-TIMESTAMP", "KALSHI-ACCESS-SIGNATURE"}
    assert headers["KALSHI-ACCESS-KEY"] == "key-1"
    assert headers["KALSHI-ACCESS-TIMESTAMP"] == "1781159360866"
    assert verify(PAIRS[kind][1], headers["KALSHI-ACCESS-SIGNATURE"], "1781159360866", "POST", PATH)


@kinds
@pytest.mark.parametrize(
    ("timestamp_ms", "method", "path"),
    [("1781159360867", "POST", PATH), ("1781159360866", "GET", PATH), ("1781159360866", "POST", PATH + "/")],
)
def test_a_signature_covers_time_method_and_path(kind: Kind, timestamp_ms: str, method: str, path: str) -> None:
    signature = signed(kind)["KALSHI-ACCESS-SIGNATURE"]
    assert not verify(PAIRS[kind][1], signature, timestamp_ms, method, path)


@kinds
def test_the_query_is_not_signed_and_the_method_counts_in_upper_case(kind: Kind) -> None:
    signer = Signer("key-1", PAIRS[kind][0])
    signature = signer.headers("get", "/trade-api/v2/markets?limit=5", 1)["KALSHI-ACCESS-SIGNATURE"]
    assert verify(PAIRS[kind][1], signature, "1", "GET", "/trade-api/v2/markets")


def test_the_rsa_signature_has_the_exchange_s_parameters() -> None:
    key = serialization.load_pem_public_key(RSA[1])
    assert isinstance(key, rsa.RSAPublicKey)
    key.verify(
        base64.b64decode(signed("rsa")["KALSHI-ACCESS-SIGNATURE"]),
        f"1781159360866POST{PATH}".encode(),
        padding.PSS(padding.MGF1(hashes.SHA256()), 32),
        hashes.SHA256(),
    )


def test_pkcs1_keys_are_read_as_well() -> None:
    key = serialization.load_pem_private_key(RSA[0], None)
    pkcs1 = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    assert b"BEGIN RSA PRIVATE KEY" in pkcs1
    signature = Signer("key-1", pkcs1).headers("GET", "/x", 5)["KALSHI-ACCESS-SIGNATURE"]
    assert verify(RSA[1], signature, "5", "GET", "/x")


@pytest.mark.parametrize("signature", ["", "###", "AAAA", "ü"])
@kinds
def test_a_broken_signature_is_false_and_no_error(kind: Kind, signature: str) -> None:
    assert not verify(PAIRS[kind][1], signature, "1", "GET", "/x")


def test_a_signature_of_another_key_is_false() -> None:
    other = Signer("key-1", generate_key_pair("ed25519")[0]).headers("GET", "/x", 1)
    assert not verify(ED25519[1], other["KALSHI-ACCESS-SIGNATURE"], "1", "GET", "/x")


def test_keys_that_cannot_be_used_are_named_without_being_shown() -> None:
    curve = ec.generate_private_key(ec.SECP256R1())
    curve_pem = curve.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    curve_public = curve.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    encrypted = serialization.load_pem_private_key(RSA[0], None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    damaged = RSA[0].replace(b"A", b"!", 40)
    for pem, words in (
        (curve_pem, "neither RSA nor Ed25519"),
        (encrypted, "encrypted"),
        (damaged, "no PEM"),
        (b"", "no PEM"),
        (RSA[1], "no PEM"),
    ):
        with pytest.raises(CredentialError, match=words) as caught:
            Signer("key-1", pem)
        assert RSA[0].split(b"\n")[1].decode() not in str(caught.value)
    with pytest.raises(CredentialError, match="public key"):
        verify(b"nonsense", "AAAA", "1", "GET", "/x")
    with pytest.raises(CredentialError, match="neither"):
        verify(curve_public, "AAAA", "1", "GET", "/x")


@pytest.mark.parametrize("key_id", ["", "  ", "a\nb", "schlüssel"])
def test_a_key_id_that_no_header_can_carry_is_refused(key_id: str) -> None:
    with pytest.raises(CredentialError, match="key id"):
        Signer(key_id, RSA[0])


def test_i22_the_key_shows_nowhere() -> None:
    signer = Signer("key-1", RSA[0])
    assert repr(signer) == "Signer(key_id='key-1', private key hidden)"
    assert "PRIVATE" not in str(vars(signer)["_private_key"])


def test_a_private_key_comes_inline_or_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(RSA[0])
    assert load_private_key(str(file)) == RSA[0]
    assert load_private_key(RSA[0].decode()) == RSA[0]
    assert load_private_key(RSA[0].decode().replace("\n", "\\n")) == RSA[0]


def test_a_missing_or_absurd_key_file_is_named_as_the_operator_s_matter(tmp_path: Path) -> None:
    with pytest.raises(CredentialError, match="No such file"):
        load_private_key(str(tmp_path / "missing.pem"))
    with pytest.raises(CredentialError, match="too long"):
        load_private_key("MIIEvQ" * 200)
    with pytest.raises(CredentialError, match="no path"):
        load_private_key("a\0b")
    large = tmp_path / "large"
    large.write_bytes(b"x" * 100_000)
    with pytest.raises(CredentialError, match="too large"):
        load_private_key(str(large))
