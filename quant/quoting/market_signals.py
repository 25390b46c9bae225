"""What one market maker knows of how its market moves: volatility, regime, order flow, and what its fills came to.

It owns one set of streaming estimates and the order in which a book feeds them. How a verdict is used stands here too:

1. Volatility is the two-scale estimate, which the bounce between bid and ask does not enter, from a prior that the
   shape of the contract gives (quant.signals.structural_prior). The older single-scale one stays selectable.
2. A regime multiplies gamma (aversion) and k (how fast fills get rarer), and a category multiplies k. The documents'
   tables are `DOCUMENTS_GAMMA` and `DOCUMENTS_K`; by default UNKNOWN and QUIET change nothing, since UNKNOWN is what a
   fair walk is called, and a quiet market is one to be near the touch in.
3. The regime is stale after a gap without a book, until it has been judged anew; and before the first verdict.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import attrs

from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Level, Side
from quant.quoting.avellaneda_stoikov import AvellanedaStoikovParameters
from quant.quoting.glft import GlftParameters
from quant.signals import markouts, order_flow, price_signals, regime_stability, two_scale, volatility
from quant.signals.markouts import MarkedFill, MarkoutParameters, MarkoutState
from quant.signals.order_flow import OrderFlowParameters, OrderFlowState, Touch
from quant.signals.price_signals import BookObservation, PriceSignalParameters, PriceSignals
from quant.signals.regime import Regime, Verdict, for_profile
from quant.signals.structural_prior import ContractShape, prior_variance_per_s
from quant.signals.two_scale import TwoScaleParameters
from quant.signals.volatility import VolatilityParameters, VolatilityState
from quant.values import passing_value

# The documents' tables, for whoever selects them.
DOCUMENTS_GAMMA: Final[Mapping[str, float]] = MappingProxyType(
    {"MEAN_REVERTING": 1.0, "QUIET": 0.8, "TRENDING": 1.5, "CHAOTIC": 2.0, "NOISE": 1.2, "UNKNOWN": 1.5}
)
DOCUMENTS_K: Final[Mapping[str, float]] = MappingProxyType(
    {"MEAN_REVERTING": 1.0, "QUIET": 0.7, "TRENDING": 0.5, "CHAOTIC": 0.3, "NOISE": 0.6, "UNKNOWN": 0.5}
)


class VolatilityEstimate(enum.Enum):
    """Which estimate strategies are given, see rule 1."""

    TWO_SCALE = "two_scale"
    SIMPLE = "simple"


@attrs.frozen(kw_only=True)
class SignalUse:
    """How signals become numbers of a strategy; categories in lower case, regimes in upper case, factors above zero."""

    estimate: VolatilityEstimate = VolatilityEstimate.TWO_SCALE
    # Asks whether a figure that diffuses will be above a threshold; the others ask whether something will happen.
    threshold_categories: tuple[str, ...] = ("crypto", "financials", "climate and weather")
    gamma_by_regime: Mapping[str, float] = attrs.field(factory=lambda: {"TRENDING": 1.5, "CHAOTIC": 2.0, "NOISE": 1.2})
    k_by_regime: Mapping[str, float] = attrs.field(factory=lambda: {"TRENDING": 0.5, "CHAOTIC": 0.3, "NOISE": 0.6})
    # In the documents' proportions: 2.0, 1.2 and 1.8 against a default of 1.5.
    k_by_category: Mapping[str, float] = attrs.field(factory=lambda: {"sports": 1.33, "rates": 0.8, "crypto": 1.2})
    profile_by_category: Mapping[str, str] = attrs.field(
        factory=lambda: {
            "economics": "mean_reverting",
            "rates": "mean_reverting",
            "climate and weather": "mean_reverting",
            "crypto": "medium_trending",
        }
    )


def scaled(
    parameters: AvellanedaStoikovParameters | GlftParameters, regime: Regime, category: str, use: SignalUse
) -> AvellanedaStoikovParameters | GlftParameters:
    """Returns the strategy's constants in this regime and category (rule 2)."""
    gamma = use.gamma_by_regime.get(regime.value, 1.0)
    k = use.k_by_regime.get(regime.value, 1.0) * use.k_by_category.get(category, 1.0)
    if gamma == k == 1.0:
        return parameters
    return attrs.evolve(
        parameters, gamma_per_dollar=parameters.gamma_per_dollar * gamma, k_per_dollar=parameters.k_per_dollar * k
    )


@passing_value(kw_only=True)
class Look:
    """One two-sided book without own orders, at `time_s` (monotonic)."""

    time_s: float
    bid: Level
    ask: Level
    depth_e2: int  # of the thinner side
    step_e4: int  # the tick at the bid
    seconds_to_close: float
    mid: float  # dollars


