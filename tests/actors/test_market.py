"""I7: a MarketActor wants quotes on a live book alone, and says so at once when its book is one no more."""

from __future__ import annotations

import attrs
import pytest
import trio
import trio.testing

from actors.market import MarketMaker, MarketParameters
from actors.messages.market import BookCondition, BookView, MarketRules
from actors.messages.orders import TargetQuotes
from actors.messages.table import CHANNELS
from actors.runtime.child import ChildContext, silent_log
from actors.runtime.seams import virtual_seams
from actors.runtime.switchboard import Switchboard
from quant.quoting.avellaneda_stoikov import AvellanedaStoikovParameters
from quant.quoting.maker import MakerParameters
from tests.actors.listings import live_book, tradable

RULES, LIVE = tradable("M"), live_book("M")


class Stage:
    """One market maker between a feed and a desk that the test plays."""

    def __init__(self) -> None:
        self._switchboard = Switchboard(CHANNELS, trio.current_time)
        self._desk = self._switchboard.mailbox("order_desk")
        self._feed = self._switchboard.outbox("feed")
        self._discovery = self._switchboard.outbox("discovery")

    def start(self, nursery: trio.Nursery) -> None:
        context = ChildContext(
            name="market:M",
            incarnation=1,
            mailbox=self._switchboard.mailbox("market:M"),
            outbox=self._switchboard.outbox("market:M"),
            seams=virtual_seams(1, 1_700_000_000_000),
            log=silent_log("market:M"),
        )
        sizes = MarketParameters()
        parameters = MakerParameters(
            strategy=AvellanedaStoikovParameters(),
            order_size_e2=sizes.order_size_e2,
            max_position_e2=sizes.max_position_e2,
        )
        maker = MarketMaker(context, "M", parameters)
        nursery.start_soon(maker.run, lambda: None)

    async def wish_on(self, book: BookView, rules: MarketRules = RULES) -> TargetQuotes:
        """Shows a book and returns what is wanted then."""
        self._discovery.publish(rules)
        self._feed.publish(book)
        await trio.sleep(0.2)
        return [m for m in await self._desk.receive() if isinstance(m, TargetQuotes)][-1]


@pytest.mark.parametrize("condition", [each for each in BookCondition if each is not BookCondition.LIVE])
async def test_i7_nothing_is_wanted_on_a_book_that_is_not_live(
    condition: BookCondition, autojump_clock: trio.testing.MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        stage = Stage()
        stage.start(nursery)
        well = await stage.wish_on(LIVE)
        assert well.bid is not None
        assert well.ask is not None
        ill = await stage.wish_on(attrs.evolve(LIVE, condition=condition, reason="a gap", sequence=2))
        assert (ill.bid, ill.ask) == (None, None)
        assert ill.reasons == ("book is stale: a gap",)
        again = await stage.wish_on(attrs.evolve(LIVE, generation=2, sequence=3))
        assert again.bid is not None
        assert again.generation == 2
        nursery.cancel_scope.cancel()


async def test_nothing_is_wanted_in_a_market_that_is_not_tradable(autojump_clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as nursery:
        stage = Stage()
        stage.start(nursery)
        assert (await stage.wish_on(LIVE)).bid is not None
        halted = await stage.wish_on(attrs.evolve(LIVE, sequence=2), attrs.evolve(RULES, is_tradable=False))
        assert (halted.bid, halted.ask) == (None, None)
        nursery.cancel_scope.cancel()
