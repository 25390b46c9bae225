"""Exposure: what open positions, and orders that may still fill, can lose, to the last unit.

1. A market alone can lose what its position cost: p per long contract, 1 - p per short one.
2. The markets of one event settle together, and not in every combination. An outcome names the markets that settle
   yes. Where the outcomes exclude each other at most one does; "none of them" is always considered, because nothing
   proves that the listed outcomes are all there are. Where markets say that one figure lies in a range (a ladder
   of thresholds, or ranges), the outcomes are what the figure can be: each bound, and a place between any two.
3. The profit of the positions is known in each outcome. An order that rests may fill or not, whichever is worse
   there, so it counts min(0, its profit in that outcome). The exposure is what the worst outcome loses.
4. A market of which neither is known settles as it likes: it adds its own worst. Two figures of one event know nothing
   of each other: each adds the worst of its own outcomes.
5. Ranges that can hold together contradict outcomes that exclude each other. Nobody knows which of the two is wrong:
   the worse one counts.
6. `event_reach_e6` is the exposure after the worst closing of positions: a hedge counts for nothing there, because an
   order may close it at any time. What is left of a cap is measured by it. The one position among markets that settle
   together is nobody's hedge; of several, `hedging` names all.

Source: the project's strategy reference, section 6.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

import attrs

from kalshi.numbers import ONE_DOLLAR_E4, CountE2, MoneyE6, PriceE4
from kalshi.types import Side, Strike, StrikeKind
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


def yes_range(strike: Strike) -> YesRange:
    """Returns the figures at which a market with this strike settles yes."""
    match strike.kind:
        case StrikeKind.GREATER | StrikeKind.GREATER_OR_EQUAL:
            return YesRange(low=strike.floor, has_low=strike.kind is StrikeKind.GREATER_OR_EQUAL)
        case StrikeKind.LESS | StrikeKind.LESS_OR_EQUAL:
            return YesRange(high=strike.cap, has_high=strike.kind is StrikeKind.LESS_OR_EQUAL)
        case StrikeKind.BETWEEN:
            return YesRange(low=strike.floor, high=strike.cap)


@attrs.frozen(kw_only=True)
class EventMarket:
    """One market of an event: what is held there, what may still fill, and when it settles yes, if that is known.

    Those with the same `figure` are about one figure.
    """

    account: MarketAccount
    orders: Sequence[OpenOrder] = ()
    yes: YesRange | None = None
    figure: str = ""

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
    """Returns the same after the worst closing of positions (rule 6)."""
    return _worst_e6(markets, is_exclusive=is_exclusive, is_hedged=False)


def hedging(markets: Iterable[EventMarket], *, is_exclusive: bool) -> frozenset[str]:
    """Returns the held markets that settle together with another held one, so that one can hedge the other."""
    held = [market for market in markets if not market.account.is_flat]
    groups = [held] if is_exclusive else _by_figure(held)
    return frozenset(market.account.ticker for group in groups if len(group) > 1 for market in group)


def _worst_e6(markets: Iterable[EventMarket], *, is_exclusive: bool, is_hedged: bool) -> MoneyE6:
    markets = list(markets)
    held = [market for market in markets if market.orders or not market.account.is_flat]
    if not is_exclusive:
        worst = _apart_e6(held, is_hedged=is_hedged)
    else:
        worst = _together_e6(held, _exclusive_outcomes(held), is_hedged=is_hedged)
        if any(len(outcome) > 1 for group in _by_figure(markets) for outcome in _outcomes(group)):
            worst = min(worst, _apart_e6(held, is_hedged=is_hedged))
    return MoneyE6(max(0, -worst))


def _apart_e6(markets: list[EventMarket], *, is_hedged: bool) -> int:
    """Returns the profit at the worst of each figure, and of each market of which none is known."""
    free = [[market] for market in markets if market.yes is None]
    groups = [(group, _outcomes(group)) for group in _by_figure(markets)]
    groups += [(alone, _exclusive_outcomes(alone)) for alone in free]
    return sum(_together_e6(group, outcomes, is_hedged=is_hedged) for group, outcomes in groups)


def _by_figure(markets: Iterable[EventMarket]) -> list[list[EventMarket]]:
    groups: dict[str, list[EventMarket]] = {}
    for market in markets:
        if market.yes is not None:
            groups.setdefault(market.figure, []).append(market)
    return list(groups.values())


def _together_e6(markets: list[EventMarket], outcomes: Iterable[frozenset[str]], *, is_hedged: bool) -> int:
    """Returns the profit of the worst outcome."""
    results = [
        (m.account.ticker, [_result_e6(m, is_yes=is_yes, is_hedged=is_hedged) for is_yes in (False, True)])
        for m in markets
    ]
    return min(sum(by_answer[ticker in outcome] for ticker, by_answer in results) for outcome in outcomes)


def _result_e6(market: EventMarket, *, is_yes: bool, is_hedged: bool) -> int:
    profit = market.profit_e6(is_yes=is_yes)
    return (profit if is_hedged else min(0, profit)) + market.orders_e6(is_yes=is_yes)


def _exclusive_outcomes(markets: list[EventMarket]) -> set[frozenset[str]]:
    return {frozenset(), *(frozenset((market.account.ticker,)) for market in markets)}


def _outcomes(markets: list[EventMarket]) -> set[frozenset[str]]:
    """Returns what can happen to the markets of one figure together, by those that settle yes."""
    ranges = [(market.account.ticker, market.yes) for market in markets if market.yes is not None]
    figures = _figures([yes for _, yes in ranges])
    return {frozenset(ticker for ticker, yes in ranges if yes.holds(figure)) for figure in figures}


def _figures(ranges: list[YesRange]) -> list[float]:
    """Returns a figure of every kind: each bound, one between any two neighbours, and one beyond each end."""
    bounds = sorted({bound for yes in ranges for bound in (yes.low, yes.high) if bound is not None})
    between = [low / 2 + high / 2 for low, high in pairwise(bounds)]
    return [-math.inf, *bounds, *between, math.inf]
