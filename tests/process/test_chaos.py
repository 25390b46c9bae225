"""Chaos and worse on real processes: actors killed, stalled and slowed, the process stopped, the network cut."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.process.proxy import cut_by
from tests.process.stage import ROOT, Bot, running_bot, standalone_exchange, wait_until

pytestmark = [pytest.mark.process, pytest.mark.long]
QUOTED = 8
QUOTED_AGAIN = 3  # by then some hold what they bought, and quote one side


def two_sided(bot: Bot) -> int:
    found = re.search(r"(\d+) quoted on both sides", bot.command("status", "--plain").stdout)
    return int(found.group(1)) if found else 0


def is_quoting(bot: Bot, at_least: int = QUOTED) -> bool:
    status = bot.command("status", "--plain").stdout
    return "permit: given" in status and "(exact)" in status and two_sided(bot) >= at_least


def wait_for_quotes(bot: Bot, at_least: int = QUOTED) -> None:
    wait_until(
        lambda: is_quoting(bot, at_least), f"{at_least} quoted", seen=lambda: bot.command("status", "--plain").stdout
    )


def ends_flat(bot: Bot) -> None:
    bot.signal(signal.SIGINT)
    assert bot.wait(25) == 0, bot.errors()
    assert bot.exit_report()["verdict"] == "verified flat"


def test_the_bot_gets_over_kills_stalls_and_slowness_of_its_actors(tmp_path: Path) -> None:
    with running_bot(tmp_path / "bot", {}) as bot:
        wait_for_quotes(bot)
        by_command = bot.command("chaos", "--seconds", "25", "--every", "1", "--seed", "4")
        assert by_command.returncode == 0, by_command.stdout + by_command.stderr
        assert "it got over all of them" in by_command.stdout
        script = [sys.executable, str(ROOT / "ops" / "chaos.py"), "state", "--seconds", "6", "--seed", "5"]
        by_script = subprocess.run(script, cwd=bot.folder, capture_output=True, text=True, timeout=90, check=False)
        assert by_script.returncode == 0, by_script.stdout + by_script.stderr
        ends_flat(bot)


def test_a_process_that_was_stopped_for_half_a_minute_notices_and_quotes_again(tmp_path: Path) -> None:
    with standalone_exchange(tmp_path) as exchange, running_bot(tmp_path / "bot", exchange.environment()) as bot:
        wait_for_quotes(bot)
        bot.signal(signal.SIGSTOP)
        time.sleep(30)
        bot.signal(signal.SIGCONT)
        wait_until(lambda: "permit withheld" in bot.command("logs", "order_desk").stdout, "the permit is withheld")
        wait_for_quotes(bot, QUOTED_AGAIN)
        ends_flat(bot)
        assert exchange.resting() == []


def test_a_cut_network_withholds_the_permit_and_is_got_over(tmp_path: Path) -> None:
    with standalone_exchange(tmp_path) as exchange, cut_by(exchange) as proxy:
        with running_bot(tmp_path / "bot", proxy.environment(), SHUTDOWN__TERMINAL_S="15") as bot:
            wait_for_quotes(bot)
            proxy.cut()
            wait_until(lambda: "permit: withheld" in bot.command("status", "--plain").stdout, "the permit is withheld")
            time.sleep(10)
            proxy.mend()
            wait_for_quotes(bot, QUOTED_AGAIN)
            ends_flat(bot)
        assert exchange.resting() == []


def test_an_exit_while_the_network_is_cut_says_so_in_time_and_the_lease_ends_the_orders(tmp_path: Path) -> None:
    with standalone_exchange(tmp_path) as exchange, cut_by(exchange) as proxy:
        with running_bot(tmp_path / "bot", proxy.environment(), ORDERS__LEASE_FLOOR_S="12") as bot:
            wait_for_quotes(bot)
            proxy.cut()
            began_s = time.monotonic()
            bot.signal(signal.SIGINT)
            assert bot.wait(25) == 3, bot.errors()
            assert time.monotonic() - began_s < 15
            assert bot.exit_report()["verdict"] == "NOT verified"
            assert exchange.resting() != []
        # A lease is longer the more orders there are to renew: a second for each, at the basic tier.
        wait_until(lambda: exchange.resting() == [], "their lease ends the orders", timeout_s=60)
