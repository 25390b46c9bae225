"""Per-market configuration: from what is known of a market to the sizes and strategy parameters it is quoted with.

A program's own numbers are the outermost limits; what is generated here only ever holds a market to less size or a
wider spread. Every number comes with the rule that made it and the inputs of that rule, for the ledger and `explain`.

1. Exposure in dollars grows with the square root of liquidity (`alpha`), from a floor up to the smallest of the caps:
   market, category, and the whole budget shared by all markets that may have orders at once. Sharing by that number,
   and not by how many are quoted just now, keeps a market's configuration when another one comes or goes.
2. Liquidity is the 24-hour volume; a book wider than `reference_spread` counts for proportionally less.
3. Haircuts: a close far away, the regime, the category's profile. What a profile excludes holds nothing new: a limit of
   zero still lets a position be worked off. Price bands are no part of it: quoting applies them at every decision.
4. Exposure becomes contracts at what the dearer outcome costs, since both sides are quoted.
5. An order is no larger than a share of what stands at the thinner touch; one that rests for a reward is as large as
   its program says, since the reward has a target size.
6. Spread bounds are the profile's within the program's, and the horizon ends with the market. Gamma and k stay the
   program's: what a regime does to them changes from one decision to the next, and is applied there.
7. Sigma starts as the best estimate there is, blended with the event's by the profile's weight; an event that is a jump
   of `jump_ignored` or more has no say: one move is no volatility, and would only widen until it is forgotten.

Rejected: generating prices or strategies (a program chooses those), and a market without any known facts quoted by
guesses: its caller then leaves the program's numbers as they are.

Source: feature D7; the design documents' dynamic configuration and category profiles.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import attrs

from kalshi.numbers import ONE_DOLLAR_E4, CountE2, PriceE4
from quant.market_profiles import (
    DEFAULT_CATEGORY,
    CategoryProfile,
    MarketConfigurationParameters,
    ProfileOverride,
)
from quant.quoting.avellaneda_stoikov import AvellanedaStoikovParameters
from quant.quoting.frame import FrameParameters
from quant.quoting.glft import GlftParameters
from quant.quoting.incentive import IncentiveParameters
from quant.quoting.refill import EventParameters
from quant.quoting.strategies import StrategyParameters
from quant.signals.regime import Regime
from quant.signals.volatility import VolatilityParameters, structural_cap

CONTRACT_E2: Final = 100
T = TypeVar("T")

# Incentive quoting is given the same numbers; a refill event brings its own and is only passed through.
QuotedStrategy = StrategyParameters | IncentiveParameters | EventParameters


@attrs.frozen(kw_only=True)
class ConfigurationLimits:
    """What risk and allocation let any market have."""

    per_market_cap_e6: int
    category_caps_e6: Mapping[str, int]
    default_category_cap_e6: int
    global_budget_e6: int
    markets_max: int
    max_position_e2: int


@attrs.frozen(kw_only=True)
class ProgramNumbers:
    """What the program would quote any market with."""

    order_size_e2: CountE2
    max_position_e2: CountE2
    strategy: QuotedStrategy
    volatility: VolatilityParameters


@attrs.frozen(kw_only=True)
class EventVolatility:
    """A volatility event's figures: sigma in dollars per sqrt(s), and the jump that triggered it, if one did."""

    sigma: float
    jump_e4: int | None = None


@attrs.frozen(kw_only=True)
class LiquidityFacts:
    """One market as it was last listed; a price is None where that side is empty, a size counts at the touch."""

    bid_e4: PriceE4 | None
    ask_e4: PriceE4 | None
    bid_size_e2: CountE2
    ask_size_e2: CountE2
    volume_24h_e2: CountE2


@attrs.frozen(kw_only=True)
class ConfigurationFacts:
    """Everything that a market's numbers depend on; a regime of None is one that nobody has judged."""

    category: str
    seconds_to_close: float
    liquidity: LiquidityFacts
    regime: Regime | None = None
    sigma: float | None = None  # the scanner's estimate
    event: EventVolatility | None = None


