"""Per-market configuration: each rule at its boundaries, and what no market and no program may make of it."""

from __future__ import annotations

import math
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi.numbers import CountE2, PriceE4
from ops.settings_convert import SettingsError
from ops.settings_load import settings_from
from quant.market_configuration import (
    ConfigurationFacts,
    ConfigurationLimits,
    EventVolatility,
    LiquidityFacts,
    MarketConfiguration,
    ProgramNumbers,
    QuotedStrategy,
    generate,
    profile_of,
)
from quant.market_profiles import DAY_S, CategoryProfile, MarketConfigurationParameters, ProfileOverride
from quant.quoting.avellaneda_stoikov import AvellanedaStoikovParameters
from quant.quoting.frame import FrameParameters
from quant.quoting.glft import GlftParameters
from quant.quoting.hybrid import HybridParameters
from quant.quoting.incentive import IncentiveParameters
from quant.quoting.touch import TouchParameters
from quant.signals.regime import Regime
from quant.signals.volatility import VolatilityParameters

DEFAULTS = MarketConfigurationParameters()
LIMITS = ConfigurationLimits(
    per_market_cap_e6=100_000_000,
    category_caps_e6={},
    default_category_cap_e6=600_000_000,
    global_budget_e6=2_000_000_000,
    markets_max=20,
    max_position_e2=20_000,
)
PROGRAM = ProgramNumbers(
    order_size_e2=CountE2(1_000),
    max_position_e2=CountE2(10_000),
    strategy=AvellanedaStoikovParameters(),
    volatility=VolatilityParameters(),
)
STRATEGIES = (
    AvellanedaStoikovParameters(),
    GlftParameters(),
    HybridParameters(),
    TouchParameters(),
    IncentiveParameters(),
)


def liquidity(*, volume: int = 2_500, bid: int | None = 49, ask: int | None = 51, touch: int = 100) -> LiquidityFacts:
    """A book in cents and contracts."""
    return LiquidityFacts(
        bid_e4=None if bid is None else PriceE4(bid * 100),
        ask_e4=None if ask is None else PriceE4(ask * 100),
        bid_size_e2=CountE2(touch * 100),
        ask_size_e2=CountE2(touch * 200),
        volume_24h_e2=CountE2(volume * 100),
    )


FACTS = ConfigurationFacts(category="Economics", seconds_to_close=5 * DAY_S, liquidity=liquidity())


def made(
    facts: ConfigurationFacts = FACTS,
    limits: ConfigurationLimits = LIMITS,
    parameters: MarketConfigurationParameters = DEFAULTS,
    program: ProgramNumbers = PROGRAM,
) -> MarketConfiguration:
    return generate(facts, program, limits, parameters)


def of(configuration: MarketConfiguration, key: str) -> float:
    return {number.key: number.value for number in configuration.numbers}[key]


def rule(configuration: MarketConfiguration, key: str) -> str:
    return {number.key: number.rule for number in configuration.numbers}[key]


def with_liquidity(**changes: Any) -> ConfigurationFacts:
    return attrs.evolve(FACTS, liquidity=liquidity(**changes))


# -- sizes --


@pytest.mark.parametrize(
    ("volume", "dollars", "said"),
    [
        (99, 10.0, "the least exposure"),
        (100, 10.0, "grows with the square root of liquidity"),
        (101, math.sqrt(101), "grows with the square root of liquidity"),
        (2_500, 50.0, "grows with the square root of liquidity"),
        (9_999, math.sqrt(9_999), "grows with the square root of liquidity"),
        (10_001, 100.0, "the cap of one market"),
    ],
)
def test_exposure_is_the_square_root_of_liquidity_from_its_floor_to_the_cap(
    volume: int, dollars: float, said: str
) -> None:
    configuration = made(with_liquidity(volume=volume))
    assert of(configuration, "exposure_dollars") == pytest.approx(dollars)
    assert rule(configuration, "exposure_dollars") == said


