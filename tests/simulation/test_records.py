"""The whole bot and its ledger: what is written of a life, a backup while it trades, a ledger that is damaged."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from actors.messages.control import ControlCommand
from actors.runtime.episode_log import TOLD_EVERY_S
from actors.runtime.exit_guard import ExitCode
from actors.runtime.ledger_store.parameters import LedgerParameters
from ops.life import CannotStart, Life
from ops.settings import Settings
from ops.simulation import World, run_world
from supervisor import build_tree

TRADING_S = 20.0  # three samples
SETTINGS = attrs.evolve(Settings(), ledger=LedgerParameters(sample_every_s=8.0))


def ask(path: Path, question: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(question).fetchall()


def ledger_of(world: World) -> Path:
    (path,) = world.folder.glob("*/ledger.sqlite")
    return path


async def lived(world: World, trading: Callable[[Life], Awaitable[None]], seconds: float = TRADING_S) -> None:
    life = world.life()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(life.run)
        await trio.sleep(seconds)
        await trading(life)
        life.request_stop("the test is over")


def test_a_life_is_on_record_and_a_backup_is_made_while_it_trades() -> None:
    async def whole(world: World) -> None:
        copy = world.folder / "copy.sqlite"

        async def trading(life: Life) -> None:
            command = ControlCommand(word="backup", arguments=(("file", str(copy)),))
            reply = await life.answer(command)
            assert reply.ok
            assert "is copied" in reply.text
            again = await life.answer(command)
            assert not again.ok
            assert "exists already" in again.text
            relative = await life.answer(ControlCommand(word="backup", arguments=(("file", "copy.sqlite"),)))
            assert "whole path" in relative.text

        await lived(world, trading)
        path = ledger_of(world)
        assert 0 < ask(copy, "SELECT COUNT(*) FROM fills")[0][0] <= ask(path, "SELECT COUNT(*) FROM fills")[0][0]
        assert ask(copy, "SELECT COUNT(*) FROM boots WHERE ended_ms IS NULL") == [(1,)]
        ((mode, ended_ms, reason),) = ask(path, "SELECT mode, ended_ms, reason FROM boots")
        assert (mode, reason) == ("simulated", "the test is over")
        assert ended_ms is not None
        assert ask(path, "SELECT program, is_enabled FROM programs") == [("discovery", 1)]
        assert ask(path, "SELECT COUNT(*) FROM runs WHERE ended_ms IS NULL") == [(0,)]
        assert ask(path, "SELECT COUNT(DISTINCT ticker) FROM runs")[0][0] >= 8
        assert ask(path, "SELECT COUNT(*) FROM market_snapshots WHERE own_bid_e4 IS NOT NULL")[0][0] >= 8
        held = ask(path, "SELECT ticker, SUM(CASE side WHEN 'bid' THEN 1 ELSE -1 END * count_e2) FROM fills GROUP BY 1")
        newest = "SELECT position_e2 FROM position_history WHERE ticker = ? ORDER BY watermark DESC LIMIT 1"
        with closing(sqlite3.connect(path)) as connection:
            written = {ticker: connection.execute(newest, (ticker,)).fetchone() for ticker, _ in held}
        # The last second before the end may be missing: positions are looked at once a second.
        right = [ticker for ticker, position in held if written[ticker] == (position,)]
        assert len(right) >= 0.8 * len(held) > 0
        assert ask(path, "SELECT COUNT(*) FROM order_fills WHERE run_id IS NULL") == [(0,)]

    run_world(whole, seed=5, build_tree=build_tree, settings=SETTINGS)


def _walked(path: Path) -> dict[tuple[str, int], tuple[int, int, bool]]:
    """Each way from flat to flat by the fills alone: when it began, how large it was, and whether it has ended."""
    found: dict[tuple[str, int], tuple[int, int, bool]] = {}
    held: dict[str, tuple[int, int]] = {}  # the position, and the fill that left flat
    fills = "SELECT fill_seq, ticker, CASE side WHEN 'bid' THEN 1 ELSE -1 END * count_e2, ts_ms FROM fills ORDER BY 1"
    for fill_seq, ticker, signed_e2, ts_ms in ask(path, fills):
        before_e2, opened_seq = held.get(ticker, (0, 0))
        after_e2 = before_e2 + signed_e2
        if before_e2 and before_e2 * after_e2 <= 0:
            found[ticker, opened_seq] = (*found[ticker, opened_seq][:2], True)
        if after_e2 and before_e2 * after_e2 <= 0:
            opened_seq = fill_seq
            found[ticker, opened_seq] = (ts_ms, 0, False)
        if after_e2:
            began_ms, largest_e2, _ = found[ticker, opened_seq]
            found[ticker, opened_seq] = (began_ms, max(largest_e2, abs(after_e2)), False)
        held[ticker] = (after_e2, opened_seq)
    return found


@pytest.mark.long
def test_positions_from_flat_to_flat_are_those_of_the_fills_over_kills_and_a_restart() -> None:
    async def whole(world: World) -> None:
        async def trading(life: Life) -> None:
            for name in ("portfolio_risk", "stop_loss", "ledger"):
                life.kill_actor(name)
                await trio.sleep(6)
            world.exchange.lifecycle.set_pause(trading_active=False)
            await trio.sleep(TOLD_EVERY_S + 3)
            world.exchange.lifecycle.set_pause(trading_active=True)

        for _ in range(2):
            await lived(world, trading, seconds=8.0)
        path = ledger_of(world)
        told = ask(path, "SELECT ticker, opened_seq, began_ms, largest_e2, ended_ms IS NOT NULL FROM episodes")
        walked = _walked(path)
        assert {(ticker, seq): (began, most, bool(over)) for ticker, seq, began, most, over in told} == walked
        assert {is_over for _, _, is_over in walked.values()} == {True, False}
        behind = ask(path, "SELECT COUNT(*) FROM episodes WHERE adverse_e6 > 0 AND held_e2_ms > 0")
        assert behind[0][0] > len(walked) / 2
        assert ask(path, "SELECT COUNT(*) FROM excursions")[0][0] > 0

    run_world(whole, seed=5, build_tree=build_tree, settings=SETTINGS)


def test_a_damaged_ledger_refuses_the_start_with_a_sentence_and_leaves_no_order() -> None:
    async def whole(world: World) -> None:
        async def nothing(life: Life) -> None:
            pass

        await lived(world, nothing, seconds=3.0)
        ledger_of(world).write_bytes(b"this is no database" * 1_000)
        for log in world.folder.glob("*/ledger.sqlite-*"):
            log.unlink()
        with pytest.raises(CannotStart, match="restore a backup") as refused:
            await world.life().run()
        assert refused.value.exit_code is ExitCode.USAGE
        assert world.resting() == []

    run_world(whole, seed=6, build_tree=build_tree, settings=SETTINGS)
