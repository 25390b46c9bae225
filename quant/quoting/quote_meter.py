"""How long we quoted a market, and how long at its touch, minute by minute: facts for the records.

A state holds from one observation to the next. Durations are of the monotonic clock; the wall clock only says to which
minute they belong, so a step of it can make a row longer or shorter, never a duration wrong.

At the touch means: our best price is at least as good as the best of everybody else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import attrs

from kalshi.numbers import PriceE4
from kalshi.types import Level, Side
from quant.quoting.own_orders import OwnOrder

MINUTE_MS: Final = 60_000


@attrs.frozen(kw_only=True)
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


def market_look(bids: Iterable[Level], asks: Iterable[Level], own: tuple[OwnOrder, ...]) -> MarketLook:
    """Returns a live market's moment from its book, best first, which has our orders in it."""
    own_bids = [order.price_e4 for order in own if order.side is Side.BID]
    own_asks = [order.price_e4 for order in own if order.side is Side.ASK]
    return MarketLook(
        is_live=True,
        bid_e4=_best_of_others(bids, own, Side.BID),
        ask_e4=_best_of_others(asks, own, Side.ASK),
        own_bid_e4=max(own_bids, default=None),
        own_ask_e4=min(own_asks, default=None),
    )


def _best_of_others(levels: Iterable[Level], own: tuple[OwnOrder, ...], side: Side) -> PriceE4 | None:
    for level in levels:
        mine_e2 = 0
        for order in own:
            if order.side is side and order.price_e4 == level.price_e4:
                mine_e2 += order.remaining_e2
        if level.count_e2 > mine_e2:
            return level.price_e4
    return None


class QuoteMeter:
    """See the module."""

    def __init__(self) -> None:
        self._look = MarketLook(is_live=False)
        self._at_s: float | None = None
        self._minute: QuotedMinute | None = None

    def observe(self, now_s: float, wall_ms: int, look: MarketLook) -> QuotedMinute | None:
        """Counts the time since the last observation to what was seen then; returns a minute that is over."""
        minute_ms = wall_ms // MINUTE_MS * MINUTE_MS
        if self._minute is not None and self._minute.minute_ms == minute_ms and look == self._look:
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
