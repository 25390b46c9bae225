"""The market maker of one market: what each fact changes of its next decision."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kalshi.grid import PriceGrid
from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Level, Side
from quant.quoting import incentive
from quant.quoting.avellaneda_stoikov import AvellanedaStoikovParameters
from quant.quoting.decision import QuoteDecision, QuoteInputs
from quant.quoting.directive import Directive, QuoteMode
from quant.quoting.glft import GlftParameters
from quant.quoting.hybrid import HybridParameters
from quant.quoting.incentive import IncentiveFacts, IncentiveParameters
from quant.quoting.maker import Limits, Maker, MakerParameters, QuotedBy
from quant.quoting.market_signals import (
    DOCUMENTS_GAMMA,
    DOCUMENTS_K,
    Look,
    MarketSignals,
    SignalUse,
    VolatilityEstimate,
    scaled,
)
from quant.quoting.own_orders import OwnOrder
from quant.quoting.throttles import ThrottleParameters
from quant.quoting.touch import TouchParameters
from quant.rewards.terms import LiquidityTerms
from quant.signals.regime import Regime
from quant.signals.volatility import VolatilityParameters
from tests.quant.builders import CENT_GRID, level, prices
from tests.quant.rewards.builders import START_MS, TERMS, with_

PARAMETERS = MakerParameters(
    strategy=AvellanedaStoikovParameters(), order_size_e2=CountE2(1_000), max_position_e2=CountE2(10_000)
)
CLOSE_MS = START_MS + 86_400_000
BIDS, ASKS = (level(4_800, 50_000), level(4_700, 60_000)), (level(5_200, 50_000), level(5_300, 60_000))
Book = tuple[tuple[Level, ...], tuple[Level, ...]]


def maker(parameters: MakerParameters = PARAMETERS, category: str = "Economics") -> Maker:
    made = Maker(parameters)
    made.rules_seen(CENT_GRID, CLOSE_MS, category, is_tradable=True)
    return made


def at(made: Maker, now_s: float, bids: tuple[Level, ...] = BIDS, asks: tuple[Level, ...] = ASKS) -> QuoteDecision:
    return made.decide(bids, asks, now_s, START_MS + int(now_s * 1000))


def test_without_rules_tradability_or_others_nothing_is_quoted_and_the_reason_is_told() -> None:
    assert at(Maker(PARAMETERS), 0.0).reasons == ("waiting for the book and the market's rules",)
    halted = maker()
    halted.rules_seen(CENT_GRID, CLOSE_MS, "", is_tradable=False)
    assert at(halted, 0.0).reasons == ("the market is not tradable now",)
    alone = maker()
    alone.orders_seen((OwnOrder(side=Side.BID, price_e4=PriceE4(4_800), remaining_e2=CountE2(50_000)),))
    assert at(alone, 0.0, bids=BIDS[:1]).reasons == ("nobody else quotes both sides",)


def test_what_makers_pay_in_its_series_is_within_the_spread() -> None:
    free, dear = maker(), Maker(PARAMETERS)
    dear.rules_seen(CENT_GRID, CLOSE_MS, "Economics", is_tradable=True, maker_fee_rate=0.07)
    plain, charged = at(free, 0.0), at(dear, 0.0)
    assert plain.total_spread is not None
    least = AvellanedaStoikovParameters().min_total_spread
    assert plain.total_spread < 0.035
    assert charged.total_spread == pytest.approx(least + 2 * 0.07 * 0.25)


def test_own_orders_are_no_book_to_it() -> None:
    plain, mine = maker(), maker()
    mine.orders_seen((OwnOrder(side=Side.BID, price_e4=PriceE4(4_900), remaining_e2=CountE2(1_000)),))
    assert at(mine, 0.0, bids=(level(4_900, 1_000), *BIDS)) == at(plain, 0.0)


@pytest.mark.parametrize(
    "strategy", [AvellanedaStoikovParameters(), GlftParameters(), HybridParameters(), TouchParameters()]
)
def test_every_strategy_keeps_to_the_limits_of_risk(strategy: QuotedBy) -> None:
    made = maker(attrs.evolve(PARAMETERS, strategy=strategy))
    free = at(made, 0.0)
    assert free.bid is not None
    assert free.ask is not None
    made.limits_seen(Limits(max_long_e2=CountE2(500), max_short_e2=CountE2(0)))
    capped = at(made, 1.0)
    assert capped.bid is not None
    assert capped.bid.count_e2 <= 500
    assert capped.ask is None
    made.limits_seen(Limits(closed_sides=(Side.BID,)))
    assert at(made, 2.0).bid is None


def test_the_throttles_stand_in_front_of_every_strategy() -> None:
    for strategy in (AvellanedaStoikovParameters(), GlftParameters(), HybridParameters(), TouchParameters()):
        made = maker(attrs.evolve(PARAMETERS, strategy=strategy))
        calm = prices(at(made, 0.0))
        for second in (1.0, 2.0, 3.0):
            thin = at(made, second, bids=(level(4_800, 900),), asks=(level(5_200, 900),))
        assert "throttled: the book is thin" in thin.reasons
        assert calm[0] is not None
        assert thin.bid is not None
        assert thin.bid.price_e4 < calm[0]


def test_a_market_of_sessions_quotes_on_their_word_alone() -> None:
    made = maker(attrs.evolve(PARAMETERS, needs_directive=True))
    assert at(made, 0.0).reasons == ("no session speaks for this market",)
    made.directed(Directive(mode=QuoteMode.QUOTE, valid_until_s=5.0))
    assert None not in prices(at(made, 1.0))
    made.directed(Directive(mode=QuoteMode.FREEZE, valid_until_s=5.0, reasons=("the regime is bad",)))
    frozen = at(made, 2.0)
    assert (prices(frozen), frozen.reasons) == ((None, None), ("the regime is bad",))
    made.position_seen(CountE2(700), PriceE4(5_000), PriceE4(4_800), 3.0)
    made.directed(Directive(mode=QuoteMode.REDUCE_ONLY, valid_until_s=5.0, exit_limit_e4=PriceE4(5_150)))
    leaving = at(made, 3.0)
    assert leaving.bid is None
    assert leaving.ask is not None
    assert (leaving.ask.count_e2, leaving.ask.price_e4 >= 5_150) == (700, True)
    assert at(made, 6.0).reasons == ("the session's last word is too old",)


def test_a_directive_past_its_time_binds_no_other_market() -> None:
    made = maker()
    made.directed(Directive(mode=QuoteMode.FREEZE, valid_until_s=5.0))
    assert prices(at(made, 4.0)) == (None, None)
    assert None not in prices(at(made, 5.1))


def test_a_stale_regime_freezes_only_where_the_program_says_so() -> None:
    careful = maker(attrs.evolve(PARAMETERS, freezes_on_stale_regime=True))
    other = maker()
    for second in range(6):
        frozen, quoted = at(careful, float(second)), at(other, float(second))
    assert None not in prices(frozen)
    frozen, quoted = at(careful, 9.5), at(other, 9.5)  # 4.5 s after the last book
    assert frozen.reasons == ("the regime is stale",)
    assert None not in prices(quoted)
    for second in range(10, 17):
        frozen = at(careful, float(second))
    assert None not in prices(frozen)


def test_a_jump_makes_the_regime_chaotic_and_the_quotes_wide() -> None:
    made = maker(attrs.evolve(PARAMETERS, throttles=ThrottleParameters(is_enabled=False)))
    for second in range(60):
        calm = at(made, float(second))
    up = (
        tuple(level(one.price_e4 + 1_500, 50_000) for one in BIDS),
        tuple(level(one.price_e4 + 1_500, 50_000) for one in ASKS),
    )
    jumped = at(made, 60.0, *up)
    assert "regime CHAOTIC: jumped" in jumped.reasons
    assert jumped.total_spread is not None
    assert calm.total_spread is not None
    assert jumped.total_spread > 2 * calm.total_spread


def test_gamma_and_k_follow_regime_and_category_by_the_tables() -> None:
    documents = SignalUse(gamma_by_regime=DOCUMENTS_GAMMA, k_by_regime=DOCUMENTS_K, k_by_category={"sports": 4 / 3})
    base = GlftParameters()
    chaotic = scaled(base, Regime.CHAOTIC, "sports", documents)
    assert chaotic.gamma_per_dollar == pytest.approx(base.gamma_per_dollar * 2.0)
    assert chaotic.k_per_dollar == pytest.approx(base.k_per_dollar * 0.3 * 4 / 3)
    assert scaled(base, Regime.MEAN_REVERTING, "", documents) is base
    assert {regime.value for regime in Regime} == DOCUMENTS_GAMMA.keys() == DOCUMENTS_K.keys()
    shipped = SignalUse()
    assert scaled(base, Regime.UNKNOWN, "", shipped) is scaled(base, Regime.QUIET, "", shipped) is base


def test_most_fills_on_the_wrong_side_widen_the_quotes() -> None:
    made = maker()
    now_s = 0.0
    for _ in range(6):
        at(made, now_s)
        made.filled(Side.BID, PriceE4(5_500), CountE2(100), now_s)
        for _ in range(6):
            now_s += 1.0
            decision = at(made, now_s)
    assert "throttled: most recent fills went against us" in decision.reasons


def look(second: float, mid_e4: int, half_e4: int = 100) -> Look:
    return Look(
        time_s=second,
        bid=level(mid_e4 - half_e4, 50_000),
        ask=level(mid_e4 + half_e4, 50_000),
        depth_e2=50_000,
        step_e4=100,
        seconds_to_close=86_400.0,
        mid=mid_e4 / 10_000,
    )


def test_the_bounce_between_bid_and_ask_is_no_volatility_to_the_two_scale_estimate() -> None:
    found = {}
    for estimate in VolatilityEstimate:
        signals = MarketSignals(SignalUse(estimate=estimate), VolatilityParameters(sample_spacing_s=1.0))
        for second in range(900):
            signals.observe(look(float(second), 5_000 + 100 * (second % 2)))
        found[estimate] = signals.sigma(look(900.0, 5_000), 3_600.0)
    assert found[VolatilityEstimate.TWO_SCALE] < found[VolatilityEstimate.SIMPLE] / 4


def test_the_prior_is_that_of_the_shape_of_the_contract() -> None:
    crypto, politics = (MarketSignals(SignalUse(), VolatilityParameters(), name) for name in ("Crypto", "Politics"))
    near = attrs.evolve(look(0.0, 5_000), seconds_to_close=900.0)
    for signals in (crypto, politics):
        signals.observe(near)
    assert crypto.sigma(near, 900.0) == pytest.approx(0.0133, rel=0.01)  # phi(0) / sqrt(900)
    assert politics.sigma(near, 900.0) == pytest.approx(0.00155)


# Incentive.

INCENTIVE = attrs.evolve(
    PARAMETERS,
    strategy=IncentiveParameters(),
    max_position_e2=CountE2(100_000),
    order_size_e2=CountE2(10_000),
    throttles=ThrottleParameters(is_enabled=False),
)
DEEP = (level(4_800, 50_000), level(4_700, 60_000), level(4_600, 60_000))
DEEP_ASKS = (level(5_200, 50_000), level(5_300, 60_000), level(5_400, 60_000))


def incentive_maker(*programs: LiquidityTerms) -> Maker:
    made = maker(INCENTIVE)
    made.programs_seen(programs)
    return made


def test_incentive_quotes_while_a_program_runs_and_stops_with_it() -> None:
    made = incentive_maker(attrs.evolve(TERMS, end_ms=START_MS + 10_000))
    assert None not in prices(at(made, 1.0, DEEP, DEEP_ASKS))
    assert at(made, 10.5, DEEP, DEEP_ASKS).reasons == ("no liquidity program is running",)
    assert at(incentive_maker(), 1.0, DEEP, DEEP_ASKS).reasons == ("no liquidity program is running",)


def test_incentive_is_weighed_at_its_own_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    real = incentive.quote
    now_s = 0.0

    def noted(
        inputs: QuoteInputs, facts: IncentiveFacts, parameters: IncentiveParameters, grid: PriceGrid
    ) -> QuoteDecision:
        asked.append(now_s)
        return real(inputs, facts, parameters, grid)

    monkeypatch.setattr(incentive, "quote", noted)
    made = incentive_maker(TERMS)
    for number in range(40):  # a new depth every 50 ms
        now_s = number * 0.05
        at(made, now_s, (level(4_800, 50_000 + number), *DEEP[1:]), DEEP_ASKS)
    assert asked == pytest.approx([0.0, 0.5, 1.0, 1.5])
    for number in range(40, 200):  # nothing changes any more
        now_s = number * 0.05
        at(made, now_s, (level(4_800, 50_039), *DEEP[1:]), DEEP_ASKS)
    assert asked[4:] == pytest.approx([2.0, 7.0])
    made.position_seen(CountE2(1_000), PriceE4(4_800), PriceE4(4_800), now_s)
    at(made, now_s, DEEP, DEEP_ASKS)
    assert len(asked) == 7
    now_s += 0.05
    at(made, now_s, DEEP, (level(4_900, 50_000), *DEEP_ASKS))  # the ask comes nearer, not to our bid
    at(made, now_s + 0.05, (level(5_300, 50_000),), (level(5_400, 50_000),))  # this one has met our ask
    assert len(asked) == 8


def test_what_rests_accrues_in_the_shadow_once_a_second() -> None:
    made = incentive_maker(TERMS)
    for side, price_e4 in ((Side.BID, 4_800), (Side.ASK, 5_200)):
        made.orders_seen((*made._own, OwnOrder(side=side, price_e4=PriceE4(price_e4), remaining_e2=CountE2(10_000))))
    bids, asks = (level(4_800, 60_000), *DEEP[1:]), (level(5_200, 60_000), *DEEP_ASKS[1:])
    at(made, 0.0, bids, asks)
    assert made.accrued_e6 > 0
    first = made.accrued_e6
    for number in range(1, 101):
        at(made, number * 0.05, bids, asks)
    assert made.accrued_e6 == pytest.approx(6 * first, rel=0.2)
    idle = incentive_maker(with_())
    at(idle, 0.0, DEEP, DEEP_ASKS)
    assert idle.accrued_e6 == 0.0


@given(
    st.lists(
        st.tuples(st.floats(0.01, 3.0), st.integers(2, 97), st.integers(1, 25), st.integers(1, 60_000)),
        min_size=1,
        max_size=30,
    ),
    st.sampled_from(
        [AvellanedaStoikovParameters(), GlftParameters(), HybridParameters(), TouchParameters(), IncentiveParameters()]
    ),
    st.integers(-9_000, 9_000),
)
@settings(max_examples=120, deadline=None)
def test_over_any_books_quotes_are_on_the_grid_apart_inside_and_within_limits(
    steps: list[tuple[float, int, int, int]], strategy: QuotedBy, position_e2: int
) -> None:
    made = maker(attrs.evolve(PARAMETERS, strategy=strategy))
    made.programs_seen((TERMS,))
    made.position_seen(CountE2(position_e2), PriceE4(5_000), PriceE4(5_000), 0.0)
    now_s = 0.0
    for wait_s, bid_cents, width, count_e2 in steps:
        now_s += wait_s
        ask_cents = min(99, bid_cents + width)
        got = at(made, now_s, (level(bid_cents * 100, count_e2),), (level(ask_cents * 100, count_e2),))
        for target in (got.bid, got.ask):
            assert target is None or (CENT_GRID.is_valid(target.price_e4) and target.count_e2 <= 1_000)
        if got.bid is not None:
            assert got.bid.price_e4 < ask_cents * 100
            assert position_e2 + got.bid.count_e2 <= 10_000
        if got.ask is not None:
            assert got.ask.price_e4 > bid_cents * 100
            assert got.ask.count_e2 - position_e2 <= 10_000
        if got.bid is not None and got.ask is not None:
            assert got.bid.price_e4 < got.ask.price_e4
        else:
            assert got.reasons
