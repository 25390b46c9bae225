"""What our own fills taught us of markets: markouts at ten seconds and realised PnL, on their way into the memory of
toxicity.

1. A fill waits for the mid that stands `HORIZON_S` after it. The mids come from whoever sees prices; where none is
   known for that moment, the fill teaches nothing. So a fill is never counted twice over a restart either: after it, a
   fill that is older than the horizon has no mid any more.
2. Realised PnL comes as the running sum of a market, fees taken off; what it has changed by is the experience. The last
   sum of each market is part of what is stored.
3. `settle` moves what is due into the memory and returns what of it changed, to be stored.

Bounded: markets by `MARKETS_MAX` (the ones heard of longest ago are forgotten), waiting fills by the markouts' own
bound.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

import attrs

from kalshi.numbers import MoneyE6
from quant.bounded import keep_newest
from quant.selection.toxicity import Experience, Record, ToxicityMemory, ToxicityParameters, remember
from quant.signals import markouts
from quant.signals.markouts import MarkedFill, MarkoutParameters, MarkoutState

MARKETS_MAX: Final = 5_000
HORIZON_S: Final = 10.0
# Prices are told when they change: one of a minute ago still stands.
MID_AGE_MAX_S: Final = 60.0

_MARKOUTS = MarkoutParameters(
    horizons_s=(HORIZON_S,), judged_horizon_s=HORIZON_S, half_life_fills=math.inf, mid_age_max_s=MID_AGE_MAX_S
)
_E6_PER_DOLLAR: Final = 1_000_000


@attrs.frozen(kw_only=True)
class Learned:
    """What changed in the memory: records of markets and series by name, and running sums of PnL by market."""

    markets: tuple[tuple[str, Record], ...] = ()
    series: tuple[tuple[str, Record], ...] = ()
    realised: tuple[tuple[str, MoneyE6], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.markets or self.series or self.realised)


@attrs.define(eq=False)
class OwnFills:
    """The fills that wait, and the memory; see the module. Times are monotonic seconds, `at_ms` exchange time."""

    parameters: ToxicityParameters
    memory: ToxicityMemory = attrs.field(factory=ToxicityMemory)
    _realised: dict[str, MoneyE6] = attrs.field(factory=dict, init=False)
    _waiting: dict[str, MarkoutState] = attrs.field(factory=dict, init=False)
    _mids: dict[str, tuple[float, float]] = attrs.field(factory=dict, init=False)
    _series: dict[str, str] = attrs.field(factory=dict, init=False)
    _news: list[Experience] = attrs.field(factory=list, init=False)
    _said: dict[str, MoneyE6] = attrs.field(factory=dict, init=False)

    def restore(self, stored: Learned) -> None:
        """Begins with what was stored."""
        self.memory = ToxicityMemory(markets=dict(stored.markets), series=dict(stored.series))
        self._realised = dict(stored.realised)

    def filled(self, ticker: str, series_ticker: str, fill: MarkedFill) -> None:
        """Takes a fill of ours."""
        state = self._waiting.get(ticker)
        if state is None:
            state = markouts.initial(_MARKOUTS)
            if (mid := self._mids.get(ticker)) is not None:
                state = markouts.observed(state, *mid, _MARKOUTS)
        waiting = state.horizons[0].pending
        if waiting and fill.time_s < waiting[-1].time_s:  # told late: the queue is in order of time
            fill = attrs.evolve(fill, time_s=waiting[-1].time_s)
        self._waiting[ticker] = markouts.filled(state, fill, _MARKOUTS)
        self._series[ticker] = series_ticker
        keep_newest(self._series, MARKETS_MAX)

    def mid_seen(self, ticker: str, time_s: float, mid: float) -> None:
        """Takes a price: the middle of the touch, in dollars."""
        self._mids[ticker] = (time_s, mid)
        keep_newest(self._mids, MARKETS_MAX)
        if (state := self._waiting.get(ticker)) is not None:
            self._waiting[ticker] = markouts.observed(state, time_s, mid, _MARKOUTS)

    def realised(self, ticker: str, series_ticker: str, net_e6: MoneyE6, at_ms: int) -> None:
        """Takes the running sum of a market's realised PnL less fees."""
        change_e6 = net_e6 - self._realised.get(ticker, 0)
        if change_e6 == 0:
            return
        self._realised.pop(ticker, None)  # to the end of the line of what may be forgotten
        self._realised[ticker] = net_e6
        keep_newest(self._realised, MARKETS_MAX)
        self._said[ticker] = net_e6
        self._news.append(
            Experience(ticker=ticker, series_ticker=series_ticker, at_ms=at_ms, pnl_dollars=change_e6 / _E6_PER_DOLLAR)
        )

    def settle(self, now_s: float, at_ms: int) -> Learned:
        """Moves what is due into the memory; returns what changed."""
        for ticker in tuple(self._waiting):
            self._settle_fills(ticker, now_s, at_ms)
        news, self._news = self._news, []
        for experience in news:
            self.memory = remember(self.memory, experience, self.parameters)
        said, self._said = self._said, {}
        return Learned(
            markets=_records(self.memory.markets, (one.ticker for one in news)),
            series=_records(self.memory.series, (one.series_ticker for one in news)),
            realised=tuple(said.items()),
        )

    def _settle_fills(self, ticker: str, now_s: float, at_ms: int) -> None:
        state = markouts.passed(self._waiting[ticker], now_s, _MARKOUTS)
        horizon = state.horizons[0]
        if horizon.measured:
            self._news.append(
                Experience(
                    ticker=ticker,
                    series_ticker=self._series.get(ticker, ""),
                    at_ms=at_ms,
                    contracts=horizon.contracts,
                    markout_dollars=horizon.dollars,
                )
            )
        if not horizon.pending:
            del self._waiting[ticker]
            return
        counted = attrs.evolve(horizon, contracts=0.0, dollars=0.0, measured=0)
        self._waiting[ticker] = attrs.evolve(state, horizons=(counted,))


def _records(records: Mapping[str, Record], names: Iterable[str]) -> tuple[tuple[str, Record], ...]:
    return tuple((name, records[name]) for name in dict.fromkeys(names) if name in records)
