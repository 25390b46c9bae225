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
MINUTE_S, HOUR_S, DAY_S = 60.0, 3_600.0, 86_400.0

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
    ("discovery.recent_activity.scoring.min_volume_24h_for_bypass", "discovery.bypass_volume_24h_contracts", 1),
    ("discovery.recent_activity.execution.min_trades_last_minutes", "discovery.execution_trades_min", 1),
    *(
        ("discovery.recent_activity.execution.throttle_if_no_trades_minutes", ours, MINUTE_S)
        for ours in ("discovery.facts.admission.no_trades_max_s", "volatility_scanner.tracking.no_trades_max_s")
    ),
    *(
        ("volatility_scanner.min_orderbook_levels_required", ours, 1)
        for ours in ("discovery.facts.admission.levels_min", "volatility_scanner.tracking.levels_min")
    ),
    ("scoring.min_volume_24h", "volatility_scanner.tracking.volume_24h_min_contracts", 1),
    ("volatility_scanner.refresh_interval_seconds", "volatility_scanner.refresh_interval_s", 1),
    ("volatility_scanner.price_jump_threshold_cents", "volatility_scanner.events.jump_min_cents", 1),
    ("volatility_scanner.price_jump_window_minutes", "volatility_scanner.events.jump_window_s", MINUTE_S),
    ("volatility_scanner.sigma_threshold", "volatility_scanner.events.sigma_min_per_minute", 1),
    ("volatility_scanner.mean_reversion_tolerance_cents", "volatility_scanner.events.mean_tolerance_cents", 1),
    ("volatility_scanner.exclude_categories", "volatility_scanner.tracking.excluded_categories", 1),
    ("volatility_scanner.regime_filters.allowed_for_events", "volatility_scanner.events.allowed_regimes", 1),
    ("volatility_scanner.max_time_to_expiry_hours", "volatility_scanner.tracking.time_to_close_max_s", HOUR_S),
    ("volatility_scanner.min_liquidity_spread", "volatility_scanner.tracking.spread_max_cents", 100),
    ("volatility_scanner.regime_staleness_seconds", "volatility_scanner.stability.stale_after_s", 1),
    ("regimes.stability_required", "volatility_scanner.stability.stability_required", 1),
    ("regimes.drift_threshold", "volatility_scanner.regime.drift_threshold", 1),
    ("regimes.min_sigma_for_regime", "volatility_scanner.regime.quiet_sigma_per_minute", 1),
    ("regimes.depth_threshold", "volatility_scanner.regime.depth_min_contracts", 1),
    ("regimes.noise_spread_min", "volatility_scanner.regime.noise_spread_min_cents", 100),
    ("regimes.noise_spread_max", "volatility_scanner.regime.noise_spread_max_cents", 100),
    ("regimes.gamma_multipliers", "signals.gamma_by_regime", 1),
    ("regimes.k_multipliers", "signals.k_by_regime", 1),
    ("throttling.trigger_threshold", "throttles.trigger_checks", 1),
    ("throttling.recovery_threshold", "throttles.recovery_checks", 1),
    ("throttling.max_spread_threshold", "throttles.wide_spread_cents", 100),
    ("throttling.spread_widen_ticks", "throttles.wide_ticks", 1),
    ("throttling.max_total_widened_spread", "throttles.widened_spread_max_cents", 100),
    ("throttling.min_book_depth", "throttles.thin_depth_contracts", 1),
    ("throttling.book_thin_widen_ticks", "throttles.thin_ticks", 1),
    ("throttling.adverse_selection_threshold", "throttles.wrong_share", 1),
    ("throttling.adverse_selection_threshold", "sessions.regime_kill.adverse_share", 1),
    ("throttling.adverse_selection_window_seconds", "sessions.regime_kill.adverse_window_s", 1),
    ("extreme_prices.spread_shock_threshold", "throttles.shock_spread_cents", 100),
    ("volatility_mm.allowed_regimes_for_sessions", "sessions.entry.allowed_regimes", 1),
    ("volatility_mm.delay_before_session_start_seconds", "sessions.entry.delay_s", 1),
    ("volatility_mm.max_concurrent_sessions", "sessions.entry.sessions_max", 1),
    ("volatility_mm.min_available_balance", "sessions.entry.balance_min_dollars", 1),
    ("volatility_mm.max_resting_order_value", "sessions.entry.resting_value_max_dollars", 1),
    ("volatility_mm.balance_hysteresis_ratio", "sessions.entry.hysteresis", 1),
    ("volatility_mm.session_ttl_minutes", "sessions.guardrails.time_to_live_s", MINUTE_S),
    ("volatility_mm.guardrails.expiration_danger_window_seconds", "sessions.guardrails.expiry_window_s", 1),
    ("volatility_mm.guardrails.illiquidity_timeout_seconds", "sessions.guardrails.no_trade_freeze_s", 1),
    ("volatility_mm.guardrails.min_volatility_threshold", "sessions.guardrails.sigma_per_minute_min", 1),
    ("regimes.max_shared_state_age_seconds", "sessions.guardrails.regime_freeze_s", 1),
    ("volatility_mm.regime_kill.kill_modes", "sessions.regime_kill.modes", 1),
    ("volatility_mm.regime_kill.require_adverse_selection", "sessions.regime_kill.require_adverse_selection", 1),
    ("volatility_mm.ttl_close_if_small", "sessions.exits.small_below_contracts", 1),
    ("volatility_mm.max_slippage_for_limit_exit_cents", "sessions.exits.slippage_cents", 1),
    ("volatility_mm.soft_exit_max_wait_seconds", "sessions.exits.soft_exit_max_s", 1),
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
    "sessions.entry.require_stability": True,  # theirs is the number of windows, ours the scanner's
    "sessions.exits.reversion_wait_s": 15.0,
    "stop_loss.price_max_age_s": 60.0,
    "volatility_scanner.events.direction_min_cents": 5,
    "volatility_scanner.events.mean_window_s": 180.0,
    "volatility_scanner.events.warmup_mids": 3,
    "volatility_scanner.rediscovery_s": 600.0,
    "volatility_scanner.rest_reads_per_s_max": 20.0,
    "volatility_scanner.tracking.tracked_max": 200,
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
    there = at(document, theirs)
    expected = there * factor if isinstance(there, int | float) and not isinstance(there, bool) else there
    assert at(profile, ours) == (pytest.approx(expected) if isinstance(expected, float) else expected)