@attrs.frozen(kw_only=True)
class ConfiguredNumber:
    """One number, the rule that it follows, and what the rule was given."""

    key: str
    value: float
    rule: str
    inputs: tuple[tuple[str, float | str], ...] = ()


@attrs.frozen(kw_only=True)
class MarketConfiguration:
    """What the market is quoted with, and every number's reason."""

    profile: str
    regime: Regime | None
    order_size_e2: CountE2
    max_position_e2: CountE2
    strategy: QuotedStrategy
    volatility: VolatilityParameters
    numbers: tuple[ConfiguredNumber, ...]


def generate(
    facts: ConfigurationFacts,
    program: ProgramNumbers,
    limits: ConfigurationLimits,
    parameters: MarketConfigurationParameters,
) -> MarketConfiguration:
    """Returns the configuration of one market; see the module for the rules."""
    name = profile_of(facts.category, parameters)
    profile = _in_regime(parameters.profiles[name], facts.regime)
    exposure = _exposure(facts, limits, parameters)
    position = _position(exposure.value, facts, program, limits, parameters, profile)
    order = _order(position.value, facts, program, parameters)
    sigma = _sigma(facts, program, parameters, profile)
    strategy, of_strategy = _strategy(facts, program.strategy, profile)
    return MarketConfiguration(
        profile=name,
        regime=facts.regime,
        order_size_e2=CountE2(round(order.value * CONTRACT_E2)),
        max_position_e2=CountE2(round(position.value * CONTRACT_E2)),
        strategy=strategy,
        volatility=attrs.evolve(program.volatility, prior_sigma=sigma.value),
        numbers=(exposure, position, order, sigma, *of_strategy),
    )


def profile_of(category: str, parameters: MarketConfigurationParameters) -> str:
    """Returns the name of a category's profile; an unknown category has the default's."""
    names = parameters.category_profiles
    return names.get(category.lower(), names[DEFAULT_CATEGORY])


@attrs.frozen(kw_only=True)
class _Profile:
    """A profile as it stands in one regime; `position_factor` is None where the regime's own holds."""

    sigma_blend: float
    spread_tight: float
    spread_wide: float
    is_excluded: bool
    position_factor: float | None


def _in_regime(profile: CategoryProfile, regime: Regime | None) -> _Profile:
    override = ProfileOverride() if regime is None else profile.by_regime.get(regime.value, ProfileOverride())
    return _Profile(
        sigma_blend=_chosen(override.sigma_blend, profile.sigma_blend),
        spread_tight=_chosen(override.spread_tight, profile.spread_tight),
        spread_wide=_chosen(override.spread_wide, profile.spread_wide),
        is_excluded=_chosen(override.is_excluded, profile.is_excluded),
        position_factor=override.position_factor,
    )


def _chosen(special: T | None, general: T) -> T:
    return general if special is None else special


def _spread_e4(liquidity: LiquidityFacts) -> int:
    """Returns the listed spread; a one-sided, crossed or empty book counts as a whole dollar wide."""
    if liquidity.bid_e4 is None or liquidity.ask_e4 is None or liquidity.ask_e4 <= liquidity.bid_e4:
        return ONE_DOLLAR_E4
    return liquidity.ask_e4 - liquidity.bid_e4


