"""What one trace amounts to: fills, markouts, profit and its parts, exposure, uptime, breaches. Pure: a trace in.

1. The mid is the last one known: of a book with both sides, before the close of its market. Money that involves a mid
   is kept in halves of a millionth of a dollar (`_half_e6`), so nothing is ever rounded.
2. Cash is as if YES were bought and sold: a bid pays its price, an ask earns it. The exchange's own cash differs by the
   dollar that it holds for each contract sold and not bought back, and must agree with this one (`discrepancies`).
3. Profit is cash plus what is left at the last mid. It is also the sum of what each fill gained on the mid at that
   moment (spread), of what positions gained while mids moved (inventory), and of fees; each part is added up by
   itself, so that the identity can fail. A fill is known here when it was heard: what a mid moved by between a trade
   and the print that told of it counts against the spread.
4. Markouts are those of `quant.signals.markouts`, without forgetting, of every fill that rested.
5. The watch outside looks several times a second; here every moment is checked again, by what the trace says of orders:
   position and what rests within the limit (I8), one quote a side (I20), group and lease on every order (I29), no
   new quote that took. An amend cannot be post-only: one that the market overtook on its way is counted as `overtaken`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, assert_never

import attrs

from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Side
from ops.backtest.trace import Began, Breached, Ended, Filled, Line, OrderSeen, Touched
from quant.signals import markouts
from quant.signals.markouts import HorizonState, MarkedFill, MarkoutParameters, MarkoutState

DOLLAR_E4: Final = 10_000
BREACHES_MAX: Final = 20  # of one trace: the first tell, the rest are echoes
_MS_PER_S: Final = 1_000
_LIVE: Final = MarkoutParameters()
# Without forgetting, with room for every fill of a run, and with all times in ms: floats hold those exactly.
MARKOUTS: Final = attrs.evolve(
    _LIVE,
    horizons_s=tuple(horizon_s * _MS_PER_S for horizon_s in _LIVE.horizons_s),
    mid_age_max_s=_LIVE.mid_age_max_s * _MS_PER_S,
    judged_horizon_s=_LIVE.judged_horizon_s * _MS_PER_S,
    half_life_fills=math.inf,
    pending_max=1_000_000,
)


@attrs.frozen(kw_only=True)
class Markout:
    """What fills had gained per contract after a time: the sum over contracts, and how many fills it is of."""

    horizon_s: float
    contracts: float
    dollars: float
    measured: int
    missed: int

    @property
    def mean(self) -> float | None:
        """Dollars per contract, None without a measured fill."""
        return self.dollars / self.contracts if self.contracts else None


@attrs.frozen(kw_only=True)
class Figures:
    """One run in numbers; times in ms."""

    recording: str
    strategy: str
    fills: int  # of orders that rested
    exits: int  # fills of exits that took
    overtaken: int  # fills of quotes that were moved, and met a market that had moved meanwhile (rule 5)
    filled_e2: int
    quotes: int  # prices that quotes were placed or moved to
    markouts: tuple[Markout, ...]
    spread_half_e6: int
    inventory_half_e6: int
    fees_e6: int
    pnl_half_e6: int
    max_position_e2: int
    max_drawdown_half_e6: int
    open_ms: int  # how long books had both sides before their close
    quoted_ms: int  # of that, with a quote resting
    both_ms: int  # of that, with quotes on both sides
    breaches: tuple[str, ...]

    @property
    def identity_half_e6(self) -> int:
        """What profit and its parts differ by; zero, unless a computation is wrong."""
        return self.pnl_half_e6 - self.spread_half_e6 - self.inventory_half_e6 + 2 * self.fees_e6


@attrs.define
class _Market:
    """One market while the trace is read."""

    close_ms: int
    position_e2: int = 0
    bid_ask_e4: int | None = None  # the sum of both: twice the mid
    is_two_sided: bool = False
    is_moved: bool = False  # whether a mid was seen in this moment; its last one counts for markouts
    last_ms: int | None = None
    markouts: MarkoutState = attrs.field(factory=lambda: markouts.initial(MARKOUTS))
    resting: dict[str, OrderSeen] = attrs.field(factory=dict)


class _Reading:
    """Adds up one trace, line by line."""

    def __init__(self, began: Began) -> None:
        self.began = began
        self.markets: dict[str, _Market] = {}
        self.exits: set[str] = set()
        self.quotes: set[tuple[str, int]] = set()
        self.fills: list[Filled] = []
        self.overtaken = 0
        self.moved: set[str] = set()  # quotes that were overtaken
        self.cash_half_e6 = self.spread_half_e6 = self.inventory_half_e6 = 0
        self.equity_half_e6 = self.best_half_e6 = self.drawdown_half_e6 = 0
        self.largest_e2 = 0
        self.open_ms = self.quoted_ms = self.both_ms = 0
        self.breaches: list[str] = []
        self.at_ms = began.at_ms

    def take(self, line: Line) -> None:
        if line.at_ms != self.at_ms:
            self.end_moment()
        self.at_ms = line.at_ms
        match line:
            case Touched():
                self._touch(line)
            case OrderSeen():
                self._order(line)
            case Filled():
                self._fill(line)
            case Breached():
                self.breach(line.invariant, line.text)
            case Ended():
                self._end(line)
            case Began():
                pass
            case _:
                assert_never(line)

    def breach(self, invariant: str, text: str) -> None:
        if len(self.breaches) < BREACHES_MAX:
            self.breaches.append(f"{invariant}: {text}")

    # -- lines --

    def _market(self, ticker: str) -> _Market:
        if ticker not in self.markets:
            self.markets[ticker] = _Market(close_ms=self.began.close_ms[ticker])
        market = self.markets[ticker]
        until_ms = min(self.at_ms, market.close_ms)
        if market.last_ms is not None and until_ms > market.last_ms and market.is_two_sided:
            sides = {order.side for order in market.resting.values() if order.order_id not in self.exits}
            passed_ms = until_ms - market.last_ms
            self.open_ms += passed_ms
            self.quoted_ms += passed_ms if sides else 0
            self.both_ms += passed_ms if len(sides) == 2 else 0
        market.last_ms = self.at_ms
        return market

    def _touch(self, line: Touched) -> None:
        market = self._market(line.ticker)
        if line.at_ms >= market.close_ms:
            return
        market.is_two_sided = line.bid_e4 is not None and line.ask_e4 is not None
        if line.bid_e4 is None or line.ask_e4 is None:
            return
        bid_ask_e4 = line.bid_e4 + line.ask_e4
        if market.bid_ask_e4 is not None:
            gained_half_e6 = market.position_e2 * (bid_ask_e4 - market.bid_ask_e4)
            self.inventory_half_e6 += gained_half_e6
            self._earn(gained_half_e6)
        elif market.position_e2:  # filled before any mid was known: those fills were marked at their own prices
            raise ValueError(f"{line.ticker} was filled before its first touch")
        market.bid_ask_e4 = bid_ask_e4
        market.is_moved = True

    def _order(self, line: OrderSeen) -> None:
        market = self._market(line.ticker)
        if line.is_exit:
            self.exits.add(line.order_id)
        else:
            self.quotes.add((line.order_id, line.price_e4))
        if line.remaining_e2:
            market.resting[line.order_id] = line
            self._check_lease(line)
        else:
            market.resting.pop(line.order_id, None)

    def _fill(self, line: Filled) -> None:
        market, side = self._market(line.ticker), Side(line.side)
        if market.bid_ask_e4 is None:
            raise ValueError(f"{line.ticker} was filled before its first touch")
        self.fills.append(line)
        signed_e2 = side.sign * line.count_e2
        self.cash_half_e6 -= 2 * (signed_e2 * line.price_e4 + line.fee_e6)
        spread_half_e6 = signed_e2 * (market.bid_ask_e4 - 2 * line.price_e4)
        self.spread_half_e6 += spread_half_e6
        market.position_e2 += signed_e2
        self.largest_e2 = max(self.largest_e2, abs(market.position_e2))
        self._earn(spread_half_e6 - 2 * line.fee_e6)
        if line.is_taker and line.order_id in market.resting and not market.resting[line.order_id].is_exit:
            self.overtaken += 1
            self.moved.add(line.order_id)
        if not line.is_taker:
            filled = MarkedFill(
                time_s=float(line.at_ms),
                side=side,
                price_e4=PriceE4(line.price_e4),
                count_e2=CountE2(line.count_e2),
            )
            market.markouts = markouts.filled(market.markouts, filled, MARKOUTS)

    def _earn(self, half_e6: int) -> None:
        self.equity_half_e6 += half_e6
        self.best_half_e6 = max(self.best_half_e6, self.equity_half_e6)
        self.drawdown_half_e6 = max(self.drawdown_half_e6, self.best_half_e6 - self.equity_half_e6)

    def _end(self, line: Ended) -> None:
        for ticker, market in self.markets.items():
            self._market(ticker)
            market.markouts = markouts.passed(market.markouts, float(line.at_ms), MARKOUTS)
            market.markouts = _given_up(market.markouts)
            if market.resting:
                self.breach("I1", f"{len(market.resting)} orders of {ticker} rest at the end")
        for fill in self.fills:
            if fill.is_taker and fill.order_id not in self.exits | self.moved:
                self.breach("never cross", f"quote {fill.order_id} took at {fill.at_ms}")
        for text in discrepancies(self.fills, line):
            self.breach("I6", text)

    # -- limits --

    def end_moment(self) -> None:
        """Takes the moment's last mid, and checks what rests: inside one, a fill is told before its order."""
        for ticker, market in self.markets.items():
            if market.is_moved and market.bid_ask_e4 is not None:
                mid = market.bid_ask_e4 / 2 / DOLLAR_E4
                market.markouts = markouts.observed(market.markouts, float(self.at_ms), mid, MARKOUTS)
                market.is_moved = False
            quotes = [one for one in market.resting.values() if not one.is_exit]
            for side, count in Counter(one.side for one in quotes).items():
                worst_e2 = Side(side).sign * market.position_e2 + sum(
                    one.remaining_e2 for one in quotes if one.side == side
                )
                if worst_e2 > self.began.max_position_e2:
                    self.breach("I8", f"{ticker} {side} could reach {worst_e2} at {self.at_ms}")
                if count > 1:
                    self.breach("I20", f"{count} quotes rest on the {side} side of {ticker} at {self.at_ms}")

    def _check_lease(self, line: OrderSeen) -> None:
        if not line.has_group or line.expires_ms is None:
            self.breach("I29", f"{line.order_id} rests without {'lease' if line.has_group else 'group'}")
        elif line.expires_ms > line.at_ms + self.began.lease_max_ms:
            self.breach("I29", f"{line.order_id} has a lease of {(line.expires_ms - line.at_ms) / 1000:g} s")


