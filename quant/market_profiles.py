"""What per-market configuration is made of: category profiles and the section `market_configuration`.

What a regime does to gamma and k is no part of it: that changes from one decision to the next, and is applied there.

Source: feature D7; the design documents' category profiles. Where shipped numbers differ from theirs: docs/adr/0006.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from quant.signals.regime import Regime

DAY_S: Final = 86_400.0
DEFAULT_CATEGORY: Final = "default"

_positive = attrs.validators.gt(0.0)
_not_negative = attrs.validators.ge(0.0)
_share = attrs.validators.and_(attrs.validators.ge(0.0), attrs.validators.le(1.0))


def _known_regimes(_: object, attribute: attrs.Attribute[Any], value: Mapping[str, object]) -> None:
    unknown = sorted(value.keys() - {regime.value for regime in Regime})
    if unknown:
        raise ValueError(f"must name regimes: {', '.join(Regime)}; not {', '.join(unknown)} ({attribute.name})")


def _shares_by_regime(instance: object, attribute: attrs.Attribute[Any], value: Mapping[str, float]) -> None:
    _known_regimes(instance, attribute, value)
    if not all(0.0 <= share <= 1.0 for share in value.values()):
        raise ValueError("must be shares from 0 to 1")


@attrs.frozen(kw_only=True)
class ProfileOverride:
    """What a profile does otherwise in one regime; None leaves the profile's own number."""

    sigma_blend: float | None = None
    spread_tight: float | None = None
    spread_wide: float | None = None
    position_factor: float | None = None
    is_excluded: bool | None = None


@attrs.frozen(kw_only=True)
class CategoryProfile:
    """How markets of a kind behave; spreads are totals in dollars."""

    sigma_blend: float = attrs.field(default=0.5, validator=_share)  # weight of an event's sigma
    spread_tight: float = attrs.field(default=0.01, validator=_positive)
    spread_wide: float = attrs.field(default=0.10, validator=_positive)
    is_excluded: bool = False
    by_regime: Mapping[str, ProfileOverride] = attrs.field(factory=dict, validator=_known_regimes)


def _default_positions() -> dict[str, float]:
    """Returns what is left of the position limit in the regimes that hurt a maker."""
    return {"TRENDING": 0.3, "CHAOTIC": 0.0, "NOISE": 0.5}


def _default_profiles() -> dict[str, CategoryProfile]:
    """Returns the documents' four kinds with spreads that fit measured books, which are mostly one to four cents."""
    return {
        "mean_reverting": CategoryProfile(sigma_blend=0.5, spread_tight=0.01, spread_wide=0.06),
        "medium_trending": CategoryProfile(sigma_blend=0.25, spread_tight=0.01, spread_wide=0.08),
        "hard_trending": CategoryProfile(sigma_blend=0.2, spread_tight=0.02, spread_wide=0.10),
        "low_liquidity": CategoryProfile(sigma_blend=0.1, spread_tight=0.02, spread_wide=0.10),
    }


def _default_categories() -> dict[str, str]:
    """Returns the profile of each category of the exchange, in lower case."""
    return {
        "rates": "mean_reverting",
        "economics": "mean_reverting",
        "financials": "medium_trending",
        "climate and weather": "mean_reverting",
        "crypto": "medium_trending",
        "sports": "hard_trending",
        "entertainment": "low_liquidity",
        "science and technology": "low_liquidity",
        DEFAULT_CATEGORY: "low_liquidity",
    }


@attrs.frozen(kw_only=True)
class MarketConfigurationParameters:
    """How a market's numbers are generated; money in 1/1,000,000 dollar, prices of quoting in dollars."""

    # A market of 10,000 contracts a day may hold $100, one of 2,500 half of it.
    alpha: float = attrs.field(default=1.0, validator=_not_negative)
    exposure_min_e6: int = 10_000_000  # before a game nothing has traded, and it is quoted all the same
    reference_spread_e4: int = attrs.field(
        default=300, validator=attrs.validators.gt(0)
    )  # the upper end of quoted books
    long_dated_s: float = 30 * DAY_S
    long_dated_factor: float = attrs.field(default=0.7, validator=_share)
    depth_share_max: float = attrs.field(default=0.5, validator=_not_negative)  # more than that would lead the book
    jump_ignored_e4: int = 1_000
    sigma_floor: float = attrs.field(default=0.0006, validator=_positive)  # half a cent per sqrt(minute)
    sigma_cap: float = attrs.field(default=0.02, validator=_positive)  # the fastest quarter-hour coins: 1.9 cents
    regime_age_max_s: float = 4.0
    reconfigure_after_s: float = 300.0  # a change of regime restarts the market's actor, no more often than this
    position_by_regime: Mapping[str, float] = attrs.field(factory=_default_positions, validator=_shares_by_regime)
    profiles: Mapping[str, CategoryProfile] = attrs.field(factory=_default_profiles)
    category_profiles: Mapping[str, str] = attrs.field(factory=_default_categories)

    @category_profiles.validator
    def _profiles_exist(self, _: object, value: Mapping[str, str]) -> None:
        missing = sorted({profile for profile in value.values() if profile not in self.profiles})
        if missing or DEFAULT_CATEGORY not in value:
            raise ValueError(f"must map categories, {DEFAULT_CATEGORY} among them, to profiles that exist: {missing}")
