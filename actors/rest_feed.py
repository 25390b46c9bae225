"""RestFeed: the feed without a socket. It reads books over REST, in turn, and publishes them with their age known.

The thinking (whose book is next, how old each is, how many markets the read budget can keep fresh) is
`kalshi.feed_rest`; this is its shell. It stands in the place of the FeedActor where `websockets.enabled` is false.

What consumers may rely on: a book is published as LIVE only while it is younger than RestPace.age_max_s, and
`FeedHealth.proof_at_s` is the time of the *oldest* book in use, not of the last answer. So when this actor stands
still, the permit lapses before the oldest of its books is older than quoting allows (B4, I7). A book that was too old
comes back with another generation: no target that was decided before can be sent on it.

Fills and orders come by the polls of FillReconciler and OrderDesk; the ends of markets by discovery's.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from actors.messages.lifecycle import Heartbeat
from actors.messages.market import (
    BookCondition,
    BookRead,
    BookView,
    FeedHealth,
    ReadBook,
    TickerView,
    WantedMarkets,
)
from actors.messages.orders import FeedRead, ReadFailed, WireHealth
from actors.runtime.server_clock import ServerClock
from actors.runtime.supervisor import ChildContext
from kalshi.feed_rest import BookReads, RestPace, made_at_s
from kalshi.numbers import ONE_DOLLAR_E4, PriceE4
from kalshi.types import BookSnapshot

LEVELS_PUBLISHED = 5
HEALTH_EVERY_S = 0.5
# Whose markets come first where the budget is too small for all: what is held must be watched.
OWNERS_FIRST = ("portfolio_risk", "allocation")


@attrs.define(eq=False)
class RestFeed:
    """The actor; see the module."""

    context: ChildContext
    pace: RestPace
    clock: ServerClock
    _reads: BookReads = attrs.field(init=False)
    _wanted: dict[str, tuple[str, ...]] = attrs.field(factory=dict, init=False)
    _generations: dict[str, int] = attrs.field(factory=dict, init=False)
    _live: set[str] = attrs.field(factory=set, init=False)
    _sequence: int = attrs.field(default=0, init=False)
    _answered_at_s: float = attrs.field(default=0.0, init=False)
    _retracted: int = attrs.field(default=0, init=False)
    _reason: str = attrs.field(default="no book read yet", init=False)
    _left_out: tuple[str, ...] = attrs.field(default=(), init=False)

    async def run(self, started: Callable[[], None]) -> None:
        """Reads until cancelled."""
        self._reads = BookReads(self.pace)
        started()
        now = self.context.seams.now
        next_health_s = now()
        while True:
            for ticker in self._reads.due(now()):
                slot = self.context.mailbox.reply_slot()
                self.context.outbox.publish(FeedRead(read=ReadBook(ticker=ticker), reply=slot))
            next_s = min(next_health_s, self._reads.next_due_s(now()) or next_health_s)
            for message in await self.context.mailbox.receive(timeout_s=max(0.0, next_s - now())):
                self._take(message)
            for ticker in self._reads.overdue(now()):
                self._retracted += 1
                self._publish_stale(ticker, f"no book younger than {self.pace.age_max_s:g} s could be read")
            if now() >= next_health_s:
                next_health_s = now() + HEALTH_EVERY_S
                self._say_health()

    def _take(self, message: object) -> None:
        match message:
            case WantedMarkets(has_books=False):
                pass  # whoever does without books does without this feed: the read budget is for those who quote
            case WantedMarkets():
                self._wanted[message.owner] = message.tickers
                self._given_up(self._reads.want(self._in_order()))
            case WireHealth():
                self._given_up(self._reads.set_refill(message.read_refill_per_s))
            case BookRead(ticker=ticker, book=book):
                self._book_came(ticker, book)
            case ReadFailed(read=ReadBook(ticker=ticker), reason=reason):
                self._reads.failed(ticker)
                self._reason = f"{ticker}: {reason}"
            case _:
                pass

    def _in_order(self) -> list[str]:
        owners = [*OWNERS_FIRST, *sorted(self._wanted.keys() - set(OWNERS_FIRST))]
        return [ticker for owner in owners for ticker in self._wanted.get(owner, ())]

    def _given_up(self, tickers: tuple[str, ...]) -> None:
        for ticker in tickers:
            if ticker in self._live:
                self._publish_stale(ticker, "not read any more")
        if self._reads.left_out != self._left_out:
            self._left_out = self._reads.left_out
            if self._left_out:
                self.context.log.warning(
                    f"the read budget keeps {self._reads.markets_max} books fresh; "
                    f"{len(self._left_out)} markets are left out: {', '.join(self._left_out[:5])}"
                )

    def _book_came(self, ticker: str, book: BookSnapshot) -> None:
        now_s = self.context.seams.now()
        asked_at_s = self._reads.asked_at_s(ticker)
        made_s = made_at_s(
            book,
            server_ms=self.clock.now_ms(),
            now_s=now_s,
            asked_at_s=now_s if asked_at_s is None else asked_at_s,
        )
        self._answered_at_s = now_s
        if _is_crossed(book):
            self._reads.failed(ticker)
        elif self._reads.answered(ticker, made_s, book.read_time_ms or 0, now_s):
            self._publish_book(ticker, book)
        elif made_s is None:
            self._reason = f"{ticker}: an answer without a Date header has no known age"
        else:
            self._reason = f"{ticker}: an answer was {now_s - made_s:.1f} s old"

    def _publish_book(self, ticker: str, book: BookSnapshot) -> None:
        if ticker not in self._live:
            self._live.add(ticker)
            self._generations[ticker] = self._next_number()
        now_s = self.context.seams.now()
        bids, asks = book.bids[:LEVELS_PUBLISHED], book.asks[:LEVELS_PUBLISHED]
        self.context.outbox.publish(
            BookView(
                ticker=ticker,
                condition=BookCondition.LIVE,
                reason="",
                generation=self._generations[ticker],
                sequence=self._next_number(),
                bids=bids,
                asks=asks,
                ts_ms=book.read_time_ms or 0,
                published_at_s=now_s,
            )
        )
        self.context.outbox.publish(
            TickerView(
                ticker=ticker,
                yes_bid_e4=bids[0].price_e4 if bids else PriceE4(0),
                yes_ask_e4=asks[0].price_e4 if asks else ONE_DOLLAR_E4,
                last_price_e4=None,
                volume_e2=None,
                ts_ms=book.read_time_ms or 0,
                heard_at_s=now_s,
            )
        )

    def _publish_stale(self, ticker: str, reason: str) -> None:
        self._live.discard(ticker)
        self.context.outbox.publish(
            BookView(
                ticker=ticker,
                condition=BookCondition.STALE,
                reason=reason,
                generation=self._generations.get(ticker, 0),
                sequence=self._next_number(),
                bids=(),
                asks=(),
                ts_ms=0,
                published_at_s=self.context.seams.now(),
            )
        )

    def _next_number(self) -> int:
        # Numbers of different incarnations must differ, or an old target would pass for a new one.
        self._sequence += 1
        return (self.context.incarnation << 40) + self._sequence

    def _say_health(self) -> None:
        now_s = self.context.seams.now()
        oldest_s = self._reads.oldest_made_at_s()
        # Prices that StopLoss got from here age by themselves: `connected` would make them as young as the proof.
        self.context.outbox.publish(
            FeedHealth(
                connected=False,
                generation=self.context.incarnation,
                proof_at_s=self._answered_at_s if oldest_s is None else oldest_s,
                published_at_s=now_s,
                reconnects=0,
                gaps=self._retracted,
                reason=self._health_text(),
            )
        )
        self.context.outbox.publish(Heartbeat(actor="feed", incarnation=self.context.incarnation, at_s=now_s))

    def _health_text(self) -> str:
        if not self._live:
            return f"REST only: {self._reason}"
        left_out = f", {len(self._left_out)} left out" if self._left_out else ""
        return f"REST only: {len(self._live)} books fresh{left_out}"


def _is_crossed(book: BookSnapshot) -> bool:
    """A book read between the frames of one match may be crossed: it is no state to quote on."""
    return bool(book.bids and book.asks and book.bids[0].price_e4 >= book.asks[0].price_e4)
