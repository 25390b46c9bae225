"""I7: a MarketActor wants quotes on a live book alone, and says so at once when its book is one no more."""

from __future__ import annotations

import attrs
import pytest
import trio
import trio.testing

from actors.market import DECIDE_EVERY_S, MarketMaker, MarketParameters, directive_of
from actors.messages.market import BookCondition, BookView, MarketRules
from actors.messages.money import FillTape, MarketCap, RiskView
from actors.messages.orders import TargetQuotes, WorkingOrder, WorkingOrders
from actors.messages.table import CHANNELS
from actors.messages.volatility import QuoteDirective
from actors.runtime.child import ChildContext, silent_log
from actors.runtime.seams import virtual_seams
from actors.runtime.switchboard import Switchboard
from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Level, Side
from quant.fills import NumberedFill
from quant.quoting.avellaneda_stoikov import AvellanedaStoikovParameters
from quant.quoting.directive import QuoteMode
from quant.quoting.maker import MakerParameters
from tests.actors.listings import live_book, tradable
from tests.quant.builders import fill

RULES, LIVE = tradable("M"), live_book("M")


class Stage:
    """One market maker between a feed and a desk that the test plays."""

    def __init__(self) -> None:
        self.switchboard = Switchboard(CHANNELS, trio.current_time)
        self.desk = self.switchboard.mailbox("order_desk")
        self._feed = self.switchboard.outbox("feed")
        self._discovery = self.switchboard.outbox("discovery")

    def start(self, nursery: trio.Nursery) -> None:
        context = ChildContext(
            name="market:M",
            incarnation=1,
            mailbox=self.switchboard.mailbox("market:M"),
            outbox=self.switchboard.outbox("market:M"),
            seams=virtual_seams(1, 1_700_000_000_000),
            log=silent_log("market:M"),
        )
        sizes = MarketParameters()
        parameters = MakerParameters(
            strategy=AvellanedaStoikovParameters(),
            order_size_e2=sizes.order_size_e2,
            max_position_e2=sizes.max_position_e2,
        )
        maker = MarketMaker(context, "M", "sessions", parameters)
        nursery.start_soon(maker.run, lambda: None)

    async def wish_on(self, book: BookView, rules: MarketRules = RULES) -> TargetQuotes:
        """Shows a book and returns what is wanted then."""
        self._discovery.publish(rules)
        self._feed.publish(book)
        await trio.sleep(0.2)
        return [m for m in await self.desk.receive() if isinstance(m, TargetQuotes)][-1]


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


def working(price_e4: int) -> WorkingOrders:
    order = WorkingOrder(
        client_order_id="us-1",
        side=Side.BID,
        price_e4=PriceE4(price_e4),
        remaining_e2=CountE2(1_000),
        state="resting",
        is_quote=True,
    )
    return WorkingOrders(ticker="M", orders=(order,))


def risk_says(*caps: MarketCap) -> RiskView:
    return RiskView(lease_until_s=99.0, is_halted=False, reasons=(), caps=caps, cash_available_e6=(), watermark=0)


