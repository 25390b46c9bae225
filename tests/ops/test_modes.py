"""Where the bot may trade: I27 in every combination, and addresses held against the mode."""

from __future__ import annotations

import itertools
from pathlib import Path

import attrs
import pytest

from kalshi.signing import generate_key_pair
from ops.credentials import Credentials, CredentialsError, credentials_from
from ops.modes import Mode, check_mode, endpoints_for, may_send_live
from ops.settings import Settings

KEY_PEM = generate_key_pair("ed25519")[0].decode()
CREDENTIALS = {"KALSHI_ACCESS_KEY": "a952bcbe-ec3b-4b5b-b8f9-11dae589608c", "KALSHI_PRIVATE_KEY": KEY_PEM}
SWITCH = {"LIVE_TRADING_ENABLED": "true"}
LIVE_HOSTS = ("https://api.elections.kalshi.com/trade-api/v2", "https://external-api.kalshi.com/trade-api/v2")


def settings(mode: Mode, base_url: str | None = None, websocket_url: str | None = None) -> Settings:
    whole = Settings(mode=mode)
    exchange = attrs.evolve(whole.exchange, base_url=base_url, websocket_url=websocket_url)
    return attrs.evolve(whole, exchange=exchange)


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize(
    "credentials", [{}, CREDENTIALS, {"KALSHI_ACCESS_KEY": "x"}, {**CREDENTIALS, "KALSHI_PRIVATE_KEY": "x"}]
)
@pytest.mark.parametrize("switch", [None, "", "false", "1", "yes", "True", "true", " TRUE "])
def test_live_orders_need_mode_credentials_and_switch_all_three(
    mode: Mode, credentials: dict[str, str], switch: str | None
) -> None:
    """I27: of all combinations only one opens the way to real money."""
    environ = {**credentials, **({} if switch is None else {"LIVE_TRADING_ENABLED": switch})}
    is_complete = mode is Mode.LIVE and credentials == CREDENTIALS and (switch or "").strip().lower() == "true"
    assert may_send_live(settings(mode), environ) is is_complete
    may_start = {
        Mode.SIMULATED: True,
        Mode.DEMO: credentials == CREDENTIALS,
        Mode.SHADOW: credentials == CREDENTIALS,
        Mode.LIVE: is_complete,
    }
    assert (check_mode(settings(mode), environ) == ()) is may_start[mode]


def test_a_refused_live_start_names_all_that_is_missing_and_what_to_use_instead() -> None:
    said = "\n".join(check_mode(settings(Mode.LIVE), {}))
    for text in ("KALSHI_ACCESS_KEY", "KALSHI_PRIVATE_KEY", "LIVE_TRADING_ENABLED=true", "`mode: demo`", "shadow"):
        assert text in said


def test_shadow_needs_credentials_to_read_with_and_no_switch_and_is_never_live() -> None:
    assert check_mode(settings(Mode.SHADOW), CREDENTIALS) == ()
    (said,) = check_mode(settings(Mode.SHADOW), SWITCH)
    assert "mode `shadow` needs credentials" in said
    assert not may_send_live(settings(Mode.SHADOW), {**CREDENTIALS, **SWITCH})
    whole = settings(Mode.SHADOW)
    without_feed = attrs.evolve(whole, websockets=attrs.evolve(whole.websockets, enabled=False))
    (said,) = check_mode(without_feed, CREDENTIALS)
    assert "websockets.enabled" in said


@pytest.mark.parametrize("switch", [{}, SWITCH])
@pytest.mark.parametrize(
    ("url", "is_fine"),
    [
        (LIVE_HOSTS[0], True),
        (LIVE_HOSTS[1], True),
        ("https://external-api.demo.kalshi.co/trade-api/v2", True),
        ("http://127.0.0.1:81/trade-api/v2", True),
        ("http://localhost:81/trade-api/v2", True),
        ("http://external-api.kalshi.com/trade-api/v2", False),
        ("http://127.0.0.1.evil.example/x", False),
    ],
)
def test_shadow_reads_from_anywhere_encrypted_and_from_this_machine(
    switch: dict[str, str], url: str, is_fine: bool
) -> None:
    websocket = url.replace("http", "ws", 1)
    for chosen in (settings(Mode.SHADOW, url), settings(Mode.SHADOW, None, websocket)):
        said = check_mode(chosen, {**CREDENTIALS, **switch})
        assert (said == ()) is is_fine
        assert is_fine or "does not belong to mode" in said[0]
        assert not may_send_live(chosen, {**CREDENTIALS, **switch})


def test_the_simulated_mode_needs_nothing_and_has_no_address() -> None:
    assert check_mode(Settings(), {}) == ()
    assert endpoints_for(Settings()) is None


def test_demo_needs_credentials_only() -> None:
    assert check_mode(settings(Mode.DEMO), CREDENTIALS) == ()
    (said,) = check_mode(settings(Mode.DEMO), {})
    assert "needs credentials" in said


