"""I7, B4: the feed without a socket publishes only books of a known, small age, and says how old the oldest is."""

from __future__ import annotations

import random

import attrs
import trio
import trio.testing

from actors.messages.market import BookCondition, BookRead, BookView, FeedHealth, ReadBook, TickerView, WantedMarkets
from actors.messages.orders import ReadFailed, ReadRequest
from actors.messages.table import CHANNELS
from actors.rest_feed import RestFeed
from actors.runtime.child import ChildContext, silent_log
from actors.runtime.seams import Seams
from actors.runtime.server_clock import ServerClock
from actors.runtime.switchboard import Outbox, Switchboard
from kalshi.feed_rest import RestPace
from kalshi.numbers import CountE2, PriceE4
from kalshi.types import BookSnapshot, Level

WALL_MS = 1_790_000_000_000
Message = BookView | FeedHealth | TickerView


def _level(price_e4: int) -> tuple[Level, ...]:
    return (Level(price_e4=PriceE4(price_e4), count_e2=CountE2(100)),)


@attrs.define(eq=False)
class Stage:
    """The feed between a Wire and a reader that the test plays."""

    age_s: dict[str, float] = attrs.field(factory=dict)  # of the answers
    fails: set[str] = attrs.field(factory=set)
    dateless: set[str] = attrs.field(factory=set)
    crossed: set[str] = attrs.field(factory=set)
    seen: list[tuple[float, Message]] = attrs.field(factory=list)
    allocation: Outbox = attrs.field(init=False)

    async def run(self, nursery: trio.Nursery) -> None:
        switchboard = Switchboard(CHANNELS, trio.current_time)
        seams = Seams(
            now=trio.current_time,
            wall_ms=self._wall_ms,
            rng=random.Random(1),
            new_id=lambda: "id",
            offload=None,  # type: ignore[arg-type]
        )
        wire = switchboard.mailbox("wire")
        risk = switchboard.mailbox("portfolio_risk")
        desk = switchboard.mailbox("snapshot")
        self.allocation = switchboard.outbox("allocation")
        context = ChildContext(
            name="feed",
            incarnation=1,
            mailbox=switchboard.mailbox("feed"),
            outbox=switchboard.outbox("feed"),
            seams=seams,
            log=silent_log("feed"),
        )
        feed = RestFeed(context, RestPace(), ServerClock(now=trio.current_time, wall_ms=self._wall_ms))

        async def answer() -> None:
            while True:
                for message in await wire.receive():
                    if isinstance(message, ReadRequest):
                        await trio.sleep(0.02)
                        self._answer(message)

        async def watch(mailbox: object) -> None:
            while True:
                for message in await mailbox.receive():  # type: ignore[attr-defined]
                    if isinstance(message, TickerView if mailbox is risk else BookView | FeedHealth):
                        assert isinstance(message, Message)
                        self.seen.append((trio.current_time(), message))

        nursery.start_soon(answer)
        nursery.start_soon(watch, risk)
        nursery.start_soon(watch, desk)
        nursery.start_soon(feed.run, lambda: None)

    def _wall_ms(self) -> int:
        return WALL_MS + round(trio.current_time() * 1000)

    def _answer(self, request: ReadRequest) -> None:
        assert isinstance(request.read, ReadBook)
        ticker = request.read.ticker
        if ticker in self.fails:
            request.reply.put(ReadFailed(read=request.read, reason="502"))
            return
        made_ms = (self._wall_ms() // 1000) * 1000 - round(self.age_s.get(ticker, 0) * 1000)
        book = BookSnapshot(
            ticker=ticker,
            bids=_level(5_200 if ticker in self.crossed else 4_800),
            asks=_level(5_200),
            read_time_ms=None if ticker in self.dateless else made_ms,
        )
        request.reply.put(BookRead(ticker=ticker, book=book))

    def want(self, *tickers: str) -> None:
        self.allocation.publish(WantedMarkets(owner="allocation", tickers=tickers))

    def condition(self, ticker: str) -> BookCondition | None:
        """Returns the condition that was published last."""
        views = [m for _, m in self.seen if isinstance(m, BookView) and m.ticker == ticker]
        return views[-1].condition if views else None

    def health(self) -> FeedHealth:
        return [message for _, message in self.seen if isinstance(message, FeedHealth)][-1]


async def test_books_are_published_in_turn_and_their_oldest_is_the_proof_of_life(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stage = Stage()
    async with trio.open_nursery() as nursery:
        await stage.run(nursery)
        stage.want("A", "B", "C")
        await trio.sleep(10)
        assert {stage.condition(ticker) for ticker in "ABC"} == {BookCondition.LIVE}
        health = stage.health()
        # A Date header has whole seconds, so even a new book may look a second old.
        assert 0 < trio.current_time() - health.proof_at_s < 2.5
        views = [(at_s, m) for at_s, m in stage.seen if isinstance(m, BookView) and m.ticker == "A"]
        assert len(views) > 20
        assert [m.sequence for _, m in views] == sorted({m.sequence for _, m in views})
        prices = [m for _, m in stage.seen if isinstance(m, TickerView)]
        assert {(p.yes_bid_e4, p.yes_ask_e4, p.last_price_e4) for p in prices} == {(4_800, 5_200, None)}
        nursery.cancel_scope.cancel()


async def test_a_book_from_a_cache_is_taken_back_when_it_is_too_old_and_comes_back_with_another_generation(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stage = Stage()
    async with trio.open_nursery() as nursery:
        await stage.run(nursery)
        stage.want("A", "B")
        await trio.sleep(3)
        stage.age_s["A"] = 10
        began_s = trio.current_time()
        while stage.condition("A") is BookCondition.LIVE:  # noqa: ASYNC110 - virtual time
            await trio.sleep(0.05)
        assert trio.current_time() - began_s <= RestPace().age_max_s + 0.1
        assert stage.condition("B") is BookCondition.LIVE
        await trio.sleep(20)
        assert stage.condition("A") is BookCondition.STALE
        assert trio.current_time() - stage.health().proof_at_s < 2.5, "the old answers are no proof, B's are"
        stage.age_s.clear()
        await trio.sleep(3)
        generations = [m.generation for _, m in stage.seen if isinstance(m, BookView) and m.ticker == "A"]
        assert stage.condition("A") is BookCondition.LIVE
        assert generations[-1] > generations[0]
        nursery.cancel_scope.cancel()


async def test_what_has_no_date_is_crossed_or_fails_is_not_published(autojump_clock: trio.testing.MockClock) -> None:
    stage = Stage(dateless={"A"}, crossed={"B"}, fails={"C"})
    async with trio.open_nursery() as nursery:
        await stage.run(nursery)
        stage.want("A", "B", "C", "D")
        await trio.sleep(5)
        assert [stage.condition(ticker) for ticker in "ABCD"] == [None, None, None, BookCondition.LIVE]
        nursery.cancel_scope.cancel()


async def test_when_nothing_is_answered_the_proof_gets_old_with_the_oldest_book(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stage = Stage()
    async with trio.open_nursery() as nursery:
        await stage.run(nursery)
        stage.want("A", "B")
        await trio.sleep(3)
        stage.fails.update("AB")
        await trio.sleep(6)
        assert {stage.condition(ticker) for ticker in "AB"} == {BookCondition.STALE}
        assert trio.current_time() - stage.health().proof_at_s > 5.0
        assert "502" in stage.health().reason
        nursery.cancel_scope.cancel()


async def test_a_market_that_is_not_wanted_any_more_is_taken_back_at_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stage = Stage()
    async with trio.open_nursery() as nursery:
        await stage.run(nursery)
        stage.want("A", "B")
        await trio.sleep(3)
        stage.want("B")
        await trio.sleep(0.1)
        assert stage.condition("A") is BookCondition.STALE
        assert stage.condition("B") is BookCondition.LIVE
        nursery.cancel_scope.cancel()
