"""The market maker of one market: facts in, what should rest out. It decides, and neither waits nor sends.

A decision goes through these, in this order:

1. What makes quoting impossible: no rules, a market that is not tradable, nobody else on a side.
2. The signals take in the book without our own orders.
3. The directive of the program that owns the market, where there is one (`quant.quoting.directive`); a stale regime,
   where the program says that it freezes.
4. The strategy, with gamma and k of the present regime, and with risk's limits beside its own.
5. The throttles (`quant.quoting.throttles`), and a directive that lets only the position be worked off.

A decision is repeated, and not made again, where nothing that it depends on has changed but the time, and that by less
than REPEATED_FOR_S: most changes of a book are behind its touch, where no strategy but `incentive` looks.

It is an object with methods and no value that is replaced, because it runs at every change of a book: copies of a state
this wide would cost more than the thinking. Its parts are values of pure modules.
"""

from __future__ import annotations

import math
from typing import Final

import attrs

from kalshi.grid import PriceGrid
from kalshi.numbers import CountE2, PriceE4
from kalshi.types import ASK, BID, Level, Side
from quant.quoting import directive as directives
from quant.quoting import incentive_beat, throttles
from quant.quoting.avellaneda_stoikov import AvellanedaStoikovParameters
from quant.quoting.decision import QuoteDecision, QuoteInputs
from quant.quoting.directive import Directive, QuoteMode
from quant.quoting.glft import GlftParameters
from quant.quoting.incentive import IncentiveParameters
from quant.quoting.incentive_beat import IncentiveMemory, MarketDepth
from quant.quoting.market_signals import Look, MarketSignals, SignalUse, scaled
from quant.quoting.own_orders import OthersSide, OwnOrder
from quant.quoting.strategies import Memory, StrategyParameters, decide, held_so_far, horizon_cap_s, position_seen
from quant.quoting.throttles import Observation, ThrottleParameters, ThrottleState
from quant.rewards.terms import LiquidityTerms
from quant.signals.regime import Regime, Verdict
from quant.signals.volatility import VolatilityParameters

QuotedBy = StrategyParameters | IncentiveParameters


@attrs.frozen(kw_only=True)
class MakerParameters:
    """One market's strategy, sizes in 1/100 contract, and how its signals are used."""

    strategy: QuotedBy
    order_size_e2: CountE2
    max_position_e2: CountE2
    volatility: VolatilityParameters = attrs.field(factory=VolatilityParameters)
    signals: SignalUse = attrs.field(factory=SignalUse)
    throttles: ThrottleParameters = attrs.field(factory=ThrottleParameters)
    freezes_on_stale_regime: bool = False
    needs_directive: bool = False  # it may be quoted on the word of its program's sessions alone


@attrs.frozen(kw_only=True)
class Limits:
    """Risk's word on one market: how far the position may go either way, and sides where nothing may rest."""

    max_long_e2: CountE2 | None = None
    max_short_e2: CountE2 | None = None
    closed_sides: tuple[Side, ...] = ()


_UNLIMITED = Limits()
REPEATED_FOR_S: Final = 0.5  # half of what a market maker lets pass before it decides again without any news
# Regimes that change nothing.
_UNREMARKABLE: Final = (Regime.UNKNOWN, Regime.QUIET, Regime.MEAN_REVERTING)


