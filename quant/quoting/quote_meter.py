"""How long we quoted a market, and how long at its touch, minute by minute: facts for the records.

A state holds from one observation to the next. Durations are of the monotonic clock; the wall clock only says to which
minute they belong, so a step of it can make a row longer or shorter, never a duration wrong.

At the touch means: our best price is at least as good as the best of everybody else.
"""

from __future__ import annotations

from typing import Final

import attrs

from kalshi.numbers import PriceE4
from kalshi.types import Level, Side
from quant.quoting.own_orders import OwnOrder, best_of_others, counts_by_price
from quant.values import passing_value

MINUTE_MS: Final = 60_000


@passing_value(kw_only=True)
class MarketLook:
    """One moment of a market: its best prices without us, and ours; None where there is none."""

    is_live: bool
    bid_e4: PriceE4 | None = None
    ask_e4: PriceE4 | None = None
    own_bid_e4: PriceE4 | None = None
    own_ask_e4: PriceE4 | None = None

    @property
    def mid2_e4(self) -> int | None:
        """Twice the mid, in 1/10,000 dollar."""
        if not self.is_live or self.bid_e4 is None or self.ask_e4 is None:
            return None
        return self.bid_e4 + self.ask_e4

    @property
    def bid_at_touch(self) -> bool:
        return self.own_bid_e4 is not None and (self.bid_e4 is None or self.own_bid_e4 >= self.bid_e4)

    @property
    def ask_at_touch(self) -> bool:
        return self.own_ask_e4 is not None and (self.ask_e4 is None or self.own_ask_e4 <= self.ask_e4)


@attrs.define(kw_only=True)
class QuotedMinute:
    """Milliseconds of one minute, and the best prices of the others at its last live moment."""

    minute_ms: int
    live_ms: int = 0  # the book was live and this was watched
    bid_ms: int = 0
    ask_ms: int = 0
    both_ms: int = 0
    bid_touch_ms: int = 0
    ask_touch_ms: int = 0
    bid_e4: PriceE4 | None = None
    ask_e4: PriceE4 | None = None


class MarketWatch:
    """The looks of one live market; one that shows nothing new is the same object as before, for most do."""

    __slots__ = ("_best_ask_e4", "_best_bid_e4", "_look", "_own_asks", "_own_bids", "_seen_asks", "_seen_bids")

    def __init__(self) -> None:
        self._seen_bids: tuple[Level, ...] | None = None
        self._seen_asks: tuple[Level, ...] | None = None
        self._best_bid_e4: PriceE4 | None = None  # of the others
        self._best_ask_e4: PriceE4 | None = None
        self.orders_seen(())

    def orders_seen(self, own: tuple[OwnOrder, ...]) -> None:
        """Takes in those of our orders that are known to rest."""
        self._own_bids, self._own_asks = counts_by_price(own, Side.BID), counts_by_price(own, Side.ASK)
        self._seen_bids = self._seen_asks = None
        self._look: MarketLook | None = None

    def look(self, bids: tuple[Level, ...], asks: tuple[Level, ...]) -> MarketLook:
        """Returns how the market stands by its book, best first, which has our orders in it."""
        if bids is not self._seen_bids:
            self._seen_bids, best_e4 = bids, best_of_others(bids, self._own_bids)
            if best_e4 != self._best_bid_e4:
                self._best_bid_e4, self._look = best_e4, None
        if asks is not self._seen_asks:
            self._seen_asks, best_e4 = asks, best_of_others(asks, self._own_asks)
            if best_e4 != self._best_ask_e4:
                self._best_ask_e4, self._look = best_e4, None
        if self._look is None:
            self._look = MarketLook(
                is_live=True,
                bid_e4=self._best_bid_e4,
                ask_e4=self._best_ask_e4,
                own_bid_e4=max(self._own_bids, default=None),
                own_ask_e4=min(self._own_asks, default=None),
            )
        return self._look


class QuoteMeter:
    """See the module."""

    def __init__(self) -> None:
        self._look = MarketLook(is_live=False)
        self._at_s: float | None = None
        self._minute: QuotedMinute | None = None

    def observe(self, now_s: float, wall_ms: int, look: MarketLook) -> QuotedMinute | None:
        """Counts the time since the last observation to what was seen then; returns a minute that is over."""
        minute_ms = wall_ms // MINUTE_MS * MINUTE_MS
        is_same = look is self._look or look == self._look
        if is_same and self._minute is not None and self._minute.minute_ms == minute_ms:
            return None  # nearly always: what has not changed is counted once, when it ends
        if self._minute is None:
            self._minute = QuotedMinute(minute_ms=minute_ms)
        self._count(self._minute, now_s)
        self._look, self._at_s = look, now_s
        if self._minute.minute_ms == minute_ms:
            return None
        over, self._minute = self._minute, QuotedMinute(minute_ms=minute_ms)
        return over

    def rest(self, now_s: float) -> QuotedMinute | None:
        """Returns the minute that is not over; the market is not watched any more."""
        if self._minute is not None:
            self._count(self._minute, now_s)
        over, self._minute = self._minute, None
        return over

    def _count(self, minute: QuotedMinute, now_s: float) -> None:
        """Adds what passed; a price is that of the last live moment, for a book that is gone says nothing of worth."""
        look = self._look
        if self._at_s is None or not look.is_live:
            return
        passed_ms = round(now_s * 1000) - round(self._at_s * 1000)
        has_bid, has_ask = look.own_bid_e4 is not None, look.own_ask_e4 is not None
        minute.live_ms += passed_ms
        minute.bid_ms += passed_ms * has_bid
        minute.ask_ms += passed_ms * has_ask
        minute.both_ms += passed_ms * (has_bid and has_ask)
        minute.bid_touch_ms += passed_ms * look.bid_at_touch
        minute.ask_touch_ms += passed_ms * look.ask_at_touch
        minute.bid_e4, minute.ask_e4 = look.bid_e4, look.ask_e4