@pytest.mark.parametrize(("mode", "url"), list(itertools.product((Mode.SIMULATED, Mode.DEMO), LIVE_HOSTS)))
def test_a_live_address_is_refused_in_every_other_mode(mode: Mode, url: str) -> None:
    environ = {**CREDENTIALS, **SWITCH}
    for wrong in (settings(mode, url), settings(mode, None, url.replace("https", "wss"))):
        assert any("does not belong to mode" in said for said in check_mode(wrong, environ))
        assert not may_send_live(wrong, environ)


@pytest.mark.parametrize(
    "url", ["https://kalshi.co.evil.example/x", "https://127.0.0.1.evil.example/x", "https://notkalshi.co/x"]
)
def test_look_alike_hosts_belong_to_no_demo_and_no_simulation(url: str) -> None:
    assert check_mode(settings(Mode.DEMO, url), CREDENTIALS)
    assert check_mode(settings(Mode.SIMULATED, url), CREDENTIALS)


def test_live_refuses_the_demo_address_and_plain_text() -> None:
    environ = {**CREDENTIALS, **SWITCH}
    for url in ("https://demo-api.kalshi.co/trade-api/v2", "http://127.0.0.1:9/trade-api/v2"):
        assert any("does not belong" in said for said in check_mode(settings(Mode.LIVE, url), environ))


def test_addresses_follow_from_the_mode_and_can_be_given() -> None:
    live, demo = endpoints_for(settings(Mode.LIVE)), endpoints_for(settings(Mode.DEMO))
    assert endpoints_for(settings(Mode.SHADOW)) == live
    assert live is not None
    assert demo is not None
    assert (".kalshi.com/" in live.base_url, ".kalshi.com/" in live.websocket_url) == (True, True)
    assert (".kalshi.co/" in demo.base_url, ".kalshi.co/" in demo.websocket_url) == (True, True)
    local = endpoints_for(settings(Mode.SIMULATED, "http://127.0.0.1:81/trade-api/v2"))
    assert local is not None
    assert local.websocket_url == "ws://127.0.0.1:81/trade-api/ws/v2"
    other = endpoints_for(settings(Mode.SIMULATED, "http://127.0.0.1:81/trade-api/v2", "ws://127.0.0.1:82/ws"))
    assert other is not None
    assert other.websocket_url == "ws://127.0.0.1:82/ws"


def test_a_standalone_simulator_needs_its_credentials() -> None:
    local = settings(Mode.SIMULATED, "http://127.0.0.1:81/trade-api/v2")
    assert check_mode(local, CREDENTIALS) == ()
    assert "exchange.base_url needs credentials" in check_mode(local, {})[0]
    assert check_mode(settings(Mode.SIMULATED, None, "ws://127.0.0.1:82/ws"), {})


# -- credentials --


def test_credentials_come_inline_with_escaped_breaks_or_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text(KEY_PEM)
    for given in (KEY_PEM, KEY_PEM.replace("\n", "\\n"), str(path)):
        found = credentials_from({**CREDENTIALS, "KALSHI_PRIVATE_KEY": given})
        assert found is not None
        assert found.private_key_pem.decode().strip() == KEY_PEM.strip()


def test_no_credentials_at_all_are_no_error() -> None:
    assert credentials_from({}) is None
    assert credentials_from({"KALSHI_ACCESS_KEY": " ", "KALSHI_PRIVATE_KEY": ""}) is None


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"KALSHI_ACCESS_KEY": "id"}, "KALSHI_PRIVATE_KEY .* is not"),
        ({"KALSHI_PRIVATE_KEY": KEY_PEM}, "KALSHI_ACCESS_KEY .* is not"),
        ({**CREDENTIALS, "KALSHI_PRIVATE_KEY": "/nowhere/key.pem"}, "cannot be used"),
        ({**CREDENTIALS, "KALSHI_PRIVATE_KEY": "MC4CAQAwBQYDK2VwBCIEI-secret"}, "cannot be used"),
        ({**CREDENTIALS, "KALSHI_PRIVATE_KEY": KEY_PEM[:60] + "-----END PRIVATE KEY-----"}, "cannot be used"),
        ({**CREDENTIALS, "KALSHI_ACCESS_KEY": "ключ"}, "cannot be used"),
    ],
)
def test_broken_credentials_are_named_and_never_shown(environ: dict[str, str], said: str) -> None:
    with pytest.raises(CredentialsError, match=said) as caught:
        credentials_from(environ)
    private = environ.get("KALSHI_PRIVATE_KEY", "")
    assert not private or private not in str(caught.value)


def test_credentials_never_show_themselves() -> None:
    shown = repr(Credentials(key_id="a952bcbe-secret", private_key_pem=KEY_PEM.encode()))
    assert "secret" not in shown
    assert "BEGIN" not in shown
