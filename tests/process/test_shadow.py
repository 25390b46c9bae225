"""Mode `shadow` as its user meets it, on the live-shaped feed of a standalone exchange that counts what arrives."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from tests.process.stage import Bot, Exchange, run_command, running_bot, standalone_exchange, wait_until

pytestmark = pytest.mark.process

SHADOW = {"KALSHI_BOT__MODE": "shadow"}


def _last_status(bot: Bot) -> str:
    lines = (bot.folder / "stdout.txt").read_text().strip().splitlines()
    return lines[-1] if lines else ""


def _figure(bot: Bot, pattern: str) -> int:
    found = re.search(pattern, _last_status(bot))
    return int(found.group(1)) if found else 0


def _nothing_was_written(exchange: Exchange) -> None:
    assert exchange.truth("writes") == {"write_requests": 0, "write_requests_total": 0}
    assert exchange.truth("orders") == {"orders": []}
    assert exchange.truth("groups") == {"groups": []}
    assert exchange.truth("fills") == {"fills": []}
    assert exchange.truth("positions") == {"positions": {}}


@pytest.mark.long
def test_shadow_quotes_and_fills_on_a_live_feed_and_sends_nothing_that_writes(tmp_path: Path) -> None:
    """I27, by the truth of the exchange that is read from: no order, no group, no request but GET, ever."""
    with standalone_exchange(tmp_path) as exchange:
        environment = exchange.environment() | SHADOW
        with running_bot(tmp_path / "bot", environment, SHADOW__QUEUE_MODEL="probabilistic") as bot:
            wait_until(lambda: _figure(bot, r"markets (\d+)/") >= 4, "four markets are quoted on both sides")
            wait_until(lambda: _figure(bot, r"fills (\d+)") > 0, "a virtual fill")
            assert _last_status(bot).startswith("SHADOW: nothing is sent")
            assert "(exact)" in _last_status(bot)
            status = bot.command("status", "--plain")
            assert "mode shadow (nothing is sent, orders are matched here)" in status.stdout, status.stderr
            sweep = bot.command("sweep", "--everything")
            assert (sweep.returncode, "no order ever leaves" in sweep.stderr) == (64, True)
            _nothing_was_written(exchange)
            bot.signal(signal.SIGINT)
            assert bot.wait(10) == 0, bot.errors()
            assert bot.exit_report()["verdict"] == "verified flat"
            assert "SHADOW: real data from http://127.0.0.1" in bot.errors()
            assert "Traceback" not in bot.errors()
        _nothing_was_written(exchange)


@pytest.mark.long
def test_shadow_without_credentials_or_with_a_wrong_key_says_what_is_missing(tmp_path: Path) -> None:
    with standalone_exchange(tmp_path) as exchange:
        environment = {"KALSHI_BASE_URL": exchange.environment()["KALSHI_BASE_URL"], **SHADOW}
        refused = run_command(tmp_path, environment, "run")
        assert (refused.returncode, "mode `shadow` needs credentials" in refused.stderr) == (64, True)
        environment = exchange.environment() | SHADOW | {"KALSHI_ACCESS_KEY": "99999999-0000-4000-8000-000000000000"}
        refused = run_command(tmp_path, environment, "run")
        assert (refused.returncode, "refused the key" in refused.stderr) == (77, True)
        assert "Traceback" not in refused.stderr
        _nothing_was_written(exchange)
