"""profiles/documents.yaml: a valid overlay, and the numbers in it are those that stand in the design documents."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.settings import Settings
from ops.settings_load import load_settings, plain_settings

ROOT = Path(__file__).resolve().parents[2]
PROFILE = ROOT / "profiles" / "documents.yaml"
DOCUMENTS = ROOT.parent / "shared" / "seeds"
HOUR_S, DAY_S = 3_600.0, 86_400.0

# Where a number stands in the volatility document's own settings, where in ours, and how many of ours one of theirs is.
KEYS: tuple[tuple[str, str, float], ...] = (
    ("discovery.max_markets_to_trade", "discovery.markets_max", 1),
    ("discovery.time_windows.default.min_days", "discovery.default_window.min_s", DAY_S),
    ("discovery.time_windows.default.max_days", "discovery.default_window.max_s", DAY_S),
    ("discovery.time_windows.sports.min_hours", "discovery.windows.sports.min_s", HOUR_S),
    ("discovery.time_windows.sports.max_days", "discovery.windows.sports.max_s", DAY_S),
    ("discovery.time_windows.rates.min_days", "discovery.windows.rates.min_s", DAY_S),
    ("discovery.time_windows.rates.max_days", "discovery.windows.rates.max_s", DAY_S),
    ("discovery.time_windows.crypto.min_days", "discovery.windows.crypto.min_s", DAY_S),
    ("discovery.time_windows.crypto.max_days", "discovery.windows.crypto.max_s", DAY_S),
    ("discovery.recent_activity.scoring.min_trades_last_minutes", "discovery.recent_trades_min", 1),
    ("scoring.min_volume_24h", "discovery.volume_24h_min_contracts", 1),
    *((f"scoring.weights.{name}", f"discovery.weights.{name}", 1) for name in (
        "volume_24h", "recent_volume_1h", "book_liquidity", "spread", "time_penalty",
    )),
    ("risk.global_risk_budget", "risk.global_budget_dollars", 1),
    ("risk.per_market_cap", "risk.per_market_cap_dollars", 1),
    ("risk.alpha", "market_configuration.alpha", 1),
    ("risk.category_caps.crypto", "risk.category_caps_dollars.crypto", 1),
    ("risk.category_caps.rates", "risk.category_caps_dollars.rates", 1),
    ("risk.category_caps.sports", "risk.category_caps_dollars.sports", 1),
    ("risk.category_caps.default", "risk.default_category_cap_dollars", 1),
    ("risk.long_dated_penalty_days", "market_configuration.long_dated_s", DAY_S),
    ("risk.long_dated_penalty_factor", "market_configuration.long_dated_factor", 1),
    ("as_model.risk_horizon_seconds", "quoting.horizon_cap_s", 1),
    ("as_model.k_by_category.default", "quoting.k_per_dollar", 1),
    ("as_model.base_gamma", "quoting.gamma_per_dollar", 1),
    ("as_model.min_total_spread", "quoting.min_total_spread", 1),
    ("as_model.max_total_spread", "quoting.max_total_spread", 1),
    ("as_model.sigma.baseline", "volatility.prior_sigma", 1),
    ("extreme_prices.soft_extreme_factor", "quoting.sizing.price_bands.soft_factor", 1),
    ("extreme_prices.hard_extreme_factor", "quoting.sizing.price_bands.hard_factor", 1),
    ("extreme_prices.hard_extreme_one_sided", "quoting.sizing.price_bands.hard_is_one_sided", 1),
    ("extreme_prices.spread_shock_threshold", "quoting.spread_shock", 1),
    ("regimes.max_shared_state_age_seconds", "market_configuration.regime_age_max_s", 1),
    ("volatility_mm.sigma_cap", "market_configuration.sigma_cap", 1),
    ("volatility_mm.sigma_floor", "market_configuration.sigma_floor", 1),
    ("volatility_mm.jump_magnitude_threshold_cents", "market_configuration.jump_ignored_cents", 1),
    ("volatility_mm.min_available_balance", "risk.balance_floor_dollars", 1),
    ("volatility_mm.max_resting_order_value", "orders.resting_value_max_dollars", 1),
    ("volatility_mm.guardrails.expiration_danger_window_seconds", "quoting.stop_before_close_s", 1),
    ("websockets.reconnect_base_delay_seconds", "websockets.reconnect_first_s", 1),
    ("websockets.reconnect_max_delay_seconds", "websockets.reconnect_max_s", 1),
    ("websockets.max_markets_per_connection", "websockets.max_markets_per_connection", 1),
    ("websockets.ws_staleness_freeze_seconds", "websockets.freeze_s", 1),
    ("websockets.ws_staleness_stop_seconds", "websockets.withdraw_s", 1),
)  # fmt: skip

# What the other documents and the volatility document's text say.
NUMBERS: dict[str, Any] = {
    "allocation.max_markets_with_orders": 20,
    "discovery.interval_s": 10.0,
    "discovery.age_min_s": 60.0,
    "discovery.price_min_cents": 15,
    "discovery.price_max_cents": 85,
    "discovery.near_close_s": 86_400.0,
    "discovery.far_close_s": 5_184_000.0,
    "fills.poll_s": 0.75,
    "markets.order_size_contracts": 10,
    "orders.cooldown_s": 0.3,
    "orders.replace_threshold_cents": 1,
    "programs.games.hybrid.base_spread": 0.01,
    "programs.games.hybrid.duration_limit_contract_min": 500,
    "programs.games.hybrid.mae_failsafe": 0.08,
    "programs.games.series": ["KXNHLGAME"],
    "programs.games.series_markets_max": 16,
    "programs.reactive.touch.middle_improvement": 0.01,
    "programs.reactive.touch.middle_spread": 0.03,
    "programs.reactive.touch.reactive_side": "ask",
    "programs.reactive.touch.replace_interval_s": 0.5,
    "programs.reactive.touch.wide_improvement": 0.02,
    "programs.reactive.touch.wide_spread": 0.07,
    "quoting.inventory_aversion": "documents",
    "quoting.placement.improve_steps_max": 1,
    "quoting.sizing.position_buffer": 0.05,
    "quoting.sizing.price_bands.hard_edge": 0.05,
    "quoting.sizing.price_bands.soft_edge": 0.15,
    "stop_loss.price_max_age_s": 60.0,
}


def at(tree: Any, key: str) -> Any:
    for part in key.split("."):
        tree = tree[part]
    return tree


@pytest.fixture(scope="module")
def profile() -> Any:
    return plain_settings(load_settings(PROFILE, {}))


@pytest.fixture(scope="module")
def document() -> Any:
    path = DOCUMENTS / "volatility-market-maker.txt"
    if not path.exists():
        pytest.skip(f"the design documents are not beside this checkout: {path.name}")
    blocks = re.findall(r"^```yaml\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE)
    return {key: value for block in blocks for key, value in yaml.safe_load(block).items()}


def test_it_loads_and_differs_from_what_is_shipped() -> None:
    settings = load_settings(PROFILE, {})
    assert settings != Settings()
    assert settings.mode is Settings().mode


@pytest.mark.parametrize(("theirs", "ours", "factor"), KEYS)
def test_a_number_is_that_of_the_volatility_document(
    theirs: str, ours: str, factor: float, document: Any, profile: Any
) -> None:
    assert at(profile, ours) == at(document, theirs) * factor


@pytest.mark.parametrize("name", ["mean_reverting", "medium_trending", "hard_trending", "low_liquidity"])
def test_a_category_profile_is_the_documents(name: str, document: Any, profile: Any) -> None:
    words = {"exclude": "is_excluded", "max_position_factor": "position_factor"}
    theirs, ours = document["category_profiles"][name], profile["market_configuration"]["profiles"][name]
    regimes = theirs.pop("by_regime")
    assert {words.get(key, key): value for key, value in theirs.items()} == {
        key: value for key, value in ours.items() if key != "by_regime"
    }
    assert {
        regime: {words.get(key, key): value for key, value in changed.items()} for regime, changed in regimes.items()
    } == {
        regime: {key: value for key, value in changed.items() if value is not None}
        for regime, changed in ours["by_regime"].items()
    }


def test_categories_have_the_documents_profiles(document: Any, profile: Any) -> None:
    theirs = dict(document["category_mapping"])
    assert theirs.pop("fallback") == theirs["default"]
    assert profile["market_configuration"]["category_profiles"] == theirs


def test_what_has_no_settings_in_the_documents_stands_there_too(profile: Any) -> None:
    assert {key: at(profile, key) for key in NUMBERS} == NUMBERS


def test_every_number_of_the_profile_is_accounted_for(profile: Any) -> None:
    """A key in the profile that no document has would be ours, and belongs into config.yaml."""

    def leaves(tree: Any, prefix: str = "") -> set[str]:
        if not isinstance(tree, dict) or not tree:
            return {prefix.removeprefix(".")}
        return set().union(*(leaves(value, f"{prefix}.{key}") for key, value in tree.items()))

    written = leaves(yaml.safe_load(PROFILE.read_text()))
    known = {ours for _, ours, _ in KEYS} | NUMBERS.keys()
    chosen = {
        "discovery.excluded_categories",  # text
        "market_configuration.position_by_regime",  # the documents' belong to profiles
        "market_configuration.exposure_min_dollars",  # the documents have no floor
        "quoting.is_fee_floor",  # nor this one
        "quoting.settlement.is_enabled",  # nor this skew
        "risk.event_cap_dollars",  # nor events
        "websockets.enabled",  # they disagree
    }
    rest = {
        key
        for key in written - known - chosen
        if not key.startswith(
            ("programs.", "market_configuration.profiles.", "market_configuration.category_profiles.")
        )
    }
    assert rest == set()
