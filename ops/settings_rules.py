"""What settings must satisfy beyond their types: ranges, and rules between several keys.

The parameter classes of `quant` bring validators of their own where a wrong value would be a wrong formula.
Here stand the rules that an operator can break: by the unit that a key's name carries (rule of the name), and
one by one (the table).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import attrs

from kalshi.socket_transports import TRANSPORTS
from ops.control import LOG_LEVELS
from ops.modes import is_loopback
from ops.settings import Settings
from ops.settings_convert import Problem, plain, section_fields, shown_value, yaml_key
from quant.programs import Program, SelectionKind
from quant.quoting.market_signals import SignalUse
from quant.quoting.strategies import StrategyName
from quant.signals.regime import Regime

# Durations, sizes and amounts: a negative one means nothing anywhere.
_NEVER_NEGATIVE = re.compile(r"_(s|ms|e2|e4|e6)(_|$)|_(max|min)$|(^|_)max_|_connections$|^(retention|interval)")
_MAY_BE_NEGATIVE = frozenset({"dickey_fuller_max"})  # the critical value of a statistic, not a size
_ROTATION = re.compile(r"\d+(\.\d+)? ?(B|KB|MB|GB)")
SYSTEMD_STOP_S = 30.0  # TimeoutStopSec of the unit; what is not done by then is killed


@attrs.frozen
class Rule:
    """A rule about `key` (dotted, as in YAML) and perhaps others; `text` completes the sentence "it ..."."""

    key: str
    text: str
    holds: Callable[[Settings], bool]


def _positive(key: str) -> Rule:
    return Rule(key, "must be greater than 0", lambda settings: value_at(settings, key) > 0)


def _between(key: str, low: float, high: float, why: str) -> Rule:
    text = f"must be from {low:g} to {high:g}: {why}"
    return Rule(key, text, lambda settings: low <= value_at(settings, key) <= high)


def _at_most_key(key: str, other: str, why: str) -> Rule:
    text = f"must be at most {other}: {why}"
    return Rule(key, text, lambda settings: value_at(settings, key) <= value_at(settings, other))


def _below_key(key: str, other: str, why: str) -> Rule:
    text = f"must be less than {other}: {why}"
    return Rule(key, text, lambda settings: value_at(settings, key) < value_at(settings, other))


def _level(key: str) -> Rule:
    return Rule(key, f"must be one of {', '.join(LOG_LEVELS)}", lambda settings: value_at(settings, key) in LOG_LEVELS)


RULES: tuple[Rule, ...] = (
    Rule(
        "exchange.base_url",
        "must be an https address such as https://host/trade-api/v2 (http only for this machine)",
        lambda settings: _is_address(settings.exchange.base_url, "https", "http"),
    ),
    Rule(
        "exchange.websocket_url",
        "must be a wss address such as wss://host/trade-api/ws/v2 (ws only for this machine)",
        lambda settings: _is_address(settings.exchange.websocket_url, "wss", "ws"),
    ),
    _between("exchange.data_connections", 1, 64, "one pool of connections to one exchange"),
    _between("exchange.control_connections", 1, 64, "fence, cancel and list share it"),
    _between("exchange.data_deadline_s", 0.1, 30, "an answer later than that helps nobody"),
    _between("exchange.control_deadline_s", 0.1, 30, "an answer later than that helps nobody"),
    _between("exchange.clock_offset_max_s", 0.1, 9, "the exchange refuses signatures that are 10 s off"),
    Rule(
        "websockets.transport",
        f"must be one of {', '.join(TRANSPORTS)}",
        lambda settings: settings.websockets.transport in TRANSPORTS,
    ),
    Rule(
        "websockets.freeze_s",
        "must be at least 4 without the socket: a Date header has whole seconds, so no book is known to be younger",
        lambda settings: settings.websockets.enabled or settings.websockets.freeze_s >= 4,
    ),
    _positive("websockets.freeze_s"),
    _below_key("websockets.freeze_s", "websockets.withdraw_s", "first no new quotes, then none at all"),
    _positive("websockets.ping_every_s"),
    _positive("websockets.ping_deadline_s"),
    _below_key("websockets.ping_every_s", "websockets.freeze_s", "else quoting freezes between two pings"),
    _positive("websockets.reconnect_first_s"),
    _positive("websockets.connect_deadline_s"),
    _at_most_key("websockets.reconnect_first_s", "websockets.reconnect_max_s", "the wait grows up to it"),
    _between("websockets.max_markets_per_connection", 1, 10_000, "at least one market fits on a connection"),
    _positive("simulator.cash_dollars"),
    _between("discovery.interval_s", 1, 86_400, "the exchange's read budget is shared with quoting"),
    _below_key("discovery.price_min_cents", "discovery.price_max_cents", "the band would be empty"),
    _between("discovery.max_per_category_fraction", 0.01, 1, "it is a share of the selection"),
    _between("discovery.facts.read_every_s", 0.05, 60, "each read takes a twentieth of a basic account's second"),
    _between("discovery.facts.tapes_max", 0, 1_000, "each one is a read"),
    _between("discovery.facts.fees.series_every_s", 60, 86_400, "each is a read, and announced changes count anyway"),
    _between("discovery.facts.fees.series_max", 0, 1_000, "each one is a read"),
    _between("discovery.markets_max", 1, 1_000, "there must be something to select"),
    _between("volatility_scanner.at_once", 1, 2_000, "every watched market must have its turn"),
    _between("volatility_scanner.tracking.tracked_max", 1, 2_000, "each is a subscription, and a key of its channels"),
    _positive("volatility_scanner.tracking.spread_max_cents"),
    _positive("volatility_scanner.tracking.no_trades_max_s"),
    _between("volatility_scanner.tracking.levels_min", 1, 5, "five levels of a book are published"),
    _below_key(
        "volatility_scanner.tracking.time_to_close_min_s",
        "volatility_scanner.tracking.time_to_close_max_s",
        "nothing would be watched",
    ),
    _positive("volatility_scanner.events.jump_min_cents"),
    _positive("volatility_scanner.events.sigma_min_per_minute"),
    _between("volatility_scanner.events.jump_window_s", 10, 3_600, "a mid a second is kept of every market"),
    _between("volatility_scanner.events.mean_window_s", 10, 3_600, "a mid a second is kept of every market"),
    _between("volatility_scanner.stability.stability_required", 1, 100, "it counts verdicts five seconds apart"),
    _between("volatility_scanner.refresh_interval_s", 1, 60, "prices are taken in once a second"),
    _between("volatility_scanner.rediscovery_s", 60, 86_400, "the exchange's read budget is shared with quoting"),
    _between("volatility_scanner.rest_reads_per_s_max", 0.1, 20, "the exchange's read budget is shared with quoting"),
    _between("allocation.max_markets_with_orders", 1, 1_000, "0 would quote nothing; use kill_switch for that"),
    Rule(
        "programs",
        "must name what each program selects: tickers, events or series, as its selection says",
        lambda settings: all(_selects_something(program) for program in settings.programs.values()),
    ),
    Rule(
        "programs",
        "must have the section refill with at least one stake where the strategy is refill",
        lambda settings: all(
            program.strategy is not StrategyName.REFILL or (program.refill is not None and program.refill.stakes)
            for program in settings.programs.values()
        ),
    ),
    Rule(
        "programs",
        "must have sizes above 0, and no order size above the position limit",
        lambda settings: all(_sizes_fit(program, settings) for program in settings.programs.values()),
    ),
    Rule(
        "programs",
        "must have at most one program with selection volatility: one session manager looks after all sessions",
        lambda settings: sum(p.selection is SelectionKind.VOLATILITY for p in settings.programs.values()) <= 1,
    ),
    Rule(
        "volatility_scanner.is_enabled",
        "must be true with a program of selection volatility: nobody else tells it what moves",
        lambda settings: (
            settings.volatility_scanner.is_enabled
            or all(p.selection is not SelectionKind.VOLATILITY for p in settings.programs.values())
        ),
    ),
    _between("sessions.entry.sessions_max", 1, 100, "0 would begin none; use is_enabled of the program for that"),
    _between("sessions.entry.hysteresis", 0.01, 1, "it is a share of a limit"),
    _positive("sessions.guardrails.time_to_live_s"),
    _below_key(
        "sessions.guardrails.regime_freeze_s", "sessions.guardrails.regime_kill_s", "first frozen, then an exit"
    ),
    _between("sessions.regime_kill.adverse_share", 0, 1, "it is a share of the fills"),
    _between("sessions.regime_kill.adverse_fills_min", 1, 100, "without a fill nobody was picked off"),
    Rule(
        "sessions.regime_kill.modes",
        f"must map regimes ({', '.join(Regime)}) to soft or hard, and none in which sessions may begin",
        lambda settings: (
            set(settings.sessions.regime_kill.modes) <= {*Regime} - {*settings.sessions.entry.allowed_regimes}
        ),
    ),
    _positive("sessions.exits.unwind_max_s"),
    _positive("markets.order_size_contracts"),
    _at_most_key("markets.order_size_contracts", "markets.max_position_contracts", "one fill would pass the limit"),
    _at_most_key("market_configuration.sigma_floor", "market_configuration.sigma_cap", "no sigma would satisfy both"),
    _at_most_key("quoting.sizing.order_min_contracts", "markets.order_size_contracts", "nothing would be quoted"),
    _at_most_key("quoting.min_total_spread", "quoting.max_total_spread", "no spread would satisfy both"),
    _between("quoting.max_total_spread", 0.0001, 1, "a contract is worth at most a dollar"),
    _below_key(
        "quoting.sizing.price_bands.hard_edge",
        "quoting.sizing.price_bands.soft_edge",
        "hard lies outside soft",
    ),
    _between("quoting.sizing.price_bands.soft_edge", 0, 0.5, "the bands are mirrored at 50 cents"),
    _between("quoting.sizing.position_buffer", 0, 0.9, "it is a share of the position limit"),
    _between("quoting.sizing.long_dated_factor", 0, 1, "it is a share of the position limit"),
    _positive("volatility.half_life_s"),
    _between("volatility.sample_spacing_s", 1, 600, "faster sampling counts the bounce as volatility"),
    _between("volatility.prior_sigma", 0.00001, 1, "dollars per square root of a second"),
    Rule(
        "signals",
        "must name regimes in upper case, with factors above 0",
        lambda settings: _factors_fit(settings.signals),
    ),
    _between("throttles.wrong_share", 0, 1, "it is a share of the fills"),
    _between("orders.lease_floor_s", 10, 86_400, "renewals at half-life must fit into the write budget"),
    _between("orders.regrow_below_share", 0, 1, "it is a share of the wanted size"),
    _between("orders.command_valid_s", 0.01, 5, "a command decided on older facts must not go out"),
    _positive("orders.unknown_repeat_s"),
    _positive("orders.reconcile_every_s"),
    _between("orders.collar_cents", 0.01, 100, "a contract is worth at most a dollar"),
    _between("orders.orders_max", 1, 10_000, "two orders per market"),
    _at_most_key("orders.heartbeat_max_age_s", "orders.heartbeat_withdraw_s", "first no new quotes, then none at all"),
    _positive("risk.renew_s"),
    _between("risk.account_every_s", 0.5, 60, "balances and positions are compared with the exchange's"),
    _below_key("risk.renew_s", "risk.lease_s", "else the lease runs out between two renewals"),
    _at_most_key("risk.per_market_cap_dollars", "risk.event_cap_dollars", "a market belongs to an event"),
    _at_most_key("risk.event_cap_dollars", "risk.default_category_cap_dollars", "an event belongs to a category"),
    _at_most_key("risk.default_category_cap_dollars", "risk.global_budget_dollars", "a category is part of the whole"),
    _positive("risk.daily_loss_limit_dollars"),
    _positive("stop_loss.price_max_age_s"),
    _between("fills.poll_s", 0.05, 60, "fills that the socket lost are found by it"),
    _between("fills.overlap_s", 1, 86_400, "fills appear late in the list by up to half a second"),
    _between("supervision.root.max_restarts", 0, 100, "a restart cures what comes by chance, nothing else"),
    _between("supervision.markets.max_restarts", 0, 1_000, "a restart cures what comes by chance, nothing else"),
    _between("supervision.quarantine.max_restarts", 0, 100, "a restart cures what comes by chance, nothing else"),
    _at_most_key("supervision.back_off.base_s", "supervision.back_off.ceiling_s", "the wait grows up to it"),
    _between("supervision.back_off.jitter", 0, 1, "it is a share of the wait"),
    _between("supervision.back_off.factor", 1, 10, "the wait must not shrink"),
    _positive("shutdown.service_s"),
    _positive("shutdown.terminal_s"),
    _between("ledger.records_kept_days", 1, 3_650, "younger rows are still asked for"),
    _between("ledger.samples_kept_days", 1, 3_650, "younger rows are still asked for"),
    _between("ledger.runs_kept_days", 1, 36_500, "reports by run need them"),
    _between("ledger.samples_max", 1_000, 1_000_000_000, "a row takes about a hundred bytes"),
    _between("ledger.sample_every_s", 1, 86_400, "each market's state is a row"),
    _between("ledger.upkeep_every_s", 0.1, 3_600, "a slice takes a few milliseconds"),
    _between("shutdown.service_s", 0.5, SYSTEMD_STOP_S - 5, "the service manager kills what takes longer"),
    _between("shutdown.terminal_s", 0.5, SYSTEMD_STOP_S - 5, "a person is waiting"),
    _level("logging.level"),
    Rule(
        "logging.levels",
        f"must map actor names to one of {', '.join(LOG_LEVELS)}",
        lambda settings: all(level in LOG_LEVELS for level in settings.logging.levels.values()),
    ),
    Rule(
        "logging.rotation",
        'must be a size such as "10 MB"',
        lambda settings: _ROTATION.fullmatch(settings.logging.rotation) is not None,
    ),
    _between("logging.retention", 1, 1_000, "rotated files kept per actor"),
    Rule("folders.state", "must not be empty", lambda settings: bool(settings.folders.state.strip())),
    Rule("folders.logs", "must not be empty", lambda settings: bool(settings.folders.logs.strip())),
)


def check_rules(settings: Settings) -> tuple[Problem, ...]:
    """Returns every rule that `settings` breaks, at most one problem per key."""
    written = plain(settings)
    problems: dict[str, Problem] = {}
    for key, value in _leaves(settings, ""):
        if _is_negative(key, value):
            problems[key] = _problem(key, written, "must not be negative")
    for rule in RULES:
        if rule.key not in problems and not rule.holds(settings):
            problems[rule.key] = _problem(rule.key, written, rule.text)
    return tuple(problems.values())


def value_at(settings: Settings, key: str) -> Any:
    """Returns the value at a dotted YAML key, as it is written there. Raises KeyError for an unknown key."""
    value: Any = settings
    for part in key.split("."):
        fields = {yaml_key(field.name): field.name for field in section_fields(type(value))}
        field_name = fields[part]
        value = getattr(value, field_name)
    return plain(value, field_name)


def _problem(key: str, written: Mapping[str, Any], rule: str) -> Problem:
    value: Any = written
    for part in key.split("."):
        value = value[part]
    return Problem(key=key, value=shown_value(key, value), rule=rule)


def _leaves(section: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Yields dotted key and value of everything in the tree that is no section."""
    for field in section_fields(type(section)):
        key = f"{prefix}{yaml_key(field.name)}"
        value = getattr(section, field.name)
        if attrs.has(type(value)):
            yield from _leaves(value, f"{key}.")
        else:
            yield key, plain(value, field.name)


