"""I1, I29: real processes, real signals, a real exchange beside them: nothing of ours rests afterwards."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from tests.process.stage import Exchange, running_bot, standalone_exchange, wait_until

pytestmark = pytest.mark.process
OUT_WITHIN_S = 5.0


def _boot_of(client_order_id: str) -> str:
    return client_order_id.split("-")[2]


def _stop_with_ctrl_c(exchange: Exchange, folder: Path, moment_s: float) -> None:
    with running_bot(folder, exchange.environment()) as bot:
        time.sleep(moment_s)
        began = time.monotonic()
        bot.signal(signal.SIGINT)
        code = bot.wait(10)
        assert time.monotonic() - began < OUT_WITHIN_S
        assert exchange.resting() == []
        if not (folder / "logs" / "main.log").exists():
            assert code == 3, bot.errors()  # still loading: nothing was sent, and nothing of older lives was looked at
            return
        assert code == 0, bot.errors()
        if list((folder / "state").glob("*/exit-report.json")):
            assert bot.exit_report()["verdict"] == "verified flat"


@pytest.mark.parametrize("transport", ["trio-websocket", pytest.param("fast", marks=pytest.mark.long)])
def test_ctrl_c_while_quoting_ends_verified_flat_within_five_seconds(tmp_path: Path, transport: str) -> None:
    with (
        standalone_exchange(tmp_path) as exchange,
        running_bot(tmp_path / "bot", exchange.environment(), WEBSOCKETS__TRANSPORT=transport) as bot,
    ):
        wait_until(lambda: len(exchange.resting()) >= 16, "sixteen orders rest")
        began = time.monotonic()
        bot.signal(signal.SIGINT)
        assert bot.wait(10) == 0, bot.errors()
        assert time.monotonic() - began < OUT_WITHIN_S
        assert exchange.resting() == []
        assert bot.exit_report()["verdict"] == "verified flat"
        assert "verified flat" in bot.errors()
        time.sleep(3)
        assert exchange.resting() == []


@pytest.mark.long
def test_five_ctrl_c_at_random_moments_leave_nothing_at_exit_and_thirty_seconds_later(tmp_path: Path) -> None:
    rng = random.Random(2026)
    with standalone_exchange(tmp_path) as exchange:
        for n in range(5):
            _stop_with_ctrl_c(exchange, tmp_path / f"bot{n}", rng.uniform(1.2, 9.0))
        time.sleep(30)
        assert exchange.resting() == []


def test_after_kill_9_the_next_boot_clears_the_old_orders_before_its_first_quote(tmp_path: Path) -> None:
    with standalone_exchange(tmp_path) as exchange:
        with running_bot(tmp_path / "bot", exchange.environment()) as bot:
            wait_until(lambda: len(exchange.resting()) >= 10, "ten orders rest")
            bot.signal(signal.SIGKILL)
            bot.wait(5)
        left = exchange.resting()
        assert left, "a killed bot cannot have cancelled anything"
        old_boot = _boot_of(left[0])
        with running_bot(tmp_path / "bot", exchange.environment()) as bot:
            seen: list[set[str]] = []

            def new_quotes() -> bool:
                seen.append({_boot_of(order) for order in exchange.resting()})
                return bool(seen[-1] - {old_boot})

            wait_until(new_quotes, "the next boot quotes")
            assert all(len(boots) <= 1 for boots in seen), "orders of both boots rested at once"
            assert old_boot not in seen[-1]
            bot.signal(signal.SIGINT)
            assert bot.wait(10) == 0, bot.errors()
        assert exchange.resting() == []


@pytest.mark.long
def test_left_alone_after_kill_9_the_lease_ends_every_order(tmp_path: Path) -> None:
    with standalone_exchange(tmp_path) as exchange:
        with running_bot(
            tmp_path / "bot",
            exchange.environment(),
            ORDERS__LEASE_FLOOR_S="10",
            ALLOCATION__MAX_MARKETS_WITH_ORDERS="4",
        ) as bot:
            wait_until(lambda: len(exchange.resting()) >= 6, "six orders rest")
            bot.signal(signal.SIGKILL)
            bot.wait(5)
        assert exchange.resting()
        # Ten seconds of lease, up to one for the whole seconds that an expiry is rounded up to, and some slack.
        wait_until(lambda: exchange.resting() == [], "the lease has ended every order", timeout_s=12.5)


@pytest.mark.long
def test_a_sweep_from_outside_cancels_everything_and_the_running_bot_does_not_come_back(tmp_path: Path) -> None:
    """I30: fenced by somebody else, the bot ends with its own code, which tells systemd not to restart it."""
    with standalone_exchange(tmp_path) as exchange, running_bot(tmp_path / "bot", exchange.environment()) as bot:
        wait_until(lambda: len(exchange.resting()) >= 8, "eight orders rest")
        swept = bot.command("sweep")
        assert swept.returncode == 0, swept.stdout + swept.stderr
        assert "verified flat" in swept.stdout
        assert bot.wait(15) == 4, bot.errors()
        assert exchange.resting() == []


def test_two_signals_hurry_and_three_end_at_once(tmp_path: Path) -> None:
    with standalone_exchange(tmp_path) as exchange, running_bot(tmp_path / "bot", exchange.environment()) as bot:
        wait_until(lambda: len(exchange.resting()) >= 4, "four orders rest")
        for _ in range(3):
            bot.signal(signal.SIGTERM)
            time.sleep(0.15)
        began = time.monotonic()
        assert bot.wait(5) == 3
        assert time.monotonic() - began < 1.0
        # The fence was sent with the first signal: what rested is gone although nobody waited for the proof.
        wait_until(lambda: exchange.resting() == [], "the fence has taken everything", timeout_s=3)


@pytest.mark.long
def test_a_closed_terminal_hangs_up_and_the_bot_ends_in_order(tmp_path: Path) -> None:
    with standalone_exchange(tmp_path) as exchange, running_bot(tmp_path / "bot", exchange.environment()) as bot:
        wait_until(lambda: len(exchange.resting()) >= 4, "four orders rest")
        bot.signal(signal.SIGHUP)
        assert bot.wait(10) == 0, bot.errors()
        assert exchange.resting() == []


@pytest.mark.long
def test_two_ctrl_c_at_once_are_one_and_still_verify(tmp_path: Path) -> None:
    with standalone_exchange(tmp_path) as exchange, running_bot(tmp_path / "bot", exchange.environment()) as bot:
        wait_until(lambda: len(exchange.resting()) >= 4, "four orders rest")
        bot.signal(signal.SIGINT)
        time.sleep(0.05)
        bot.signal(signal.SIGTERM)
        assert bot.wait(10) == 0, bot.errors()
        assert exchange.resting() == []


@pytest.mark.long
def test_the_kill_switch_fences_and_stays_on_over_a_restart_until_it_is_cleared(tmp_path: Path) -> None:
    """I26, and a kill file that cannot be written still kills this life."""
    with standalone_exchange(tmp_path) as exchange:
        with running_bot(tmp_path / "bot", exchange.environment()) as bot:
            wait_until(lambda: len(exchange.resting()) >= 4, "four orders rest")
            bot.signal(signal.SIGUSR1)
            wait_until(lambda: exchange.resting() == [], "everything is withdrawn", timeout_s=5)
            wait_until(
                lambda: all(group["is_triggered"] for group in exchange.truth("groups")["groups"]),
                "the groups are fenced",
                timeout_s=5,
            )
            bot.signal(signal.SIGINT)
            assert bot.wait(10) == 0, bot.errors()
        with running_bot(tmp_path / "bot", exchange.environment()) as bot:
            time.sleep(5)
            assert exchange.resting() == []
            assert bot.command("kill", "--clear").returncode == 0
            wait_until(lambda: len(exchange.resting()) >= 4, "it quotes again")
            bot.signal(signal.SIGINT)
            assert bot.wait(10) == 0, bot.errors()
        assert exchange.resting() == []