def _exposure(
    facts: ConfigurationFacts, limits: ConfigurationLimits, parameters: MarketConfigurationParameters
) -> ConfiguredNumber:
    """Rules 1 and 2, in dollars."""
    spread_e4, volume = _spread_e4(facts.liquidity), facts.liquidity.volume_24h_e2 / CONTRACT_E2
    liquidity = max(0.0, volume) * min(1.0, parameters.reference_spread_e4 / spread_e4)
    category_cap_e6 = limits.category_caps_e6.get(facts.category.lower(), limits.default_category_cap_e6)
    bounds = {
        "grows with the square root of liquidity": parameters.alpha * math.sqrt(liquidity),
        "the cap of one market": limits.per_market_cap_e6 / 1e6,
        "the cap of its category": category_cap_e6 / 1e6,
        "its share of the whole budget": limits.global_budget_e6 / 1e6 / max(1, limits.markets_max),
    }
    rule, grown = next(iter(bounds.items()))
    if grown < (floor := parameters.exposure_min_e6 / 1e6):
        bounds[rule := "the least exposure"] = floor
        del bounds["grows with the square root of liquidity"]
    rule = min(bounds, key=lambda name: bounds[name])
    inputs = (("volume_24h_contracts", volume), ("spread_cents", spread_e4 / 100), ("category", facts.category.lower()))
    return ConfiguredNumber(key="exposure_dollars", value=max(0.0, bounds[rule]), rule=rule, inputs=inputs)


def _position(
    exposure: float,
    facts: ConfigurationFacts,
    program: ProgramNumbers,
    limits: ConfigurationLimits,
    parameters: MarketConfigurationParameters,
    profile: _Profile,
) -> ConfiguredNumber:
    """Rules 3 and 4, in whole contracts."""
    key = "max_position_contracts"
    said = ("regime", "not judged" if facts.regime is None else facts.regime.value)
    if profile.is_excluded:
        return ConfiguredNumber(key=key, value=0.0, rule="its profile excludes it: only worked off", inputs=(said,))
    dated = parameters.long_dated_factor if facts.seconds_to_close > parameters.long_dated_s else 1.0
    general = 1.0 if facts.regime is None else parameters.position_by_regime.get(facts.regime.value, 1.0)
    held_back = general if profile.position_factor is None else profile.position_factor
    worst_e4 = _dearer_outcome_e4(facts.liquidity)
    bounds_e2 = {
        "exposure at the price of the dearer outcome": exposure * 1e6 / worst_e4,
        "the program's limit": float(program.max_position_e2),
        "the limit of risk": float(limits.max_position_e2),
    }
    rule = min(bounds_e2, key=lambda name: bounds_e2[name])
    contracts = math.floor(bounds_e2[rule] * dated * held_back / CONTRACT_E2 + 1e-9)
    inputs = (("price_cents", worst_e4 / 100), ("long_dated_factor", dated), ("position_factor", held_back), said)
    return ConfiguredNumber(key=key, value=float(max(0, contracts)), rule=rule, inputs=inputs)


def _dearer_outcome_e4(liquidity: LiquidityFacts) -> int:
    """Returns what the dearer outcome costs at the touch; a whole dollar where a side is empty."""
    if liquidity.bid_e4 is None or liquidity.ask_e4 is None:
        return ONE_DOLLAR_E4
    return max(1, liquidity.ask_e4, ONE_DOLLAR_E4 - liquidity.bid_e4)


def _order(
    position: float, facts: ConfigurationFacts, program: ProgramNumbers, parameters: MarketConfigurationParameters
) -> ConfiguredNumber:
    """Rule 5, in contracts: the share of the touch in whole ones, of which there is at least one."""
    touch = min(facts.liquidity.bid_size_e2, facts.liquidity.ask_size_e2) / CONTRACT_E2
    wanted = program.order_size_e2 / CONTRACT_E2
    bounds = {"the program's size": wanted, "no more than may be held": position if position > 0 else wanted}
    if not isinstance(program.strategy, IncentiveParameters):
        share = max(1, math.floor(parameters.depth_share_max * touch))
        bounds["its share of the thinner touch"] = float(share)
    rule = min(bounds, key=lambda name: bounds[name])
    inputs = (("touch_contracts", touch), ("depth_share_max", parameters.depth_share_max))
    return ConfiguredNumber(key="order_size_contracts", value=bounds[rule], rule=rule, inputs=inputs)