@pytest.mark.parametrize(("ask", "share"), [(51, 1.0), (52, 1.0), (53, 0.75), (55, 0.5), (48, 0.03), (None, 0.03)])
def test_a_book_wider_than_the_reference_counts_for_less(ask: int | None, share: float) -> None:
    exposure = of(made(with_liquidity(ask=ask, volume=40_000), LOOSE), "exposure_dollars")
    assert exposure == pytest.approx(math.sqrt(40_000 * share))


LOOSE = attrs.evolve(LIMITS, per_market_cap_e6=10**12, global_budget_e6=10**15, default_category_cap_e6=10**12)


@pytest.mark.parametrize(
    ("limits", "dollars", "said"),
    [
        ({"category_caps_e6": {"economics": 49_000_000}}, 49, "the cap of its category"),
        ({"category_caps_e6": {"economics": 51_000_000}}, 50, "grows with the square root of liquidity"),
        ({"category_caps_e6": {"sports": 1}}, 50, "grows with the square root of liquidity"),
        ({"default_category_cap_e6": 40_000_000}, 40, "the cap of its category"),
        ({"global_budget_e6": 980_000_000}, 49, "its share of the whole budget"),
        ({"markets_max": 41}, 2_000 / 41, "its share of the whole budget"),
        ({"markets_max": 40}, 50, "grows with the square root of liquidity"),
        ({"per_market_cap_e6": 5_000_000}, 5, "the cap of one market"),
    ],
)
def test_the_smallest_cap_holds(limits: dict[str, Any], dollars: float, said: str) -> None:
    configuration = made(limits=attrs.evolve(LIMITS, **limits))
    assert of(configuration, "exposure_dollars") == pytest.approx(dollars)
    assert rule(configuration, "exposure_dollars") == said


@pytest.mark.parametrize(
    ("bid", "ask", "contracts"), [(49, 51, 98), (29, 31, 70), (69, 71, 70), (2, 3, 51), (None, 51, 50), (49, None, 50)]
)
def test_contracts_are_what_the_dearer_outcome_leaves_room_for(
    bid: int | None, ask: int | None, contracts: int
) -> None:
    parameters = attrs.evolve(DEFAULTS, reference_spread_e4=10_000)  # the spread has no say here
    assert of(made(with_liquidity(bid=bid, ask=ask), parameters=parameters), "max_position_contracts") == contracts


@pytest.mark.parametrize(("days", "contracts"), [(29.999, 98), (30, 98), (30.001, 68)])
def test_a_close_far_away_has_a_haircut(days: float, contracts: int) -> None:
    facts = attrs.evolve(FACTS, seconds_to_close=days * DAY_S)
    assert of(made(facts), "max_position_contracts") == contracts


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [("program", 9_700, "the program's limit"), ("risk", 9_700, "the limit of risk")],
)
def test_no_market_gets_more_contracts_than_its_program_and_risk_allow(field: str, value: int, said: str) -> None:
    program = attrs.evolve(PROGRAM, max_position_e2=CountE2(value if field == "program" else 10_000))
    limits = attrs.evolve(LIMITS, max_position_e2=value if field == "risk" else 20_000)
    configuration = made(program=program, limits=limits)
    assert configuration.max_position_e2 == value
    assert rule(configuration, "max_position_contracts") == said


@pytest.mark.parametrize(
    ("touch", "contracts"), [(0, 1), (1, 1), (3, 1), (4, 2), (19, 9), (20, 10), (21, 10), (10_000, 10)]
)
def test_an_order_is_at_most_its_share_of_the_thinner_touch_and_at_least_one(touch: int, contracts: int) -> None:
    assert of(made(with_liquidity(touch=touch)), "order_size_contracts") == contracts


@pytest.mark.parametrize("touch", [0, 19, 20, 10_000])
def test_an_order_that_rests_for_a_reward_is_as_large_as_its_program_says(touch: int) -> None:
    program = attrs.evolve(PROGRAM, strategy=IncentiveParameters())
    assert made(with_liquidity(touch=touch), program=program).order_size_e2 == PROGRAM.order_size_e2


