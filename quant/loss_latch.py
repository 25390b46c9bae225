"""The latches on what is lost: within a day, and from the best that there ever was. Tripped, they hold until a person
releases them.

1. The day's loss counts from the last equity of the day before, the drawdown from the highest equity. A day only goes
   forward: a clock that jumps back and forth must not forgive a loss.
2. A held market without a mark is valued at what it cost, which is neither loss nor profit; but what it was worth
   before may be in the start or in the peak. So a latch trips only on a loss that is there even if every such market
   paid out in full, and neither start nor peak is taken while there is one. Else a restart would trip it before the
   first prices, or begin a day with a profit that is none.
3. The state outlives actor and process; its caller keeps it. Equity counts from the first fill ever booked, so that
   it means the same in the next life.
4. A release begins both counts anew.

Source: features G1; the design documents' daily loss limit.
"""

from __future__ import annotations

import attrs

from kalshi.numbers import ONE_DOLLAR_E4, MoneyE6
from quant.positions import Portfolio, Valuation


@attrs.frozen(kw_only=True)
class LossLimits:
    """How much may be lost; None where that is not watched."""

    daily_e6: int
    drawdown_e6: int | None


@attrs.frozen(kw_only=True)
class LossLatch:
    """The day with its starting equity, the highest equity, and why it has tripped, if it has."""

    day: int | None = None
    start_equity_e6: MoneyE6 | None = None
    peak_equity_e6: MoneyE6 | None = None
    last_equity_e6: MoneyE6 | None = None  # when everything held had a mark
    tripped_reason: str | None = None

    def released(self) -> LossLatch:
        """Returns the latch after a person released it: losses count anew from the next assessment on."""
        return LossLatch()


def watch_loss(
    latch: LossLatch, portfolio: Portfolio, valuation: Valuation, day: int, limits: LossLimits
) -> tuple[LossLatch, MoneyE6]:
    """Returns the latch after this valuation of the portfolio, and the day's loss (zero for a profit)."""
    equity = valuation.equity_delta_e6
    if latch.day is None or day > latch.day:
        latch = attrs.evolve(latch, day=day, start_equity_e6=latch.last_equity_e6)
    if not valuation.unmarked:
        start, peak = latch.start_equity_e6, latch.peak_equity_e6
        latch = attrs.evolve(
            latch,
            start_equity_e6=equity if start is None else start,
            peak_equity_e6=equity if peak is None else max(peak, equity),
            last_equity_e6=equity,
        )
    at_best = equity + sum(_could_still_gain_e6(portfolio, ticker) for ticker in valuation.unmarked)
    loss = MoneyE6(0) if latch.start_equity_e6 is None else MoneyE6(max(0, latch.start_equity_e6 - equity))
    if latch.tripped_reason is None:
        latch = attrs.evolve(latch, tripped_reason=_tripped(latch, at_best, limits))
    return latch, loss


def _could_still_gain_e6(portfolio: Portfolio, ticker: str) -> int:
    account = portfolio.account(ticker)
    return abs(account.position_e2) * ONE_DOLLAR_E4 - account.open_cost_e6


def _tripped(latch: LossLatch, equity_e6: int, limits: LossLimits) -> str | None:
    loss_e6 = 0 if latch.start_equity_e6 is None else latch.start_equity_e6 - equity_e6
    if loss_e6 >= limits.daily_e6:
        return f"daily loss of {dollars(loss_e6)} reached the limit of {dollars(limits.daily_e6)}"
    if limits.drawdown_e6 is None or latch.peak_equity_e6 is None:
        return None
    drawdown_e6 = latch.peak_equity_e6 - equity_e6
    if drawdown_e6 < limits.drawdown_e6:
        return None
    return f"drawdown of {dollars(drawdown_e6)} reached the limit of {dollars(limits.drawdown_e6)}"


def dollars(money_e6: int) -> str:
    """Returns "$1,234.56" of 1/1,000,000 dollar."""
    return f"${money_e6 / 1e6:,.2f}"
