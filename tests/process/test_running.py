"""The bot as its user meets it: on its own exchange, asked through its control socket, with actors killed."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

import pytest

from tests.process.stage import Bot, running_bot, standalone_exchange, wait_until

pytestmark = pytest.mark.process


def _last_status(bot: Bot) -> str:
    lines = (bot.folder / "stdout.txt").read_text().strip().splitlines()
    return lines[-1] if lines else ""


def _two_sided(bot: Bot) -> int:
    found = re.search(r"markets (\d+)/\d+ two-sided", _last_status(bot))
    return int(found.group(1)) if found else 0


def test_a_bare_start_quotes_eight_markets_on_both_sides_and_gets_fills_within_fifteen_seconds(tmp_path: Path) -> None:
    with running_bot(tmp_path / "bot", {}) as bot:
        wait_until(lambda: _two_sided(bot) >= 8, "eight markets are quoted on both sides", timeout_s=15)
        wait_until(lambda: "fills 0 " not in _last_status(bot), "a fill", timeout_s=15)
        assert "(exact)" in _last_status(bot)
        status = bot.command("status")
        assert status.returncode == 0, status.stderr
        assert "order_desk" in status.stdout
        assert "(exact)" in status.stdout
        bot.signal(signal.SIGINT)
        assert bot.wait(10) == 0, bot.errors()
        assert bot.exit_report()["verdict"] == "verified flat"
    # A second start meets a new exchange and has nothing to clear.
    with running_bot(tmp_path / "second", {}) as bot:
        wait_until(lambda: _two_sided(bot) >= 2, "the second start quotes")
        bot.signal(signal.SIGTERM)
        assert bot.wait(10) == 0, bot.errors()


@pytest.mark.long
def test_three_actors_killed_in_a_real_process_come_back_and_quoting_goes_on(tmp_path: Path) -> None:
    with standalone_exchange(tmp_path) as exchange, running_bot(tmp_path / "bot", exchange.environment()) as bot:
        wait_until(lambda: _two_sided(bot) >= 8, "eight markets are quoted")
        market = re.search(r"market:\S+", bot.command("actors").stdout or bot.command("status", "--plain").stdout)
        assert market is not None
        for name in (market.group(0), "order_desk", "portfolio_risk"):  # a market is quoted for a while only
            killed = bot.command("kill-actor", name)
            assert killed.returncode == 0, killed.stdout + killed.stderr
            time.sleep(1.0)
        fills = len(exchange.truth("fills")["fills"])
        wait_until(lambda: _two_sided(bot) >= 8, "eight markets are quoted again")
        wait_until(lambda: len(exchange.truth("fills")["fills"]) > fills, "fills go on")
        logs = bot.command("logs", "root")
        assert "killed through the control socket" in logs.stdout
        bot.signal(signal.SIGINT)
        assert bot.wait(10) == 0, bot.errors()
        assert exchange.resting() == []


@pytest.mark.long
def test_a_second_instance_is_refused_and_told_who_holds_the_folder(tmp_path: Path) -> None:
    with standalone_exchange(tmp_path) as exchange, running_bot(tmp_path / "bot", exchange.environment()) as bot:
        wait_until(lambda: len(exchange.resting()) >= 2, "the first instance quotes")
        fences = exchange.fences()
        second = bot.command("run")
        assert second.returncode == 64
        assert f"in use by process {bot.process.pid}" in second.stderr
        assert "Traceback" not in second.stderr
        assert fences.items() <= exchange.fences().items(), "the second one has fenced the first"
        assert not any(exchange.fences().values())
        bot.signal(signal.SIGINT)
        assert bot.wait(10) == 0
        assert exchange.resting() == []


def test_a_key_that_the_exchange_does_not_know_ends_with_77_and_one_sentence(tmp_path: Path) -> None:
    with standalone_exchange(tmp_path) as exchange:
        environment = exchange.environment() | {"KALSHI_ACCESS_KEY": "99999999-0000-4000-8000-000000000000"}
        with running_bot(tmp_path / "bot", environment) as bot:
            assert bot.wait(15) == 77
            assert "refused the key" in bot.errors()
            assert "Traceback" not in bot.errors()


def test_a_stop_signal_in_the_first_moments_ends_in_order_as_well(tmp_path: Path) -> None:
    with standalone_exchange(tmp_path) as exchange:
        for n, moment_s in enumerate((0.9, 1.1, 1.4)):
            with running_bot(tmp_path / f"bot{n}", exchange.environment()) as bot:
                time.sleep(moment_s)
                bot.signal(signal.SIGTERM)
                code = bot.wait(6)
                has_begun = (tmp_path / f"bot{n}" / "logs" / "main.log").exists()
                # While it still loads it ends at once, and has verified nothing.
                assert code == (0 if has_begun else 3), bot.errors()
                assert "Traceback" not in bot.errors()
            assert exchange.resting() == []
