"""What the position of a market is worth, going forward in time.

It is worth what it could be closed at by the last minute recorded before: a long at the bid, a short at the ask. Where
nobody would trade, or nothing was ever recorded, a long is worth nothing and a short owes the whole dollar.
"""

from __future__ import annotations

from typing import Final

from kalshi.numbers import ONE_DOLLAR_E4
from ops.report.calendar import Calendar, Stretch
from ops.report.reading import LedgerReader

Prices = tuple[int | None, int | None]  # bid and ask
_NO_PRICES: Final[Prices] = (None, None)


class Worth:
    """What a position of one market is worth, going forward in time."""

    def __init__(
        self,
        reader: LedgerReader,
        ticker: str,
        by_bucket: dict[int, tuple[int, Prices]],
        settled: tuple[int, int] | None,
        calendar: Calendar,
    ) -> None:
        self._reader, self._ticker, self._settled, self._calendar = reader, ticker, settled, calendar
        self._prices = [(bucket, prices) for bucket, (_, prices) in sorted(by_bucket.items())]
        self._place = 0
        self._known: Prices = _NO_PRICES
        self.is_unknown = True  # no price was ever recorded

    def at_start_e6(self, position_e2: int) -> int:
        if position_e2:
            self._see(self._reader.prices_at(self._ticker, self._calendar.start_ms))
        return self._value_e6(position_e2, self._calendar.start_ms)

    def at_end_e6(self, stretch: Stretch, position_e2: int) -> int:
        """Returns the value where a stretch ends; stretches come in order."""
        is_cut = stretch.to_ms < min(stretch.bucket_ms + self._calendar.bucket_ms, self._calendar.end_ms)
        while self._place < len(self._prices) and self._prices[self._place][0] < stretch.bucket_ms + (not is_cut):
            self._see(self._prices[self._place][1])
            self._place += 1
        if is_cut and position_e2:
            self._see(self._reader.prices_at(self._ticker, stretch.to_ms))
        return self._value_e6(position_e2, stretch.to_ms)

    def _see(self, prices: Prices) -> None:
        self._known = prices
        self.is_unknown = self.is_unknown and prices == _NO_PRICES

    def _value_e6(self, position_e2: int, at_ms: int) -> int:
        """As YES-equivalents: what a short owes counts negative, against the cash that it brought."""
        if self._settled is not None and self._settled[0] <= at_ms:
            self.is_unknown = False
            return position_e2 * self._settled[1]
        bid_e4, ask_e4 = self._known
        if position_e2 >= 0:
            return position_e2 * (bid_e4 or 0)
        return position_e2 * (int(ONE_DOLLAR_E4) if ask_e4 is None else ask_e4)
