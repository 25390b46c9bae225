"""The reads of the Wire: what is asked of the exchange, in which order, and how it is told."""

from __future__ import annotations

from typing import cast

import attrs
import pytest
import trio
from trio.testing import MockClock

from actors.messages.market import EventPage, MarketRead, MarketsRead, ReadEvents, ReadMarket, ReadMarkets
from actors.messages.money import (
    AccountRead,
    CutoffRead,
    FillPage,
    OrderRead,
    ReadAccount,
    ReadCutoff,
    ReadFills,
    ReadOrder,
)
from actors.messages.orders import OrderList, ReadOrders, ReadRequest
from actors.messages.selection import (
    BooksRead,
    FeeChangesRead,
    IncentivePage,
    ReadBooks,
    ReadFeeChanges,
    ReadIncentives,
    ReadSeries,
    ReadTape,
    SeriesRead,
    TapeRead,
)
from actors.runtime.mailbox import ReplySlot
from actors.runtime.wire_reads import (
    AS_OF_SHARED_S,
    FILLS_PER_PAGE,
    PROGRAMS_PER_PAGE,
    TRADES_PER_PAGE,
    WireReads,
)
from kalshi.budget import Priority
from kalshi.errors import Malformed, Rejected, Unavailable
from kalshi.numbers import MoneyE6
from kalshi.rest import RestClient
from kalshi.rest_exchange_answers import HistoricalCutoff
from kalshi.types import Balance, Order, Series
from tests.quant.orders.sentences import filled, report

SERIES = Series(ticker="S", title="", category="", fee_type="quadratic", fee_multiplier_e4=10_000)
BALANCE = Balance(total_e6=MoneyE6(5), by_shard_e6=((0, MoneyE6(5)),), updated_ts_s=1)


@attrs.define(eq=False)
class Pages:
    """A client whose lists come in pages of one; it notes each call with what matters of it."""

    calls: list[tuple[object, ...]] = attrs.field(factory=list)
    orders: tuple[Order, ...] = (report(order_id="o-1"), report(order_id="o-2"), report(order_id="o-3"))
    repeats_itself: bool = False
    is_down: bool = False

    async def _note(self, *call: object) -> None:
        await trio.lowlevel.checkpoint()
        if self.is_down:
            raise Unavailable("down")
        self.calls.append(call)

    async def user_data_timestamp(self, *, priority: Priority) -> int:
        await self._note("as_of", priority)
        return 5_000

    async def orders_page(
        self, cursor: str, *, status: str | None, ticker: str | None, priority: Priority
    ) -> tuple[tuple[Order, ...], str]:
        await self._note("orders", cursor, status, ticker, priority)
        if self.repeats_itself:
            return self.orders[:1], "again"
        place = int(cursor or "0")
        return self.orders[place : place + 1], str(place + 1) if place + 1 < len(self.orders) else ""

    async def fills_page(self, cursor: str, *, limit: int, min_ts_s: int | None, priority: Priority) -> object:
        await self._note("fills", cursor, limit, min_ts_s, priority)
        return (filled(1),), "more"

    async def historical_fills_page(
        self, cursor: str, *, limit: int, min_ts_s: int | None, priority: Priority
    ) -> object:
        await self._note("historical fills", cursor, limit, min_ts_s, priority)
        return (filled(2),), ""

    async def historical_cutoff(self, *, priority: Priority) -> HistoricalCutoff:
        await self._note("cutoff", priority)
        return HistoricalCutoff(market_settled_ms=1, trades_created_ms=2, orders_updated_ms=3, positions_updated_ms=4)

    async def order(self, order_id: str, *, priority: Priority) -> object:
        await self._note("order", order_id, priority)
        raise Rejected(int(order_id), "code", "message")

    async def positions_page(self, cursor: str, *, priority: Priority) -> object:
        await self._note("positions", cursor, priority)
        return (), ""

    async def balance(self, *, priority: Priority) -> Balance:
        await self._note("balance", priority)
        return BALANCE

    async def events_page(self, cursor: str, **how: object) -> object:
        await self._note("events", cursor, how["status"], how["with_nested_markets"])
        return (), "next"

    async def incentive_programs_page(self, cursor: str, **how: object) -> object:
        await self._note("incentives", cursor, how["limit"], how["status"], how["kind"], how["priority"])
        return (), "next"

    async def order_books(self, tickers: tuple[str, ...], *, priority: Priority) -> object:
        await self._note("books", tickers, priority)
        return ()

    async def trades_page(self, **how: object) -> object:
        await self._note("tape", how["ticker"], how["min_ts_s"], how["limit"], how["priority"])
        return (), "more"

    async def series(self, ticker: str, *, priority: Priority) -> Series:
        await self._note("series", ticker, priority)
        return SERIES

    async def series_fee_changes(self, *, priority: Priority) -> object:
        await self._note("fee changes", priority)
        return ()

    async def market(self, ticker: str, *, priority: Priority) -> str:
        await self._note("market", ticker, priority)
        return f"market {ticker}"

    async def markets_page(self, cursor: str, *, tickers: tuple[str, ...], priority: Priority) -> object:
        await self._note("markets", cursor, tickers, priority)
        # An empty page may come before a full one.
        return ((), "more") if not cursor else (tuple(f"market {ticker}" for ticker in tickers), "")


async def read(what: object, client: Pages, *, is_urgent: bool = False) -> object:
    request = ReadRequest(read=what, reply=cast("ReplySlot", None), is_urgent=is_urgent)
    return await WireReads(cast("RestClient", client), lambda: 12.5).carry_out(request)


LATER, AT_ONCE = Priority.BACKGROUND, Priority.EXIT


