"""Kills real bots at random moments beside a standalone exchange, and counts what the next start or the sweep leaves.

`python -m tests.process.kill_campaign --kills 500 --seed 1` prints each kill; the plan of a failed one can be repeated
by its own seed. A moment is counted from the start of the process or from its first order, so it falls into boot, into
quoting and, where a signal goes before, into the drain.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import attrs

from tests.process.stage import Bot, Exchange, running_bot, standalone_exchange, wait_until

FROM_FIRST_ORDER_SHARE = 0.6
BOOT_S_MAX = 2.0
QUOTING_S_MAX = 2.5
FENCING_S_MAX = 0.03  # while the first trigger is under way
DRAIN_S_MAX = 0.6


@attrs.frozen(kw_only=True)
class Kill:
    """One planned kill: when, with what, and who clears up afterwards."""

    seed: int
    moment_s: float
    signals: tuple[signal.Signals, ...]
    between_s: float
    from_first_order: bool
    cleaner: str


def plan_kill(seed: int) -> Kill:
    """Returns the kill of this seed."""
    rng = random.Random(seed)
    ways = ((signal.SIGKILL,), (signal.SIGTERM, signal.SIGKILL), (signal.SIGINT, signal.SIGINT, signal.SIGKILL))
    from_first_order = rng.random() < FROM_FIRST_ORDER_SHARE
    in_boot_s = rng.choice((rng.uniform(0, 0.1), rng.uniform(0, BOOT_S_MAX)))
    return Kill(
        seed=seed,
        moment_s=rng.uniform(0, QUOTING_S_MAX) if from_first_order else in_boot_s,
        signals=rng.choice(ways),
        between_s=rng.uniform(0, rng.choice((FENCING_S_MAX, DRAIN_S_MAX))),
        cleaner=rng.choice(("start", "sweep")),
        from_first_order=from_first_order,
    )


@attrs.frozen(kw_only=True)
class Tally:
    """How many kills a campaign made, how many orders rested right after them, and how many kills failed."""

    kills: int
    rested: int
    failed: int


def run_kill(exchange: Exchange, folder: Path, kill: Kill) -> tuple[int, list[str]]:
    """Returns how many orders the kill left, and which of them are there after the next start or sweep."""
    with running_bot(folder, exchange.environment()) as bot:
        if kill.from_first_order:
            wait_until(lambda: bool(exchange.resting()), "the first order rests")
        time.sleep(kill.moment_s)
        for number in kill.signals:
            bot.signal(number)
            time.sleep(kill.between_s)
        bot.process.kill()
        bot.wait(10)
        dead = set(exchange.resting())
        if kill.cleaner == "sweep":
            _sweep(bot)
    if kill.cleaner == "start":
        _start_again(exchange, folder, dead)
    return len(dead), exchange.resting()


def _sweep(bot: Bot) -> None:
    swept = bot.command("sweep")
    assert swept.returncode == 0, swept.stdout + swept.stderr


def _start_again(exchange: Exchange, folder: Path, dead: set[str]) -> None:
    with running_bot(folder, exchange.environment()) as bot:
        wait_until(lambda: bool(set(exchange.resting()) - dead), "the next boot quotes")
        left = dead.intersection(exchange.resting())
        assert not left, f"the next boot quotes beside orders of the dead one: {sorted(left)}"
        bot.signal(signal.SIGINT)
        assert bot.wait(10) == 0, bot.errors()


def run_campaign(kills: int, seed: int, folder: Path, say: Callable[[str], None]) -> Tally:
    """Runs the kills of seeds `seed`, `seed + 1`, ..."""
    failed = rested_in_all = 0
    with standalone_exchange(folder) as exchange:
        for kill in map(plan_kill, range(seed, seed + kills)):
            try:
                rested, left = run_kill(exchange, folder / f"bot{kill.seed}", kill)
                verdict, is_bad = f"{rested} rested, {len(left)} left", bool(left)
                rested_in_all += rested
            except (AssertionError, subprocess.TimeoutExpired) as error:
                verdict, is_bad = f"{type(error).__name__}: {error}", True
            names = "+".join(number.name for number in kill.signals)
            since = " of quoting" if kill.from_first_order else ""
            say(f"seed {kill.seed}: {names} at {kill.moment_s:.3f} s{since}, then {kill.cleaner}: {verdict}")
            if is_bad:
                failed += 1
                say(f"  repeat: python -m tests.process.kill_campaign --kills 1 --seed {kill.seed}")
    say(f"{kills} kills from seed {seed}: {rested_in_all} orders rested after them, {failed} kills failed")
    return Tally(kills=kills, rested=rested_in_all, failed=failed)


def main() -> int:
    """Runs the campaign from the command line; 0 only if nothing was left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tally = run_campaign(options.kills, options.seed, Path(folder), lambda line: print(line, flush=True))
    return 1 if tally.failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
