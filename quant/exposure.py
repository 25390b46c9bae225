"""Exposure: what open positions, and orders that may still fill, can lose, to the last unit.

1. A market alone can lose what its position cost: p per long contract, 1 - p per short one.
2. The markets of one event settle together, and not in every combination. An outcome names the markets that settle
   yes. Where the outcomes exclude each other at most one does; "none of them" is always considered, because nothing
   proves that the listed outcomes are all there are. Where the markets say that one figure lies in a range (a ladder
   of thresholds, or ranges), the outcomes are what the figure can be: each bound, and a place between any two.
3. The profit of the positions is known in each outcome. An order that rests may fill or not, whichever is worse
   there, so it counts min(0, its profit in that outcome). The exposure is what the worst outcome loses.
4. A market of which neither is known settles as it likes: it adds its own worst.
5. `event_reach_e6` is the exposure after the worst closing of positions: a hedge counts for nothing there, because an
   order may close it at any time. What is left of a cap is measured by it.

Source: the project's strategy reference, section 6.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import attrs

from kalshi.numbers import ONE_DOLLAR_E4, CountE2, MoneyE6, PriceE4
from kalshi.types import Side
from quant.accounting import MarketAccount, unrealised_e6

_NO = PriceE4(0)


@attrs.frozen(kw_only=True)
class OpenOrder:
    """What of one order may still fill, at its limit."""

    side: Side
    price_e4: PriceE4
    count_e2: CountE2

    def profit_e6(self, settled_e4: PriceE4) -> int:
        """Returns the profit of a complete fill where the market settles at `settled_e4`."""
        return self.side.sign * self.count_e2 * (settled_e4 - self.price_e4)


@attrs.frozen(kw_only=True)
class YesRange:
    """The figures at which a market settles yes; a bound of None is open. Whether a bound itself is within."""

    low: float | None = None
    high: float | None = None
    has_low: bool = True
    has_high: bool = True

    def holds(self, figure: float) -> bool:
        """Says whether the market settles yes at this figure."""
        above = self.low is None or figure > self.low or (self.has_low and figure == self.low)
        below = self.high is None or figure < self.high or (self.has_high and figure == self.high)
        return above and below


def yes_range(strike_type: str, floor: float | None, cap: float | None) -> YesRange | None:
    """Returns the range that the exchange's strike fields mean; None where they mean no range of one figure."""
    match strike_type:
        case "greater" | "greater_or_equal" if floor is not None:
            return YesRange(low=floor, has_low=strike_type != "greater")
        case "less" | "less_or_equal" if cap is not None:
            return YesRange(high=cap, has_high=strike_type != "less")
        case "between" if floor is not None and cap is not None:
            return YesRange(low=floor, high=cap)
        case _:
            return None


@attrs.frozen(kw_only=True)
class EventMarket:
    """One market of an event: what is held there, what may still fill, and when it settles yes, if that is known."""

    account: MarketAccount
    orders: Sequence[OpenOrder] = ()
    yes: YesRange | None = None

    def profit_e6(self, *, is_yes: bool) -> int:
        """Returns the profit of the position alone."""
        return unrealised_e6(self.account, ONE_DOLLAR_E4 if is_yes else _NO)

    def orders_e6(self, *, is_yes: bool) -> int:
        """Returns what the orders can add to the profit at worst: never more than nothing."""
        settled_e4 = ONE_DOLLAR_E4 if is_yes else _NO
        return sum(min(0, order.profit_e6(settled_e4)) for order in self.orders)


def event_exposure_e6(markets: Iterable[EventMarket], *, is_exclusive: bool) -> MoneyE6:
    """Returns the most that one event's positions and orders can lose together; never negative (rule 3)."""
    return _worst_e6(markets, is_exclusive=is_exclusive, is_hedged=True)


def event_reach_e6(markets: Iterable[EventMarket], *, is_exclusive: bool) -> MoneyE6:
    """Returns the same after the worst closing of positions (rule 5)."""
    return _worst_e6(markets, is_exclusive=is_exclusive, is_hedged=False)


def is_structured(markets: Mapping[str, YesRange | None], *, is_exclusive: bool) -> bool:
    """Says whether the event's markets settle not in every combination, so that one can hedge another."""
    return len(markets) > 1 and (is_exclusive or any(yes is not None for yes in markets.values()))


def _worst_e6(markets: Iterable[EventMarket], *, is_exclusive: bool, is_hedged: bool) -> MoneyE6:
    held = [market for market in markets if market.orders or not market.account.is_flat]
    bound = held if is_exclusive else [market for market in held if market.yes is not None]
    free = [] if is_exclusive else [market for market in held if market.yes is None]
    together = min(
        (sum(_result_e6(m, is_yes=m.account.ticker in outcome, is_hedged=is_hedged) for m in bound))
        for outcome in _outcomes(bound, is_exclusive=is_exclusive)
    )
    alone = sum(min(_result_e6(m, is_yes=is_yes, is_hedged=is_hedged) for is_yes in (False, True)) for m in free)
    return MoneyE6(max(0, -(together + alone)))


def _result_e6(market: EventMarket, *, is_yes: bool, is_hedged: bool) -> int:
    profit = market.profit_e6(is_yes=is_yes)
    return (profit if is_hedged else min(0, profit)) + market.orders_e6(is_yes=is_yes)


def _outcomes(markets: list[EventMarket], *, is_exclusive: bool) -> Iterable[frozenset[str]]:
    """Returns what can happen to these markets together, by those that settle yes."""
    if is_exclusive:
        return [frozenset(), *(frozenset((market.account.ticker,)) for market in markets)]
    ranges = [(market.account.ticker, market.yes) for market in markets if market.yes is not None]
    figures = _figures([yes for _, yes in ranges])
    return {frozenset(ticker for ticker, yes in ranges if yes.holds(figure)) for figure in figures}


def _figures(ranges: list[YesRange]) -> list[float]:
    """Returns a figure of every kind: each bound, one between any two neighbours, and one beyond each end."""
    bounds = sorted({bound for yes in ranges for bound in (yes.low, yes.high) if bound is not None})
    if not bounds:
        return [0.0]
    between = [(low + high) / 2 for low, high in pairwise(bounds)]
    return [bounds[0] - 1.0, *bounds, *between, bounds[-1] + 1.0]
