"""Kills one real bot again and again beside a standalone exchange, and compares its money with the exchange's after it.

`python -m tests.process.money_campaign --kills 20 --seed 1` prints what it found. Each kill is a SIGKILL at a random
moment of the start, of quoting or of the way out; the state folder stays. The last life must show the exchange's
positions and cash, and the totals of an accounting of the same fills that was never interrupted.
"""

from __future__ import annotations

import argparse
import random
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from actors.messages.control import ControlCommand, SystemSnapshot
from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.types import Fill, Side
from ops.control_server import ControlClient, ControlSocketError, control_socket_path
from ops.settings import Settings
from quant.fills import NumberedFill
from quant.positions import Portfolio, Totals, apply_fills
from tests.process.stage import Bot, Exchange, running_bot, standalone_exchange, wait_until

LIFE_S_MAX: Final = 6.0
PATIENCE_S: Final = 60.0
DIES_EARLY: Final = 0.3  # the share of lives that count from their start; the others count from their first order


def run_campaign(kills: int, seed: int, folder: Path, say: Callable[[str], None]) -> int:
    """Returns how many fills there were to miscount; fails where one was."""
    rng = random.Random(f"{seed}:money")
    with standalone_exchange(folder) as exchange:
        opening_e6 = exchange.truth("cash")["cash_e6"]
        home = folder / "bot"
        for number in range(kills):
            lives_s, dies_early = rng.uniform(0.0, LIFE_S_MAX), rng.random() < DIES_EARLY
            with running_bot(home, exchange.environment()) as bot:
                if not dies_early:
                    wait_until(lambda: bool(exchange.resting()), "it quotes", PATIENCE_S)
                time.sleep(lives_s)
                if rng.random() < 0.3:
                    bot.signal(signal.SIGTERM)
                    time.sleep(rng.uniform(0.0, 0.5))
                bot.process.kill()
                bot.wait(10)
            since = "its start" if dies_early else "its first order"
            fills = len(exchange.truth("fills")["fills"])
            say(f"kill {number + 1}, {lives_s:.2f} s after {since}: {fills} fills so far")
        with running_bot(home, exchange.environment()) as bot:
            wait_until(
                lambda: not differences(bot, exchange, opening_e6),
                "the bot's money is the exchange's",
                PATIENCE_S,
                seen=lambda: "; ".join(differences(bot, exchange, opening_e6)) or "equal by now",
            )
            fills = len(exchange.truth("fills")["fills"])
            bot.signal(signal.SIGINT)
            assert bot.wait(20) == 0, bot.errors()
    say(f"{kills} kills, {fills} fills: positions, cash, profit, fees and totals equal")
    return fills


def differences(bot: Bot, exchange: Exchange, opening_e6: int) -> tuple[str, ...]:
    """Returns what the bot says otherwise than the exchange and an uninterrupted accounting of its fills."""
    snapshot = _snapshot(bot)
    if snapshot is None:
        return ("the bot does not answer",)
    held = {ticker: count for ticker, count in exchange.truth("positions")["positions"].items() if count}
    booked = {row.ticker: row.position_e2 for row in snapshot.markets if row.position_e2}
    ours, plain = snapshot.totals, uninterrupted(exchange.truth("fills")["fills"])
    pairs = {
        "positions": (booked, held),
        "cash": (ours.cash_e6, exchange.truth("cash")["cash_e6"] - opening_e6),
        "realised": (ours.realised_e6, plain.realised_e6),
        "fees": (ours.fees_e6, plain.fees_e6),
        "fills": (ours.fills, plain.fills),
        "contracts": (ours.contracts_e2, plain.traded_e2),
    }
    return tuple(f"{name}: {bots} for {other}" for name, (bots, other) in pairs.items() if bots != other)


def _snapshot(bot: Bot) -> SystemSnapshot | None:
    path = control_socket_path(bot.folder / "state", Settings().control.socket)
    try:
        return ControlClient(path).ask(ControlCommand(word="status")).snapshot
    except ControlSocketError:
        return None


def uninterrupted(fills: list[dict[str, Any]]) -> Totals:
    """Returns the totals of somebody who saw every fill of the exchange and was never away."""
    numbered = tuple(NumberedFill(fill_seq=number, fill=_plain(row)) for number, row in enumerate(fills, start=1))
    return apply_fills(Portfolio(), numbered).portfolio.totals


def _plain(row: dict[str, Any]) -> Fill:
    return Fill(
        fill_id=row["trade_id"],
        order_id=row["order_id"],
        ticker=row["ticker"],
        side=Side(row["side"]),
        price_e4=PriceE4(row["price_e4"]),
        count_e2=CountE2(row["count_e2"]),
        fee_e6=MoneyE6(row["fee_e6"]),
        is_taker=row["is_taker"],
        ts_ms=row["ts_ms"],
        exchange_index=row["exchange_index"],
    )


def main() -> int:
    """Runs the campaign from the command line; an AssertionError tells of a difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        fills = run_campaign(options.kills, options.seed, Path(folder), lambda line: print(line, flush=True))
    assert fills >= options.kills, f"{fills} fills are too few to miscount"
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