def test_k_by_category_is_in_the_documents_proportions(document: Any, profile: Any) -> None:
    theirs = document["as_model"]["k_by_category"]
    base = theirs.pop("default")
    assert profile["signals"]["k_by_category"] == pytest.approx(
        {name: k / base for name, k in theirs.items()}, abs=1e-4
    )


def test_a_stale_regime_kills_as_nearly_as_a_freeze_before_it_allows(document: Any, profile: Any) -> None:
    """The documents' freeze and kill are one number; ours refuses that."""
    guardrails, kill_s = profile["sessions"]["guardrails"], document["volatility_mm"]["regime_stale_kill_seconds"]
    assert kill_s == guardrails["regime_freeze_s"] < guardrails["regime_kill_s"] <= kill_s + 0.001


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
    tables = tuple(f"{table}." for table in ("signals", "sessions.regime_kill.modes"))  # compared as a whole above
    chosen = {
        "discovery.excluded_categories",  # text
        "market_configuration.position_by_regime",  # the documents' belong to profiles
        "market_configuration.exposure_min_dollars",  # the documents have no floor
        "quoting.is_fee_floor",  # nor this one
        "quoting.settlement.is_enabled",  # nor this skew
        "risk.event_cap_dollars",  # nor events
        "sessions.guardrails.regime_kill_s",  # has a test of its own
        "volatility_scanner.is_enabled",  # so that its numbers are used
        "websockets.enabled",  # they disagree
    }
    rest = {
        key
        for key in written - known - chosen
        if not key.startswith(
            ("programs.", "market_configuration.profiles.", "market_configuration.category_profiles.", *tables)
        )
    }
    assert rest == set()