async def test_risks_word_on_its_own_market_bounds_what_is_wanted(autojump_clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as nursery:
        stage = Stage()
        stage.start(nursery)
        risk = stage.switchboard.outbox("portfolio_risk")
        other = MarketCap(ticker="N", max_long_e2=CountE2(0), max_short_e2=CountE2(0), reasons=())
        own = attrs.evolve(other, ticker="M", max_long_e2=CountE2(400), closed_sides=(Side.ASK,))
        risk.publish(risk_says(other))
        free = await stage.wish_on(LIVE)
        assert free.bid is not None
        assert free.ask is not None
        risk.publish(risk_says(other, own))
        bound = await stage.wish_on(attrs.evolve(LIVE, sequence=2))
        assert bound.bid is not None
        assert bound.bid.count_e2 == 300  # a twentieth is kept free, and whole contracts are quoted
        assert bound.ask is None
        nursery.cancel_scope.cancel()


async def test_the_word_of_risk_and_the_tape_of_fills_wake_no_market(autojump_clock: trio.testing.MockClock) -> None:
    switchboard = Switchboard(CHANNELS, trio.current_time)
    mailbox = switchboard.mailbox("market:M")
    switchboard.outbox("portfolio_risk").publish(risk_says())
    switchboard.outbox("ledger").publish(FillTape(last_seq=0, fills=(), complete_to_ms=0))
    began_s = trio.current_time()
    assert len(await mailbox.receive(timeout_s=1.0)) == 2
    assert trio.current_time() - began_s == pytest.approx(1.0)


async def test_what_comes_within_the_wait_is_decided_at_its_end(autojump_clock: trio.testing.MockClock) -> None:
    """One view makes it wait for the next decision, and a second one comes during that wait: nothing else follows."""
    async with trio.open_nursery() as nursery:
        stage = Stage()
        stage.start(nursery)
        assert (await stage.wish_on(LIVE)).fair_value_e4 == 5_000
        feed = stage.switchboard.outbox("feed")
        for sequence in (2, 3, 4):  # the first is decided at once, the others are heard within the same wait
            bid = attrs.evolve(LIVE.bids[0], price_e4=PriceE4(4_500 + 100 * sequence))
            feed.publish(attrs.evolve(LIVE, sequence=sequence, bids=(bid,)))
            await trio.sleep(DECIDE_EVERY_S / 4)
        await trio.sleep(DECIDE_EVERY_S)
        wishes = [m for m in await stage.desk.receive() if isinstance(m, TargetQuotes)]
        assert [wish.sequence for wish in wishes] == [4]
        nursery.cancel_scope.cancel()


async def test_own_fills_that_the_price_moves_against_widen_the_quotes(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        stage = Stage()
        stage.start(nursery)
        ledger = stage.switchboard.outbox("ledger")
        deep = attrs.evolve(
            LIVE,
            bids=(Level(price_e4=PriceE4(4_900), count_e2=CountE2(50_000)),),
            asks=(Level(price_e4=PriceE4(5_100), count_e2=CountE2(50_000)),),
        )
        fills = tuple(
            NumberedFill(fill_seq=seq, fill=fill(Side.BID, 5_500, 100, fill_id=str(seq))) for seq in range(1, 8)
        )
        ledger.publish(FillTape(last_seq=1, fills=fills[:1], complete_to_ms=0))  # from before its time
        await stage.wish_on(deep)
        ledger.publish(FillTape(last_seq=7, fills=fills, complete_to_ms=0))
        for number in range(14):
            last = await stage.wish_on(attrs.evolve(deep, sequence=2 + number, generation=2 + number))
            await trio.sleep(1.0)
        assert "throttled: most recent fills went against us" in last.reasons
        nursery.cancel_scope.cancel()


def directive(program: str, mode: QuoteMode) -> QuoteDirective:
    return QuoteDirective(
        ticker="M",
        program=program,
        mode=mode,
        exit_limit_e4=PriceE4(4_700),
        reasons=("why",),
        valid_until_s=7.0,
    )


def test_a_directive_of_the_session_manager_reaches_the_maker_as_it_is() -> None:
    for mode in QuoteMode:
        heard = directive_of(directive("sessions", mode))
        assert (heard.mode, heard.exit_limit_e4, heard.valid_until_s, heard.reasons) == (mode, 4_700, 7.0, ("why",))


async def test_i25_only_the_program_that_owns_a_market_directs_it(autojump_clock: trio.testing.MockClock) -> None:
    """What an older owner's session said last must not freeze the next owner."""
    async with trio.open_nursery() as nursery:
        stage = Stage()
        stage.start(nursery)
        manager = stage.switchboard.outbox("session_manager")
        manager.publish(directive("somebody-else", QuoteMode.FREEZE))
        assert (await stage.wish_on(LIVE)).bid is not None
        manager.publish(directive("sessions", QuoteMode.FREEZE))
        frozen = await stage.wish_on(attrs.evolve(LIVE, sequence=2))
        assert (frozen.bid, frozen.ask) == (None, None)
        assert "why" in frozen.reasons
        nursery.cancel_scope.cancel()


def test_own_orders_of_the_desk_are_those_of_the_maker() -> None:
    (own,) = working(4_400).as_own()
    assert (own.side, own.price_e4, own.remaining_e2) == (Side.BID, 4_400, 1_000)