def test_an_order_is_no_larger_than_what_may_be_held() -> None:
    configuration = made(limits=attrs.evolve(LIMITS, per_market_cap_e6=4_000_000))
    assert (configuration.max_position_e2, configuration.order_size_e2) == (700, 700)


# -- profiles and regimes --


@pytest.mark.parametrize(
    ("category", "profile"),
    [
        ("Crypto", "medium_trending"),
        ("sports", "hard_trending"),
        ("", "low_liquidity"),
        ("Never heard", "low_liquidity"),
    ],
)
def test_a_category_has_its_profile_and_an_unknown_one_the_defaults(category: str, profile: str) -> None:
    assert profile_of(category, DEFAULTS) == profile


@pytest.mark.parametrize(
    ("tight", "wide", "expected"),
    [
        (0.009, 0.101, (0.01, 0.1)),
        (0.01, 0.1, (0.01, 0.1)),
        (0.011, 0.099, (0.011, 0.099)),
        (0.1, 0.1, (0.1, 0.1)),
        (0.2, 0.3, (0.1, 0.1)),
        (0.05, 0.02, (0.05, 0.05)),
        (0.001, 0.005, (0.01, 0.01)),
    ],
)
def test_spread_bounds_are_the_profiles_within_the_programs(
    tight: float, wide: float, expected: tuple[float, float]
) -> None:
    profiles = {**DEFAULTS.profiles, "mean_reverting": CategoryProfile(spread_tight=tight, spread_wide=wide)}
    configuration = made(parameters=attrs.evolve(DEFAULTS, profiles=profiles))
    assert isinstance(configuration.strategy, AvellanedaStoikovParameters)
    assert (configuration.strategy.min_total_spread, configuration.strategy.max_total_spread) == expected


@pytest.mark.parametrize("regime", [None, *Regime])
def test_a_regime_cuts_the_position_and_leaves_the_model_to_the_decisions(regime: Regime | None) -> None:
    share = {Regime.TRENDING: 0.3, Regime.CHAOTIC: 0.0, Regime.NOISE: 0.5}.get(regime, 1.0) if regime else 1.0
    configuration = made(attrs.evolve(FACTS, regime=regime))
    assert of(configuration, "max_position_contracts") == math.floor(5_000 / 51 * share)
    assert (of(configuration, "gamma_per_dollar"), of(configuration, "k_per_dollar")) == (0.01, 116.0)


def test_a_profile_may_do_otherwise_in_one_regime() -> None:
    override = ProfileOverride(spread_tight=0.03, spread_wide=0.05, position_factor=0.5, sigma_blend=1.0)
    profiles = {**DEFAULTS.profiles, "mean_reverting": CategoryProfile(by_regime={"TRENDING": override})}
    parameters = attrs.evolve(DEFAULTS, profiles=profiles)
    event = EventVolatility(sigma=0.01)
    soon = attrs.evolve(FACTS, seconds_to_close=600.0)
    trending = made(attrs.evolve(soon, regime=Regime.TRENDING, event=event), parameters=parameters)
    numbers = [of(trending, key) for key in ("min_total_spread", "max_total_spread", "max_position_contracts", "sigma")]
    assert numbers == [0.03, 0.05, 49, min(of(trending, "sigma"), 0.01)]
    quiet = made(attrs.evolve(FACTS, regime=Regime.QUIET), parameters=parameters)
    assert of(quiet, "min_total_spread") == 0.01


@pytest.mark.parametrize("by_regime", [False, True])
def test_what_is_excluded_is_only_worked_off(by_regime: bool) -> None:
    profile = (
        CategoryProfile(by_regime={"NOISE": ProfileOverride(is_excluded=True)})
        if by_regime
        else CategoryProfile(is_excluded=True)
    )
    parameters = attrs.evolve(DEFAULTS, profiles={**DEFAULTS.profiles, "mean_reverting": profile})
    configuration = made(attrs.evolve(FACTS, regime=Regime.NOISE), parameters=parameters)
    assert configuration.max_position_e2 == 0
    assert configuration.order_size_e2 == 1_000  # of what is still held
    assert "only worked off" in rule(configuration, "max_position_contracts")