_WORD_UNITS = re.compile(r"_(contracts|cents|dollars)(_|$)")


def _is_negative(key: str, value: Any) -> bool:
    name = key.rpartition(".")[2]
    if name in _MAY_BE_NEGATIVE:
        return False
    if not _NEVER_NEGATIVE.search(name) and not _WORD_UNITS.search(name):
        return False
    if isinstance(value, Mapping):
        return any(isinstance(item, int | float) and item < 0 for item in value.values())
    return isinstance(value, int | float) and value < 0


def _selects_something(program: Program) -> bool:
    match program.selection:
        case SelectionKind.SCORED | SelectionKind.INCENTIVES | SelectionKind.VOLATILITY:
            return True
        case SelectionKind.TICKERS:
            return bool(program.listed_tickers)
        case SelectionKind.EVENTS:
            return bool(program.events)
        case SelectionKind.SERIES:
            return bool(program.series)


def _sizes_fit(program: Program, settings: Settings) -> bool:
    if program.order_size_e2 is program.max_position_e2 is None:
        return True
    size_e2 = settings.markets.order_size_e2 if program.order_size_e2 is None else program.order_size_e2
    limit_e2 = settings.markets.max_position_e2 if program.max_position_e2 is None else program.max_position_e2
    return 0 < size_e2 <= limit_e2


def _factors_fit(use: SignalUse) -> bool:
    regimes = {regime.value for regime in Regime}
    factors = (use.gamma_by_regime, use.k_by_regime, use.k_by_category)
    are_positive = all(factor > 0 for table in factors for factor in table.values())
    return are_positive and regimes >= {*use.gamma_by_regime, *use.k_by_regime}


def _is_address(url: str | None, secure: str, plain_scheme: str) -> bool:
    if url is None:
        return True
    try:
        parts = urlsplit(url)
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        return False
    if not parts.hostname or not has_port or parts.username or parts.query or parts.fragment:
        return False
    return parts.scheme == secure or (parts.scheme == plain_scheme and is_loopback(parts.hostname))