def figures(trace: Iterable[Line]) -> Figures:
    """Returns what a whole trace amounts to. Raises ValueError where it is none."""
    lines = iter(trace)
    began = next(lines, None)
    if not isinstance(began, Began):
        raise ValueError("a trace begins with how its run was set up")  # noqa: TRY004  # its order is wrong, no type
    reading = _Reading(began)
    for line in lines:
        reading.take(line)
    reading.end_moment()
    passive = [fill for fill in reading.fills if not fill.is_taker]
    marks_half_e6 = sum(market.position_e2 * (market.bid_ask_e4 or 0) for market in reading.markets.values())
    return Figures(
        recording=began.recording,
        strategy=began.strategy,
        fills=len(passive),
        exits=len(reading.fills) - len(passive) - reading.overtaken,
        overtaken=reading.overtaken,
        filled_e2=sum(fill.count_e2 for fill in passive),
        quotes=len(reading.quotes),
        markouts=tuple(
            _markout(horizon_s / _MS_PER_S, [market.markouts.horizons[place] for market in reading.markets.values()])
            for place, horizon_s in enumerate(MARKOUTS.horizons_s)
        ),
        spread_half_e6=reading.spread_half_e6,
        inventory_half_e6=reading.inventory_half_e6,
        fees_e6=sum(fill.fee_e6 for fill in reading.fills),
        pnl_half_e6=reading.cash_half_e6 + marks_half_e6,
        max_position_e2=reading.largest_e2,
        max_drawdown_half_e6=reading.drawdown_half_e6,
        open_ms=reading.open_ms,
        quoted_ms=reading.quoted_ms,
        both_ms=reading.both_ms,
        breaches=tuple(reading.breaches),
    )


