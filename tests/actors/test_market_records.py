"""A market's actor tells the Ledger how it quoted and where the mid stood around its fills, and never waits for it."""

from __future__ import annotations

from typing import Any

import attrs
import trio
import trio.testing

from actors.market_records import MarketRecords
from actors.messages.money import FillTape, Record
from actors.messages.orders import WorkingOrder, WorkingOrders
from actors.messages.table import CHANNELS
from actors.runtime.child import ChildContext, silent_log
from actors.runtime.seams import virtual_seams
from actors.runtime.switchboard import Switchboard
from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Level, Side
from quant.fills import NumberedFill
from tests.actors.listings import live_book
from tests.quant.builders import fill

WALL_MS = 1_790_000_040_000  # a whole minute
BOOK = attrs.evolve(
    live_book("M"),
    bids=(Level(price_e4=PriceE4(4_000), count_e2=CountE2(900)),),
    asks=(Level(price_e4=PriceE4(4_200), count_e2=CountE2(900)),),
    ts_ms=WALL_MS - 5_000,
)
RESTING = WorkingOrder(
    client_order_id="c",
    side=Side.BID,
    price_e4=PriceE4(4_000),
    remaining_e2=CountE2(100),
    state="resting",
    is_quote=True,
)


class Stage:
    def __init__(self) -> None:
        self.switchboard = Switchboard(CHANNELS, trio.current_time)
        self.ledger = self.switchboard.mailbox("ledger")
        self.switchboard.mailbox("market:M")
        context = ChildContext(
            name="market:M",
            incarnation=1,
            mailbox=self.switchboard.mailbox("market:N"),
            outbox=self.switchboard.outbox("market:M"),
            seams=virtual_seams(1, WALL_MS),
            log=silent_log("market:M"),
        )
        self.records = MarketRecords(context, "M", "incentives")

    async def rows(self, table: str) -> list[dict[str, Any]]:
        told = await self.ledger.receive(timeout_s=0)
        return [dict(one.values) for one in told if isinstance(one, Record) and one.table == table]


async def test_a_minute_is_one_row_and_only_resting_orders_are_quotes(autojump_clock: trio.testing.MockClock) -> None:
    stage = Stage()
    sent = attrs.evolve(RESTING, side=Side.ASK, price_e4=PriceE4(4_200), state="sent")
    stage.records.orders_seen(WorkingOrders(ticker="M", orders=(RESTING, sent)))
    for _ in range(61):
        stage.records.observe(BOOK)
        await trio.sleep(1)
    (row,) = await stage.rows("market_minutes")
    assert (row["ticker"], row["program"], row["minute_ms"]) == ("M", "incentives", WALL_MS)
    assert (row["live_ms"], row["bid_ms"], row["ask_ms"], row["bid_touch_ms"]) == (60_000, 60_000, 0, 60_000)
    assert (row["bid_e4"], row["ask_e4"]) == (4_000, 4_200)


async def test_a_fill_is_marked_once_all_its_horizons_have_passed(autojump_clock: trio.testing.MockClock) -> None:
    stage = Stage()
    stage.records.fills_seen(FillTape(last_seq=4, fills=(), complete_to_ms=0))
    stage.records.observe(BOOK)
    own = attrs.evolve(fill(side=Side.BID, price_e4=4_000, count_e2=100), ticker="M", ts_ms=WALL_MS)
    tape = FillTape(last_seq=5, fills=(NumberedFill(fill_seq=5, fill=own),), complete_to_ms=0)
    stage.records.fills_seen(tape)
    stage.records.fills_seen(tape)
    moved = attrs.evolve(BOOK, bids=(Level(price_e4=PriceE4(3_800), count_e2=CountE2(900)),), ts_ms=WALL_MS + 3_000)
    for second in range(62):
        stage.records.observe(BOOK if second < 3 else moved)
        await trio.sleep(1)
    assert await stage.rows("fill_marks") == [
        {
            "fill_seq": 5,
            "mid2_e4": 8_200,
            "mid2_1s_e4": 8_200,
            "mid2_5s_e4": 8_000,
            "mid2_10s_e4": 8_000,
            "mid2_60s_e4": 8_000,
        }
    ]


async def test_what_is_not_complete_is_told_at_the_end(autojump_clock: trio.testing.MockClock) -> None:
    stage = Stage()
    stage.records.fills_seen(FillTape(last_seq=0, fills=(), complete_to_ms=0))
    stage.records.observe(BOOK)
    own = attrs.evolve(fill(side=Side.BID, price_e4=4_000, count_e2=100), ticker="M", ts_ms=WALL_MS)
    stage.records.fills_seen(FillTape(last_seq=1, fills=(NumberedFill(fill_seq=1, fill=own),), complete_to_ms=0))
    await trio.sleep(2)
    stage.records.observe(BOOK)
    stage.records.close()
    told = [dict(one.values) for one in await stage.ledger.receive(timeout_s=0) if isinstance(one, Record)]
    assert [row.get("mid2_1s_e4") for row in told] == [8_200, None]
    assert told[0]["mid2_5s_e4"] is None
    assert told[1]["live_ms"] == 2_000


async def test_a_full_ledger_is_not_waited_for(autojump_clock: trio.testing.MockClock) -> None:
    stage = Stage()
    with trio.fail_after(24 * 3_600):
        for _ in range(1_100):
            stage.records.observe(BOOK)
            await trio.sleep(60)
    told = await stage.ledger.receive(timeout_s=0)
    assert len(told) == 1_024