class MarketSignals:
    """See the module. It holds the states of pure estimators and nothing else, and reads no clock."""

    def __init__(self, use: SignalUse, volatility_parameters: VolatilityParameters, category: str = "") -> None:
        self.use = use
        self.category = category.lower()
        self._is_simple = use.estimate is VolatilityEstimate.SIMPLE
        self._simple_parameters = volatility_parameters
        self._price_parameters = _price_parameters(use, volatility_parameters, self.category)
        self._flow_parameters = OrderFlowParameters()
        self._markout_parameters = MarkoutParameters()
        self._simple: VolatilityState = volatility.initial(volatility_parameters)
        self._prices: PriceSignals | None = None
        self._latest: tuple[float, float] | None = None  # time and mid since the last sample, not in `_prices` yet
        self._flow = OrderFlowState()
        self._flow_z: float | None = None
        self._flow_z_second = -1
        self._markouts: MarkoutState = markouts.initial(self._markout_parameters)
        self._last_seen: tuple[float, float] | None = None  # time and mid, for markouts that begin later
        self._is_marking = False
        self._is_stale = True

    def observe(self, look: Look) -> None:
        """Takes in a book."""
        time_s, mid = look.time_s, look.mid
        self._flow = order_flow.observe(self._flow, time_s, Touch(bid=look.bid, ask=look.ask), self._flow_parameters)
        if int(time_s) != self._flow_z_second:  # the sums are of whole seconds
            self._flow_z_second = int(time_s)
            self._flow_z = order_flow.z(self._flow, time_s, self._flow_parameters)
        if self._is_simple:
            self._simple = volatility.observe(self._simple, time_s, mid, self._simple_parameters)
        self._last_seen = time_s, mid
        if self._is_marking:
            self._markouts = markouts.observed(self._markouts, time_s, mid, self._markout_parameters)
            self._is_marking = any(one.pending for one in self._markouts.horizons)
        self._observe_prices(look, mid)

    def _observe_prices(self, look: Look, mid: float) -> None:
        before = self._prices
        if before is None:
            before = price_signals.initial(self._prior(look, mid), self._price_parameters)
        elif before.sampler is not None:
            last_seen_s = before.sampler.time_s if self._latest is None else self._latest[0]
            age_s = look.time_s - last_seen_s
            self._is_stale = self._is_stale or age_s > self._price_parameters.stability.stale_after_s
            if price_signals.is_between_samples(before, last_seen_s, look.time_s, mid, self._price_parameters):
                self._latest = look.time_s, mid  # nearly always: kept aside, so that no state is copied for it
                return
            if self._latest is not None:
                before, self._latest = price_signals.with_latest(before, *self._latest), None
        seen = BookObservation(
            time_s=look.time_s,
            mid=mid,
            step_e4=look.step_e4,
            spread_e4=look.ask.price_e4 - look.bid.price_e4,
            depth_e2=look.depth_e2,
            order_flow_z=self._flow_z,
        )
        self._prices = price_signals.observe(before, seen, self._price_parameters)
        if self._prices.stability is not before.stability:
            self._is_stale = False

    def _prior(self, look: Look, mid: float) -> float:
        is_threshold = self.category in self.use.threshold_categories
        return prior_variance_per_s(
            ContractShape.THRESHOLD if is_threshold else ContractShape.EVENT,
            price=mid,
            remaining_s=look.seconds_to_close,
            generic_sigma=self._simple_parameters.prior_sigma,
        )

    def filled(self, time_s: float, side: Side, price_e4: PriceE4, count_e2: CountE2) -> None:
        """Takes in a fill of ours, for its markouts."""
        if not self._is_marking and self._last_seen is not None:
            self._markouts = markouts.observed(self._markouts, *self._last_seen, self._markout_parameters)
        self._is_marking = True
        fill = MarkedFill(time_s=time_s, side=side, price_e4=price_e4, count_e2=count_e2)
        self._markouts = markouts.filled(self._markouts, fill, self._markout_parameters)

    def sigma(self, look: Look, horizon_s: float) -> float:
        """Returns the volatility in dollars per sqrt(s), no less than its floor, no more than `horizon_s` allows."""
        if self._is_simple or self._prices is None:
            return volatility.sigma(self._simple, step_e4=look.step_e4, price=look.mid, remaining_s=horizon_s)
        return two_scale.sigma(
            self._prices.two_scale,
            self._price_parameters.two_scale,
            step_e4=look.step_e4,
            price=look.mid,
            remaining_s=horizon_s,
        )

    def verdict(self, time_s: float) -> Verdict:
        """Returns the regime to act on."""
        if self._prices is None:
            return regime_stability.UNKNOWN_YET
        if self._latest is None:
            return price_signals.regime(self._prices, time_s, self._price_parameters)
        stability = self._price_parameters.stability
        return regime_stability.current(self._prices.stability, time_s, stability, seen_at_s=self._latest[0])

    @property
    def is_stale(self) -> bool:
        """Whether the regime has not been judged since the last gap (rule 3)."""
        return self._is_stale

    @property
    def flow_z(self) -> float | None:
        """The order flow of the last half minute in its deviations; positive is buying."""
        return self._flow_z

    def wrong_share(self, time_s: float) -> float | None:
        """Returns the share of the recent fills that the price moved against."""
        if not self._markouts.judged:
            return None
        return markouts.wrong_share(self._markouts, time_s, self._markout_parameters)


def _price_parameters(use: SignalUse, simple: VolatilityParameters, category: str) -> PriceSignalParameters:
    general = PriceSignalParameters()
    return attrs.evolve(
        general,
        two_scale=TwoScaleParameters(half_life_s=simple.half_life_s, prior_weight_s=simple.prior_weight_s),
        regime=for_profile(general.regime, use.profile_by_category.get(category, "")),
    )