def _sigma(
    facts: ConfigurationFacts,
    program: ProgramNumbers,
    parameters: MarketConfigurationParameters,
    profile: _Profile,
) -> ConfiguredNumber:
    """Rule 7, in dollars per sqrt(s)."""
    estimate = program.volatility.prior_sigma if facts.sigma is None else facts.sigma
    event, weight, rule = facts.event, 0.0, "the estimate, as there is no event"
    if event is not None and abs(event.jump_e4 or 0) >= parameters.jump_ignored_e4:
        rule = "the estimate, as the event is a jump"
    elif event is not None:
        weight, rule = profile.sigma_blend, "blended with the event's by the profile's weight"
    blended = (1.0 - weight) * estimate + weight * (0.0 if event is None else event.sigma)
    bounded = min(max(blended, parameters.sigma_floor), parameters.sigma_cap)
    if bounded != blended:
        rule += ", cut at the cap" if bounded < blended else ", raised to the floor"
    liquidity = facts.liquidity
    if liquidity.bid_e4 is not None and liquidity.ask_e4 is not None:
        price = (liquidity.bid_e4 + liquidity.ask_e4) / 2 / ONE_DOLLAR_E4
        if (possible := structural_cap(price, facts.seconds_to_close)) < bounded and possible > 0:
            bounded, rule = possible, rule + ", cut at what the contract has left"
    inputs: tuple[tuple[str, float | str], ...] = (("estimate", estimate), ("weight", weight))
    if event is not None:
        inputs += (("event_sigma", event.sigma), ("jump_cents", (event.jump_e4 or 0) / 100))
    return ConfiguredNumber(key="sigma", value=bounded, rule=rule, inputs=inputs)


def _strategy(
    facts: ConfigurationFacts, strategy: QuotedStrategy, profile: _Profile
) -> tuple[QuotedStrategy, tuple[ConfiguredNumber, ...]]:
    """Rule 6: what the strategy has of these parameters."""
    numbers: tuple[ConfiguredNumber, ...] = ()
    if isinstance(strategy, FrameParameters):
        numbers += _spreads(strategy, profile)
    if isinstance(strategy, AvellanedaStoikovParameters | GlftParameters):
        numbers += _model(facts, strategy)
    changes: dict[str, Any] = {number.key: number.value for number in numbers}
    return attrs.evolve(strategy, **changes), numbers


def _spreads(strategy: FrameParameters, profile: _Profile) -> tuple[ConfiguredNumber, ...]:
    lowest, highest = strategy.min_total_spread, strategy.max_total_spread
    least = max(lowest, min(profile.spread_tight, highest))
    most = max(least, min(profile.spread_wide, highest))
    of_program = (("program_min", lowest), ("program_max", highest))
    rule = "the profile's {} spread within the program's bounds"
    return (
        ConfiguredNumber(
            key="min_total_spread",
            value=least,
            rule=rule.format("tight"),
            inputs=(("profile", profile.spread_tight), *of_program),
        ),
        ConfiguredNumber(
            key="max_total_spread",
            value=most,
            rule=rule.format("wide"),
            inputs=(("profile", profile.spread_wide), *of_program),
        ),
    )


def _model(
    facts: ConfigurationFacts, strategy: AvellanedaStoikovParameters | GlftParameters
) -> tuple[ConfiguredNumber, ...]:
    left_s = max(1.0, facts.seconds_to_close)
    own = "the program's"
    return (
        ConfiguredNumber(key="gamma_per_dollar", value=strategy.gamma_per_dollar, rule=own),
        ConfiguredNumber(key="k_per_dollar", value=strategy.k_per_dollar, rule=own),
        ConfiguredNumber(
            key="horizon_cap_s",
            value=min(strategy.horizon_cap_s, left_s),
            rule="the program's, and no longer than the market lasts",
            inputs=(("program", strategy.horizon_cap_s), ("seconds_to_close", left_s)),
        ),
    )
