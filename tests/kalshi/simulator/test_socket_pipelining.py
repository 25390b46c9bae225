"""Commands that overtake each other: the order is anybody's guess, the promises hold."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

from kalshi.simulator.orders import NewOrder
from kalshi.simulator.socket_session import SocketSession
from kalshi.types import SelfTradePrevention, Side, TimeInForce
from tests.kalshi.recordings import ExactBook
from tests.kalshi.simulator.customer import OTHER_TICKER, SUB_CENT_TICKER, TICKER, World, frames

TICKERS = (TICKER, OTHER_TICKER, SUB_CENT_TICKER)


def say(session: SocketSession, number: int, name: str, **params: Any) -> None:
    session.receive_text(json.dumps({"id": number, "cmd": name, "params": params}))


def hear_pipelined(seed_rounds: int) -> list[list[dict[str, Any]]]:
    """Returns what each of some sessions hears of the same commands, sent in one go, while the books move."""
    world = World(socket_reorder_ms=600, flow=True, flow_rate=3.0)
    sessions = [world.alice.connect() for _ in range(seed_rounds)]
    for session in sessions:
        for number, ticker in enumerate(TICKERS, start=1):
            say(session, number, "subscribe", channels=["orderbook_delta"], market_ticker=ticker)
        say(session, 4, "subscribe", channels=["trade", "ticker"])
        say(session, 5, "list_subscriptions")
        assert frames(session) == []
    heard: list[list[dict[str, Any]]] = [[] for _ in sessions]
    for _ in range(28):
        world.pass_time(50)
        for session, received in zip(sessions, heard, strict=True):
            received += frames(session)
    return heard


def test_pipelined_commands_overtake_each_other_and_every_promise_holds() -> None:
    orders, interleaved = set(), 0
    for received in hear_pipelined(6):
        answers = [frame for frame in received if frame["type"] in ("subscribed", "ok")]
        orders.add(tuple(dict.fromkeys(frame["id"] for frame in answers)))
        books = [frame for frame in received if frame.get("sid") == books_sid(received)]
        assert [frame["seq"] for frame in books] == list(range(1, len(books) + 1))
        kinds = [frame["type"] for frame in answers if frame["id"] <= 3]
        assert kinds == ["subscribed", "ok", "ok"], "who wins the race opens the subscription, the others merge"
        final = [frame["msg"]["market_tickers"] for frame in answers if frame["type"] == "ok" and "sid" in frame]
        assert final[-1] == sorted(TICKERS)
        shown = [frame["type"] for frame in books if frame["type"] in ("ok", "orderbook_snapshot")]
        interleaved += shown.index("orderbook_snapshot") < len(shown) - 1 - shown[::-1].index("ok")
        check_snapshots_come_first(books)
    assert len(orders) > 3, "six conversations, answered in nearly as many orders"
    assert interleaved, "a snapshot came between two acknowledgements"


def books_sid(received: list[dict[str, Any]]) -> int:
    opened = (frame["msg"] for frame in received if frame["type"] == "subscribed")
    return next(int(msg["sid"]) for msg in opened if msg["channel"] == "orderbook_delta")


def check_snapshots_come_first(books: list[dict[str, Any]]) -> None:
    shown: dict[str, ExactBook] = {}
    for frame in books:
        if frame["type"] == "orderbook_snapshot":
            shown.setdefault(frame["msg"]["market_ticker"], ExactBook()).replace(frame["msg"])
        elif frame["type"] == "orderbook_delta":
            shown[frame["msg"]["market_ticker"]].change(frame["msg"])
    assert set(shown) == set(TICKERS)


def test_a_subscription_that_ends_before_its_snapshots_is_never_heard_of_again() -> None:
    world = World(socket_reorder_ms=400)
    early = 0
    for _ in range(12):
        session = world.alice.connect()
        say(session, 1, "subscribe", channels=["orderbook_delta"], market_tickers=list(TICKERS))
        say(session, 2, "unsubscribe", sids=[1])
        received: list[dict[str, Any]] = []
        for _ in range(20):
            world.pass_time(50)
            received += frames(session)
        kinds = [frame["type"] for frame in received]
        if "unsubscribed" in kinds:
            assert kinds[-1] == "unsubscribed"
            early += kinds.count("orderbook_snapshot") < len(TICKERS)
        session.close()
    assert early, "once at least the end overtook a snapshot"


def test_bursts_cross_the_book_for_a_moment_and_never_beyond_their_millisecond() -> None:
    """As in all 513 episodes of 2.7 million recorded deltas."""
    world = World(transient_cross_share=0.5, cash=1_000_000)
    session = world.alice.connect()
    say(session, 1, "subscribe", channels=["orderbook_delta"], market_tickers=list(TICKERS))
    books = {ticker: ExactBook() for ticker in TICKERS}
    crossed: dict[str, int] = {}
    episodes, frames_inside = 0, 0
    for msg in deltas_of_crossing_orders(world, session, 1_500):
        ticker, book = msg["market_ticker"], books[msg["market_ticker"]]
        assert crossed.get(ticker, msg["ts_ms"]) == msg["ts_ms"], "a book was still crossed after its millisecond"
        book.change(msg)
        if book.bids and book.asks and max(book.bids) >= min(book.asks):
            episodes += ticker not in crossed
            frames_inside += 1
            crossed[ticker] = msg["ts_ms"]
        else:
            crossed.pop(ticker, None)
    assert crossed == {}
    assert episodes > 30
    assert frames_inside > episodes, "some sweeps take several frames to uncross"


def deltas_of_crossing_orders(world: World, session: SocketSession, orders: int) -> Iterator[dict[str, Any]]:
    rng = random.Random(3)
    accounts = [world.exchange.core.accounts_by_key[name] for name in ("alice", "bob")]
    for _ in range(orders):
        world.clock.advance(rng.choice((0, 1, 5)))
        side = rng.choice((Side.BID, Side.ASK))
        request = NewOrder(
            ticker=rng.choice((TICKER, OTHER_TICKER)),
            side=side,
            price_e4=5_000 + side.sign * 100 * rng.randint(-8, 3),
            count_e2=rng.randint(1, 2_000),
            time_in_force=TimeInForce.GOOD_TILL_CANCELED,
            self_trade_prevention=SelfTradePrevention.MAKER,
            exchange_index=0,
        )
        world.exchange.services.entry.create(rng.choice(accounts), request)
        for text in session.drain_frames():
            frame = json.loads(text)
            if frame["type"] == "orderbook_delta":
                yield frame["msg"]