class Maker:
    """See the module; times are monotonic seconds, exchange times milliseconds."""

    def __init__(self, parameters: MakerParameters) -> None:
        self.parameters = parameters
        self._grid: PriceGrid | None = None
        self._close_time_ms = 0
        self._is_tradable = False
        self._maker_fee_rate = 0.0
        self._position_e2 = CountE2(0)
        self._own: tuple[OwnOrder, ...] = ()
        self._bids, self._asks = OthersSide(BID), OthersSide(ASK)
        self._limits = _UNLIMITED
        self._memory = Memory()
        self._signals: MarketSignals | None = None
        self._by_regime: dict[Regime, StrategyParameters] = {}
        self._throttles = ThrottleState()
        self._directive: Directive | None = None
        self._programs: tuple[LiquidityTerms, ...] = ()
        self._incentive = IncentiveMemory()
        self._decision: QuoteDecision | None = None  # the last one, until a fact that it was made of changes
        self._decided_of: tuple[Level, Level, bool] | None = None
        self._decided_s = -math.inf
        self._looks_deep = isinstance(parameters.strategy, IncentiveParameters)
        self._horizon_cap_s = (
            float("inf") if isinstance(parameters.strategy, IncentiveParameters) else horizon_cap_s(parameters.strategy)
        )

    # -- facts in --

    def rules_seen(
        self,
        grid: PriceGrid,
        close_time_ms: int,
        category: str,
        *,
        is_tradable: bool,
        maker_fee_rate: float = 0.0,
    ) -> None:
        """The market's rules; the first ones say of which kind it is. A maker's fee is the rate times p (1 - p)."""
        self._decision = None
        self._maker_fee_rate = maker_fee_rate
        self._grid, self._close_time_ms, self._is_tradable = grid, close_time_ms, is_tradable
        if self._signals is None:
            self._signals = MarketSignals(self.parameters.signals, self.parameters.volatility, category)

    def position_seen(
        self, position_e2: CountE2, average_entry_e4: PriceE4 | None, mark_e4: PriceE4 | None, now_s: float
    ) -> None:
        """The position by the numbered fills."""
        self._decision = None
        self._position_e2 = position_e2
        self._memory = position_seen(self._memory, position_e2, average_entry_e4, mark_e4, now_s)

    def orders_seen(self, own: tuple[OwnOrder, ...]) -> None:
        """Our orders that rest, or may."""
        self._decision = None
        self._own = own
        self._bids.orders_seen(own)
        self._asks.orders_seen(own)

    def limits_seen(self, limits: Limits) -> None:
        """Risk's newest word."""
        if limits != self._limits:
            self._limits, self._decision = limits, None

    def filled(self, side: Side, price_e4: PriceE4, count_e2: CountE2, now_s: float) -> None:
        """A fill of ours, as it is heard of."""
        self._decision = None
        if self._signals is not None:
            self._signals.filled(now_s, side, price_e4, count_e2)

    def directed(self, directive: Directive) -> None:
        """The owning program's newest directive."""
        self._directive, self._decision = directive, None

    def programs_seen(self, programs: tuple[LiquidityTerms, ...]) -> None:
        """The liquidity programs of the market, whole."""
        self._programs = programs

    # -- out --

    @property
    def accrued_e6(self) -> float:
        """The shadow accrual of the known programs since this maker began, in 1/1,000,000 dollar."""
        return incentive_beat.total_accrued_e6(self._incentive, self._programs)

    def decide(
        self, book_bids: tuple[Level, ...], book_asks: tuple[Level, ...], now_s: float, now_ms: int
    ) -> QuoteDecision:
        """Returns what should rest on a live book whose levels, best first, have our own orders in them."""
        grid, signals = self._grid, self._signals
        if grid is None or signals is None:
            return QuoteDecision.nothing("waiting for the book and the market's rules")
        if not self._is_tradable:
            return QuoteDecision.nothing("the market is not tradable now")
        self._bids.book_seen(book_bids)
        self._asks.book_seen(book_asks)
        bid, ask = self._bids.best, self._asks.best
        if bid is None or ask is None:
            self._decision = None
            return QuoteDecision.nothing("nobody else quotes both sides")
        depth_e2 = min(self._bids.depth_e2, self._asks.depth_e2)  # of the thinner side
        is_thin = depth_e2 < self.parameters.throttles.thin_depth_e2
        made_of = bid, ask, is_thin
        is_same = made_of == self._decided_of and now_s - self._decided_s < REPEATED_FOR_S
        if self._decision is not None and is_same and not self._looks_deep:
            return self._decision
        self._decision = self._decided(self._look(bid, ask, depth_e2, grid, now_s, now_ms), grid, signals, now_ms)
        self._decided_of, self._decided_s = made_of, now_s
        return self._decision

    def _decided(self, look: Look, grid: PriceGrid, signals: MarketSignals, now_ms: int) -> QuoteDecision:
        now_s = look.time_s
        signals.observe(look)
        if self.parameters.throttles.is_enabled:
            seen = self._observation(look, signals)
            self._throttles = throttles.observe(self._throttles, seen, self.parameters.throttles)
        directive = directives.in_force(self._directive, now_s, is_needed=self.parameters.needs_directive)
        if directive.mode is QuoteMode.FREEZE:
            return QuoteDecision.nothing(*directive.reasons)
        verdict = signals.verdict(now_s)
        inputs = self._inputs(look, signals)
        wanted = self._wanted(inputs, verdict, grid, now_s, now_ms)
        if directive.mode is QuoteMode.REDUCE_ONLY:
            return directives.reduce_only(wanted, inputs, directive, grid)
        if self.parameters.freezes_on_stale_regime and signals.is_stale:
            return QuoteDecision.nothing("the regime is stale")
        return throttles.throttled(self._throttles, wanted, self._position_e2, grid, self.parameters.throttles)

    def _look(self, bid: Level, ask: Level, depth_e2: int, grid: PriceGrid, now_s: float, now_ms: int) -> Look:
        above_e4 = grid.step_above(bid.price_e4)
        return Look(
            time_s=now_s,
            bid=bid,
            ask=ask,
            depth_e2=depth_e2,
            step_e4=100 if above_e4 is None else above_e4 - bid.price_e4,
            seconds_to_close=(self._close_time_ms - now_ms) / 1000,
            mid=(bid.price_e4 + ask.price_e4) / 20_000,
        )

    @staticmethod
    def _observation(look: Look, signals: MarketSignals) -> Observation:
        return Observation(
            time_s=look.time_s,
            spread_e4=look.ask.price_e4 - look.bid.price_e4,
            depth_e2=look.depth_e2,
            wrong_share=signals.wrong_share(look.time_s),
            flow_z=signals.flow_z,
        )

    def _inputs(self, look: Look, signals: MarketSignals) -> QuoteInputs:
        limits, strategy = self._limits, self.parameters.strategy
        held_contract_min = adverse_excursion = 0.0
        if not isinstance(strategy, IncentiveParameters):
            held_contract_min, adverse_excursion = held_so_far(self._memory, strategy, look.time_s)
        horizon_s = max(1.0, min(look.seconds_to_close, self._horizon_cap_s))
        return QuoteInputs(
            best_bid=look.bid,
            best_ask=look.ask,
            position_e2=self._position_e2,
            max_position_e2=self.parameters.max_position_e2,
            order_size_e2=self.parameters.order_size_e2,
            sigma_dollars_per_sqrt_s=signals.sigma(look, horizon_s),
            seconds_to_close=look.seconds_to_close,
            max_long_e2=limits.max_long_e2,
            max_short_e2=limits.max_short_e2,
            bid_allowed=BID not in limits.closed_sides,
            ask_allowed=ASK not in limits.closed_sides,
            held_contract_min=held_contract_min,
            adverse_excursion=adverse_excursion,
            maker_fee_per_contract=self._maker_fee_rate * look.mid * (1 - look.mid),
        )

    def _wanted(
        self,
        inputs: QuoteInputs,
        verdict: Verdict,
        grid: PriceGrid,
        now_s: float,
        now_ms: int,
    ) -> QuoteDecision:
        strategy = self.parameters.strategy
        if isinstance(strategy, IncentiveParameters):
            depth = MarketDepth(bids=self._bids.levels, asks=self._asks.levels, own=self._own, now_ms=now_ms)
            self._incentive, decision = incentive_beat.decide(
                self._incentive, inputs, depth, self._programs, strategy, grid, now_s
            )
            return decision
        self._memory, decision = decide(self._memory, inputs, self._in_regime(verdict, strategy), grid, now_s)
        return _explained(decision, verdict)

    def _in_regime(self, verdict: Verdict, strategy: StrategyParameters) -> StrategyParameters:
        found = self._by_regime.get(verdict.regime)
        if found is None:
            found = strategy
            if isinstance(strategy, AvellanedaStoikovParameters | GlftParameters) and self._signals is not None:
                found = scaled(strategy, verdict.regime, self._signals.category, self.parameters.signals)
            self._by_regime[verdict.regime] = found
        return found


def _explained(decision: QuoteDecision, verdict: Verdict) -> QuoteDecision:
    """Names the regime among the reasons where it is one that changes something."""
    if verdict.regime in _UNREMARKABLE:
        return decision
    reason = f"regime {verdict.regime.value}: {verdict.reason.value.replace('_', ' ')}"
    return attrs.evolve(decision, reasons=(*decision.reasons, reason))