@pytest.mark.parametrize(("left_s", "horizon_s"), [(3_599, 3_599), (3_600, 3_600), (3_601, 3_600), (0, 1), (-5, 1)])
def test_the_horizon_ends_with_the_market(left_s: float, horizon_s: float) -> None:
    assert of(made(attrs.evolve(FACTS, seconds_to_close=left_s)), "horizon_cap_s") == horizon_s


# -- sigma --


@pytest.mark.parametrize(
    ("jump_e4", "weight"), [(None, 0.5), (999, 0.5), (1_000, 0.0), (1_001, 0.0), (-999, 0.5), (-1_000, 0.0)]
)
def test_a_jump_ignores_the_events_sigma(jump_e4: int | None, weight: float) -> None:
    facts = attrs.evolve(
        FACTS, seconds_to_close=600.0, sigma=0.001, event=EventVolatility(sigma=0.003, jump_e4=jump_e4)
    )
    assert of(made(facts), "sigma") == pytest.approx(0.001 * (1 - weight) + 0.003 * weight)


@pytest.mark.parametrize(
    ("category", "weight"), [("Economics", 0.5), ("Crypto", 0.25), ("Sports", 0.2), ("Entertainment", 0.1)]
)
def test_the_weight_is_the_profiles(category: str, weight: float) -> None:
    facts = attrs.evolve(
        FACTS, category=category, seconds_to_close=600.0, sigma=0.001, event=EventVolatility(sigma=0.005)
    )
    assert of(made(facts), "sigma") == pytest.approx(0.001 + weight * 0.004)


@pytest.mark.parametrize(
    ("sigma", "expected"),
    [(0.00059, 0.0006), (0.0006, 0.0006), (0.00061, 0.00061), (0.0199, 0.0199), (0.02, 0.02), (0.0201, 0.02)],
)
def test_sigma_stays_between_floor_and_cap(sigma: float, expected: float) -> None:
    configuration = made(attrs.evolve(FACTS, seconds_to_close=300.0, sigma=sigma))
    assert configuration.volatility.prior_sigma == of(configuration, "sigma") == expected


def test_sigma_is_no_more_than_the_contract_has_left() -> None:
    configuration = made(attrs.evolve(FACTS, seconds_to_close=250_000.0, sigma=0.01))
    assert of(configuration, "sigma") == pytest.approx(math.sqrt(0.25 / 250_000))
    assert "what the contract has left" in rule(configuration, "sigma")


def test_without_an_estimate_sigma_is_the_prior() -> None:
    assert of(made(attrs.evolve(FACTS, seconds_to_close=600.0)), "sigma") == PROGRAM.volatility.prior_sigma


# -- whatever comes --

prices = st.one_of(st.none(), st.integers(1, 99))
any_liquidity = st.builds(liquidity, volume=st.integers(0, 10**7), bid=prices, ask=prices, touch=st.integers(0, 10**5))
any_event = st.builds(EventVolatility, sigma=st.floats(0, 1), jump_e4=st.one_of(st.none(), st.integers(-9_999, 9_999)))
any_facts = st.builds(
    ConfigurationFacts,
    category=st.sampled_from(["Economics", "crypto", "SPORTS", "Entertainment", "never heard", ""]),
    seconds_to_close=st.floats(-10, 1e8),
    liquidity=any_liquidity,
    regime=st.sampled_from([None, *Regime]),
    sigma=st.one_of(st.none(), st.floats(0, 1)),
    event=st.one_of(st.none(), any_event),
)
any_limits = st.builds(
    ConfigurationLimits,
    per_market_cap_e6=st.integers(0, 10**9),
    category_caps_e6=st.dictionaries(st.sampled_from(["economics", "crypto"]), st.integers(0, 10**9)),
    default_category_cap_e6=st.integers(0, 10**9),
    global_budget_e6=st.integers(0, 10**10),
    markets_max=st.integers(1, 100),
    max_position_e2=st.integers(0, 100_000),
)


