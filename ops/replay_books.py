"""The exact replay that the bot's books are held against, and the comparison itself.

The books here share nothing with `kalshi.book`: prices and sizes are read with `decimal`, a side is one plain
dictionary, and nothing is kept sorted. What the bot shows through its probe (each book as it was at the end
of a `ts_ms`, before anything is conflated) must equal them whole, level by level.

Rules:
1. The server announces what must be seen (`expect`) before the frame that makes the bot show it leaves, so an
   expectation that is never met is found, as well as a book that nobody expected.
2. A recorded size below zero, and a book that is crossed when its `ts_ms` is over, are faults of the
   recording: real books cross only between frames that share a `ts_ms`. They count as mismatches.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

import attrs
import trio

from kalshi.book import OrderBook
from kalshi.numbers import PriceE4
from kalshi.types import Side

PRICE_DIGITS: Final = 4
COUNT_DIGITS: Final = 2
DOLLAR: Final = 10**PRICE_DIGITS
# Distinct sizes and prices of a busy run are some ten thousand; a parse costs thirty look-ups.
_NUMBERS_REMEMBERED: Final = 1 << 16
# The first differences explain a failure; the thousandth explains nothing more.
DIFFERENCES_TOLD_MAX: Final = 3


@lru_cache(maxsize=_NUMBERS_REMEMBERED)
def scaled(text: str, digits: int) -> int:
    """Returns a decimal text times ten to the power of `digits`, exactly. Raises ValueError or ArithmeticError."""
    number = Decimal(text).scaleb(digits)
    if number != int(number):
        raise ValueError(f"{text} has more than {digits} decimals")
    return int(number)


class Bell:
    """Wakes those who wait for something; whoever may have brought it about rings."""

    def __init__(self) -> None:
        self._event: trio.Event | None = None

    def ring(self) -> None:
        """Lets everybody who waits look again."""
        if self._event is not None:
            self._event.set()
            self._event = None

    async def wait_until(self, condition: Callable[[], bool], within_s: float) -> bool:
        """Waits for the condition, at most `within_s` seconds; returns whether it holds."""
        with trio.move_on_after(within_s):
            while not condition():
                if self._event is None:
                    self._event = trio.Event()
                await self._event.wait()
        return condition()


@attrs.define
class ExactBook:
    """One market's book by the recording alone: price to size on the YES leg, in 1/10,000 dollar and 1/100 contract."""

    bids: dict[int, int] = attrs.field(factory=dict)
    asks: dict[int, int] = attrs.field(factory=dict)
    ts_ms: int = 0
    is_live: bool = False

    def replace(self, msg: Mapping[str, Any]) -> None:
        """Takes a snapshot; a key that is absent is an empty side."""
        self.bids = {price(text): size(count) for text, count in msg.get("yes_dollars_fp") or ()}
        self.asks = {DOLLAR - price(text): size(count) for text, count in msg.get("no_dollars_fp") or ()}
        self.is_live = True

    def change(self, msg: Mapping[str, Any]) -> str | None:
        """Takes a delta; returns what is wrong with it, or None."""
        at = price(msg["price_dollars"])
        side, at = (self.bids, at) if msg["side"] == "yes" else (self.asks, DOLLAR - at)
        before, change = side.pop(at, 0), size(msg["delta_fp"])
        self.ts_ms = msg["ts_ms"]
        if before + change > 0:
            side[at] = before + change
        if before + change >= 0:
            return None
        return f"the recording takes {-change / 100:g} from {at / 100:g} cents, where {before / 100:g} rest"

    @property
    def is_crossed(self) -> bool:
        return bool(self.bids and self.asks) and max(self.bids) >= min(self.asks)

    def snapshot_message(self, ticker: str) -> dict[str, Any]:
        """Returns the book as the body of a snapshot frame."""
        return {
            "market_ticker": ticker,
            "yes_dollars_fp": [
                [_text(at, PRICE_DIGITS), _text(n, COUNT_DIGITS)] for at, n in sorted(self.bids.items())
            ],
            "no_dollars_fp": [
                [_text(DOLLAR - at, PRICE_DIGITS), _text(n, COUNT_DIGITS)] for at, n in sorted(self.asks.items())
            ],
        }