async def test_all_resting_orders_are_read_to_the_last_page_after_their_time() -> None:
    client = Pages()
    assert await read(ReadOrders(), client) == OrderList(ticker=None, as_of_ms=5_000, orders=client.orders)
    assert client.calls == [
        ("as_of", LATER),
        ("orders", "", "resting", None, LATER),
        ("orders", "1", "resting", None, LATER),
        ("orders", "2", "resting", None, LATER),
    ]


async def test_a_markets_orders_in_every_state_are_its_newest_page() -> None:
    client = Pages()
    listed = await read(ReadOrders(ticker="M", resting_only=False), client)
    assert listed == OrderList(ticker="M", as_of_ms=5_000, orders=client.orders[:1])
    assert client.calls[1] == ("orders", "", None, "M", LATER)


async def test_a_markets_resting_orders_are_never_taken_for_all_of_them() -> None:
    listed = await read(ReadOrders(ticker="M"), Pages())
    assert isinstance(listed, OrderList)
    assert listed.ticker == "M"


async def test_pages_that_repeat_themselves_are_an_error() -> None:
    with pytest.raises(Malformed):
        await read(ReadOrders(), Pages(repeats_itself=True))


async def test_fills_come_page_by_page_with_a_time_that_was_read_before() -> None:
    client = Pages()
    page = await read(ReadFills(cursor="c", min_ts_s=9), client)
    assert page == FillPage(as_of_ms=5_000, fills=(filled(1),), cursor="more")
    assert client.calls == [("as_of", LATER), ("fills", "c", FILLS_PER_PAGE, 9, LATER)]


async def test_old_fills_come_from_the_historical_list_and_the_cut_off_says_where_it_ends() -> None:
    client = Pages()
    page = await read(ReadFills(cursor="c", min_ts_s=9, is_historical=True), client)
    assert page == FillPage(as_of_ms=5_000, fills=(filled(2),), cursor="")
    assert client.calls == [("as_of", LATER), ("historical fills", "c", FILLS_PER_PAGE, 9, LATER)]
    assert await read(ReadCutoff(), client) == CutoffRead(fills_ms=2)


async def test_an_order_that_is_not_listed_is_none_and_another_refusal_is_one() -> None:
    assert await read(ReadOrder(order_id="404"), Pages()) == OrderRead(order_id="404", order=None)
    with pytest.raises(Rejected):
        await read(ReadOrder(order_id="400"), Pages())


async def test_the_account_is_balance_and_positions_after_their_time() -> None:
    client = Pages()
    assert await read(ReadAccount(), client) == AccountRead(as_of_ms=5_000, balance=BALANCE, positions=())
    assert [call[0] for call in client.calls] == ["as_of", "balance", "positions"]


async def test_reads_of_one_moment_share_the_time_that_was_read_before_them() -> None:
    client, now_s = Pages(), [0.0]
    reads = WireReads(cast("RestClient", client), lambda: now_s[0])

    async def kinds_read(at_s: float) -> list[object]:
        now_s[0] = at_s
        client.calls.clear()
        await reads.carry_out(ReadRequest(read=ReadFills(cursor="", min_ts_s=None), reply=cast("ReplySlot", None)))
        return [call[0] for call in client.calls]

    assert await kinds_read(0.0) == ["as_of", "fills"]
    assert await kinds_read(AS_OF_SHARED_S - 0.01) == ["fills"]
    assert await kinds_read(AS_OF_SHARED_S) == ["as_of", "fills"]


async def test_events_are_open_ones_with_their_markets() -> None:
    client = Pages()
    assert await read(ReadEvents(cursor="c"), client) == EventPage(events=(), cursor="next")
    assert client.calls == [("events", "c", "open", True)]


async def test_an_urgent_read_goes_before_the_others_and_tells_when_it_was_heard() -> None:
    client = Pages()
    answer = await read(ReadMarket(ticker="M"), client, is_urgent=True)
    assert isinstance(answer, MarketRead)
    assert (answer.market, answer.heard_at_s) == ("market M", 12.5)  # type: ignore[comparison-overlap]
    assert client.calls == [("market", "M", AT_ONCE)]


async def test_several_markets_are_read_at_once_to_the_last_page() -> None:
    client = Pages()
    answer = await read(ReadMarkets(tickers=("M", "N")), client)
    assert isinstance(answer, MarketsRead)
    assert (answer.markets, answer.heard_at_s) == (("market M", "market N"), 12.5)  # type: ignore[comparison-overlap]
    assert client.calls == [("markets", "", ("M", "N"), LATER), ("markets", "more", ("M", "N"), LATER)]


async def test_what_the_exchange_does_not_answer_is_an_error(autojump_clock: MockClock) -> None:
    with pytest.raises(Unavailable):
        await read(ReadAccount(), Pages(is_down=True))


async def test_a_read_that_nobody_knows_is_a_defect() -> None:
    with pytest.raises(TypeError, match="does not know the read str"):
        await read("?", Pages())


async def test_what_selections_ask_is_read_in_the_background_and_by_the_page() -> None:
    client = Pages()
    assert await read(ReadIncentives(cursor="c"), client) == IncentivePage(programs=(), cursor="next")
    assert await read(ReadBooks(tickers=("A", "B")), client) == BooksRead(books=())
    assert await read(ReadTape(ticker="A", min_ts_s=9), client) == TapeRead(trades=())
    assert await read(ReadSeries(ticker="S"), client) == SeriesRead(series=SERIES)
    assert await read(ReadFeeChanges(), client) == FeeChangesRead(changes=())
    assert client.calls == [
        ("incentives", "c", PROGRAMS_PER_PAGE, "active", "liquidity", LATER),
        ("books", ("A", "B"), LATER),
        ("tape", "A", 9, TRADES_PER_PAGE, LATER),
        ("series", "S", LATER),
        ("fee changes", LATER),
    ]