@given(facts=any_facts, limits=any_limits, strategy=st.sampled_from(STRATEGIES), order=st.integers(1, 50))
def test_no_configuration_passes_a_limit_and_every_number_has_its_reason(
    facts: ConfigurationFacts, limits: ConfigurationLimits, strategy: QuotedStrategy, order: int
) -> None:
    program = attrs.evolve(PROGRAM, strategy=strategy, order_size_e2=CountE2(order * 100))
    found = made(facts, limits, program=program)
    assert 0 <= found.max_position_e2 <= min(program.max_position_e2, limits.max_position_e2)
    assert 0 < found.order_size_e2 <= program.order_size_e2
    assert found.max_position_e2 == 0 or found.order_size_e2 <= found.max_position_e2
    assert found.max_position_e2 % 100 == found.order_size_e2 % 100 == 0
    bid, ask = facts.liquidity.bid_e4, facts.liquidity.ask_e4
    dearer_e4 = 10_000 if bid is None or ask is None else max(ask, 10_000 - bid)
    category_cap_e6 = limits.category_caps_e6.get(facts.category.lower(), limits.default_category_cap_e6)
    caps_e6 = (limits.per_market_cap_e6, category_cap_e6, limits.global_budget_e6 / limits.markets_max)
    assert found.max_position_e2 * dearer_e4 <= min(caps_e6) + 1
    assert DEFAULTS.sigma_floor <= found.volatility.prior_sigma <= DEFAULTS.sigma_cap or facts.seconds_to_close > 0
    assert type(found.strategy) is type(strategy)
    if isinstance(strategy, FrameParameters):
        assert isinstance(found.strategy, FrameParameters)
        least, most = found.strategy.min_total_spread, found.strategy.max_total_spread
        assert strategy.min_total_spread <= least <= most <= strategy.max_total_spread
    keys = [number.key for number in found.numbers]
    assert len(keys) == len(set(keys))
    assert all(number.rule for number in found.numbers)
    changed = {
        field.name
        for field in attrs.fields(type(strategy))
        if getattr(strategy, field.name) != getattr(found.strategy, field.name)
    }
    assert changed <= set(keys)


@given(facts=any_facts, more=st.integers(0, 10**6), wider=st.integers(0, 20))
def test_more_volume_or_depth_never_makes_it_smaller_and_a_wider_book_never_larger(
    facts: ConfigurationFacts, more: int, wider: int
) -> None:
    here = facts.liquidity
    found = made(facts)
    livelier = made(attrs.evolve(facts, liquidity=attrs.evolve(here, volume_24h_e2=CountE2(here.volume_24h_e2 + more))))
    assert livelier.max_position_e2 >= found.max_position_e2
    deeper = attrs.evolve(
        here, bid_size_e2=CountE2(here.bid_size_e2 + more), ask_size_e2=CountE2(here.ask_size_e2 + more)
    )
    assert made(attrs.evolve(facts, liquidity=deeper)).order_size_e2 >= found.order_size_e2
    if here.bid_e4 is not None and here.ask_e4 is not None and here.bid_e4 < here.ask_e4:
        far = attrs.evolve(here, ask_e4=PriceE4(min(9_900, here.ask_e4 + wider * 100)))
        assert made(attrs.evolve(facts, liquidity=far)).max_position_e2 <= found.max_position_e2


# -- settings --


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"position_by_regime": {"STORMY": 0.5}}, "market_configuration.position_by_regime"),
        ({"position_by_regime": {"NOISE": 1.1}}, "market_configuration.position_by_regime"),
        ({"profiles": {"only": {}}}, "market_configuration.category_profiles"),
        ({"category_profiles": {"crypto": "medium_trending"}}, "market_configuration.category_profiles"),
        ({"sigma_floor": 0.03}, "market_configuration.sigma_floor"),
        ({"long_dated_factor": 1.1}, "market_configuration.long_dated_factor"),
    ],
)
def test_settings_that_make_no_sense_are_refused(values: dict[str, Any], key: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings_from({"market_configuration": values})
    assert [problem.key for problem in caught.value.problems] == [key]
