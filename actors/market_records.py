"""What a market's actor tells the Ledger for reports: a row a minute of how it quoted, and the mids around each fill.

It never waits for the Ledger: where there is no room, the row is lost and the log says so. A minute is one row, a fill
is one row, so a market says little.
"""

from __future__ import annotations

from typing import Final

import attrs

from actors.messages.market import BookCondition, BookView
from actors.messages.money import FillTape, Record
from actors.messages.orders import WorkingOrders
from actors.runtime.supervisor import ChildContext
from quant.fill_marks import FillMarker, FillMarks
from quant.orders.tracked import OrderState
from quant.quoting.quote_meter import MarketLook, MarketWatch, QuotedMinute, QuoteMeter

LATE_MS: Final = 250  # a book's change may reach us this late and still be before a horizon
_MARK_COLUMNS: Final = ("mid2_1s_e4", "mid2_5s_e4", "mid2_10s_e4", "mid2_60s_e4")
RESTING: Final = OrderState.RESTING.value
_NOT_LIVE: Final = MarketLook(is_live=False)


@attrs.define(eq=False)
class MarketRecords:
    """One actor's records of one market."""

    context: ChildContext
    ticker: str
    program: str
    _meter: QuoteMeter = attrs.field(factory=QuoteMeter, init=False)
    _marker: FillMarker = attrs.field(factory=FillMarker, init=False)
    _watch: MarketWatch = attrs.field(factory=MarketWatch, init=False)
    _look: MarketLook = attrs.field(default=_NOT_LIVE, init=False)
    _fills_heard: int | None = attrs.field(default=None, init=False)
    _lost: int = attrs.field(default=0, init=False)

    def orders_seen(self, working: WorkingOrders) -> None:
        """Takes in our orders; only those that are known to rest count as quotes."""
        self._watch.orders_seen(working.as_own(RESTING))

    def observe(self, book: BookView | None) -> None:
        """Takes in how the market stands now, and tells what is complete."""
        seams = self.context.seams
        now_ms = seams.wall_ms()
        if book is not None and book.condition is BookCondition.LIVE:
            look, at_ms = self._watch.look(book.bids, book.asks), book.ts_ms
        else:
            look, at_ms = _NOT_LIVE, now_ms
        if look is not self._look:
            self._look = look
            self._marker.seen(at_ms, look.mid2_e4)
        over = self._meter.observe(seams.now(), now_ms, look)
        if over is not None:
            self._tell("market_minutes", self._minute_values(over))
        if self._marker.is_waiting:
            self._tell_marks(self._marker.passed(now_ms - LATE_MS))

    def fills_seen(self, tape: FillTape) -> None:
        """Takes in fills; those from before this actor lived are not marked, for it does not know the mids of then."""
        heard, self._fills_heard = self._fills_heard, tape.last_seq
        if heard is None or tape.last_seq == heard:
            return
        for numbered in tape.fills:
            if numbered.fill_seq > heard and numbered.fill.ticker == self.ticker:
                self._tell_marks(self._marker.filled(numbered.fill_seq, numbered.fill.ts_ms))

    def close(self) -> None:
        """Tells what is not complete; the actor ends."""
        self._tell_marks(self._marker.rest())
        left = self._meter.rest(self.context.seams.now())
        if left is not None:
            self._tell("market_minutes", self._minute_values(left))
        if self._lost:
            self.context.log.warning(f"{self._lost} rows for reports found no room at the ledger and are lost")

    def _minute_values(self, minute: QuotedMinute) -> dict[str, str | int | None]:
        return {"ticker": self.ticker, "program": self.program, **attrs.asdict(minute)}

    def _tell_marks(self, marked: tuple[FillMarks, ...]) -> None:
        for one in marked:
            later = dict(zip(_MARK_COLUMNS, one.later_mid2_e4, strict=True))
            self._tell("fill_marks", {"fill_seq": one.fill_seq, "mid2_e4": one.mid2_e4, **later})

    def _tell(self, table: str, values: dict[str, str | int | None]) -> None:
        if not self.context.outbox.try_send(Record(table=table, values=tuple(values.items()))):
            self._lost += 1
