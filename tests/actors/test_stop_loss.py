"""G2, A5: a price is as young as the connection that brought it; where that is down, it ages and is read over REST."""

from __future__ import annotations

import random

import pytest
import trio
import trio.testing

from actors.messages.market import FeedHealth, ReadMarket, TickerView
from actors.messages.money import PositionView
from actors.messages.orders import ReadRequest
from actors.messages.table import CHANNELS
from actors.runtime.child import ChildContext, silent_log
from actors.runtime.seams import Seams
from actors.runtime.switchboard import Switchboard
from actors.stop_loss import StopLoss
from kalshi.numbers import CountE2, MoneyE6, PriceE4
from quant.stop_loss import StopLossParameters
from tests.actors.listings import tradable

RULES = tradable("A")
POSITION = PositionView(
    ticker="A",
    position_e2=CountE2(100),
    average_entry_e4=PriceE4(5_000),
    realised_e6=MoneyE6(0),
    unrealised_e6=MoneyE6(0),
    fees_e6=MoneyE6(0),
    mark_e4=None,
    watermark=1,
)


@pytest.mark.parametrize(("silent", "is_read"), [(frozenset[str](), False), (frozenset({"A"}), True)])
async def test_a_price_from_a_connection_that_is_down_ages_though_others_are_up(
    silent: frozenset[str], is_read: bool, autojump_clock: trio.testing.MockClock
) -> None:
    switchboard = Switchboard(CHANNELS, trio.current_time)
    seams = Seams(
        now=trio.current_time,
        wall_ms=lambda: round(trio.current_time() * 1000),
        rng=random.Random(1),
        new_id=lambda: "id",
        offload=None,  # type: ignore[arg-type]
    )
    context = ChildContext(
        name="stop_loss",
        incarnation=1,
        mailbox=switchboard.mailbox("stop_loss"),
        outbox=switchboard.outbox("stop_loss"),
        seams=seams,
        log=silent_log("stop_loss"),
    )
    wire, feed = switchboard.mailbox("wire"), switchboard.outbox("feed")
    reads: list[str] = []

    async def take_reads() -> None:
        while True:
            requests = [message for message in await wire.receive() if isinstance(message, ReadRequest)]
            reads.extend(request.read.ticker for request in requests if isinstance(request.read, ReadMarket))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take_reads)
        nursery.start_soon(StopLoss(context, StopLossParameters()).run, lambda: None)
        switchboard.outbox("discovery").publish(RULES)
        feed.publish(
            TickerView(
                ticker="A",
                yes_bid_e4=PriceE4(4_900),
                yes_ask_e4=PriceE4(5_100),
                last_price_e4=None,
                volume_e2=None,
                ts_ms=0,
                heard_at_s=trio.current_time(),
            )
        )
        switchboard.outbox("portfolio_risk").publish(POSITION)
        for _ in range(140):
            await trio.sleep(0.5)
            feed.publish(
                FeedHealth(
                    connected=True,
                    generation=1,
                    proof_at_s=trio.current_time(),
                    published_at_s=trio.current_time(),
                    reconnects=0,
                    gaps=0,
                    reason="connected",
                    silent=silent,
                )
            )
        assert bool(reads) is is_read
        nursery.cancel_scope.cancel()