def price(text: str) -> int:
    """Returns a recorded price in 1/10,000 dollar."""
    return scaled(text, PRICE_DIGITS)


def size(text: str) -> int:
    """Returns a recorded size in 1/100 contract."""
    return scaled(text, COUNT_DIGITS)


def _text(number: int, digits: int) -> str:
    return str(Decimal(number).scaleb(-digits))


@attrs.frozen
class _Expected:
    ts_ms: int
    bids: dict[int, int]
    asks: dict[int, int]


@attrs.define
class Comparison:
    """Holds what the bot's books must be against what they are; `probe` is handed to the bot."""

    expected: int = 0
    compared: int = 0
    mismatches: int = 0
    differences: list[str] = attrs.field(factory=list)
    outstanding: int = 0
    bell: Bell = attrs.field(factory=Bell)
    _queues: dict[str, deque[_Expected]] = attrs.field(factory=dict)

    def expect(self, ticker: str, book: ExactBook) -> None:
        """Announces that the bot will show this book, as it is now."""
        if book.is_crossed:
            self.differ(f"{ticker}: the recorded book is crossed at the end of ts_ms {book.ts_ms}")
        queue = self._queues.setdefault(ticker, deque())
        queue.append(_Expected(book.ts_ms, book.bids.copy(), book.asks.copy()))
        self.expected += 1
        self.outstanding += 1

    def probe(self, ticker: str, ts_ms: int, book: OrderBook) -> None:
        """Takes a book that the bot shows: the book at the end of `ts_ms`."""
        self.compared += 1
        queue = self._queues.get(ticker)
        while queue and queue[0].ts_ms < ts_ms:  # time never goes back in a recording
            self._miss(ticker, queue.popleft())
        if not queue or queue[0].ts_ms != ts_ms:
            self.differ(f"{ticker}: a book of ts_ms {ts_ms} was shown that the recording does not have")
        else:
            wanted = queue.popleft()
            self.outstanding -= 1
            difference = _side_difference(book, Side.BID, wanted.bids) or _side_difference(book, Side.ASK, wanted.asks)
            if difference is not None:
                self.differ(f"{ticker}: at the end of ts_ms {ts_ms} {difference}")
        self.bell.ring()

    def give_up(self, ticker: str | None = None) -> None:
        """Counts as mismatches all announced books, of one market or of all, that will not be shown any more."""
        for name in [ticker] if ticker is not None else list(self._queues):
            for wanted in self._queues.pop(name, deque()):
                self._miss(name, wanted)
        self.bell.ring()

    def _miss(self, ticker: str, wanted: _Expected) -> None:
        self.outstanding -= 1
        self.differ(f"{ticker}: the book at the end of ts_ms {wanted.ts_ms} was never shown")

    def differ(self, sentence: str) -> None:
        """Counts a mismatch."""
        self.mismatches += 1
        if len(self.differences) < DIFFERENCES_TOLD_MAX:
            self.differences.append(sentence)


def _side_difference(book: OrderBook, side: Side, wanted: Mapping[int, int]) -> str | None:
    """Returns the first difference; as many levels, each with its size, and the same best price are the same side."""
    is_bid = side is Side.BID
    best = (book.best_bid_e4, max(wanted, default=None)) if is_bid else (book.best_ask_e4, min(wanted, default=None))
    if best[0] != best[1]:
        return f"the best {side} is {best[0]}, the recording's {best[1]}"
    if book.depth(side) != len(wanted):
        return f"there are {book.depth(side)} {side} levels, in the recording {len(wanted)}"
    size_at = book.size_at
    for at, count in wanted.items():
        if size_at(side, PriceE4(at)) != count:
            return f"{size_at(side, PriceE4(at))} rest at {side} {at}, in the recording {count}"
    return None