def discrepancies(fills: Iterable[Filled], ended: Ended) -> list[str]:
    """Returns what the exchange's last word on cash, fees and positions says otherwise than the fills (rule 2)."""
    positions: Counter[str] = Counter()
    cash_e6 = fees_e6 = 0
    for fill in fills:
        signed_e2 = Side(fill.side).sign * fill.count_e2
        positions[fill.ticker] += signed_e2
        cash_e6 -= signed_e2 * fill.price_e4 + fill.fee_e6
        fees_e6 += fill.fee_e6
    held = {ticker: count_e2 for ticker, count_e2 in positions.items() if count_e2}
    cash_e6 -= sum(DOLLAR_E4 * max(0, -count_e2) for count_e2 in held.values())
    pairs: tuple[tuple[str, int | Mapping[str, int], int | Mapping[str, int]], ...] = (
        ("cash", cash_e6, ended.cash_e6),
        ("fees", fees_e6, ended.fees_e6),
        ("positions", held, dict(ended.positions)),
    )
    return [f"{what}: the fills give {ours}, the exchange {theirs}" for what, ours, theirs in pairs if ours != theirs]


def _given_up(state: MarkoutState) -> MarkoutState:
    """Counts fills whose horizon lies behind the end of the trace as not measured."""
    return attrs.evolve(
        state,
        horizons=tuple(attrs.evolve(one, pending=(), missed=one.missed + len(one.pending)) for one in state.horizons),
    )


def _markout(horizon_s: float, states: Iterable[HorizonState]) -> Markout:
    states = tuple(states)
    return Markout(
        horizon_s=horizon_s,
        contracts=sum(one.contracts for one in states),
        dollars=sum(one.dollars for one in states),
        measured=sum(one.measured for one in states),
        missed=sum(one.missed for one in states),
    )
