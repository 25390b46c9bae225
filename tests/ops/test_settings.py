"""Settings from file, `.env` and environment; config.yaml and the classes held together; rules between keys."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import attrs
import pytest
import yaml

from kalshi.numbers import CountE2, MoneyE6, PriceE4
from ops.modes import Mode
from ops.settings import Settings
from ops.settings_convert import SettingsError, section_fields, yaml_key
from ops.settings_load import load_settings, plain_settings, settings_from
from ops.settings_rules import RULES, check_rules, value_at
from quant.quoting.refill_state import RepostBase, StakeSides

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "config.yaml"


def loaded(tmp_path: Path, text: str = "", env: dict[str, str] | None = None, dotenv: str | None = None) -> Settings:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    env_file = tmp_path / ".env"
    if dotenv is not None:
        env_file.write_text(dotenv)
    return load_settings(path, env or {}, env_file)


def problems(tmp_path: Path, text: str = "", env: dict[str, str] | None = None) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        loaded(tmp_path, text, env)
    return {problem.key: problem.rule for problem in caught.value.problems}


def all_sections(section: type = Settings) -> set[type]:
    found = {section}
    for field in section_fields(section):
        if field.type is not None and attrs.has(field.type):
            found |= all_sections(field.type)
    return found


# -- config.yaml and the classes --


def test_the_shipped_file_holds_exactly_the_defaults() -> None:
    assert load_settings(CONFIG, {}) == Settings()


def test_the_shipped_file_names_every_key_there_is() -> None:
    def keys(tree: Any, prefix: str = "") -> set[str]:
        if not isinstance(tree, dict):
            return {prefix}
        return {prefix}.union(*(keys(value, f"{prefix}.{key}") for key, value in tree.items()))

    written = yaml.safe_load(CONFIG.read_text())
    assert keys(written) == keys(plain_settings(Settings()))


def test_every_key_of_the_shipped_file_has_a_comment_that_says_what_it_is() -> None:
    keys = [line for line in CONFIG.read_text().splitlines() if re.match(r"\s*[\w-]+:", line)]
    bare = [line for line in keys if not re.search(r"  # \S.{3,}", line)]
    assert len(keys) > 100
    assert bare == []


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    assert loaded(tmp_path) == Settings()
    assert settings_from(plain_settings(Settings())) == Settings()


def test_every_setting_has_a_default_and_every_section_is_frozen() -> None:
    for section in all_sections():
        names = [field.name for field in section_fields(section) if field.default is attrs.NOTHING]
        # A section without defaults of its own gets them from the place where it stands.
        assert not names or section.__name__ in {"RestartWindow", "TimeWindow"}, section
        assert section.__attrs_props__.is_frozen, section  # type: ignore[attr-defined]


def test_a_unit_in_a_type_is_a_unit_in_the_name() -> None:
    """Amounts are converted by their names: a type with a unit under a name without one would be read wrongly."""
    for section in all_sections():
        for field in section_fields(section):
            for kind, token in ((PriceE4, "e4"), (CountE2, "e2"), (MoneyE6, "e6")):
                if kind is field.type:
                    assert re.search(rf"_{token}(_|$)", field.name), (section, field.name)


def test_every_setting_is_read_by_somebody() -> None:
    """A key that changes nothing would be a lie to the person who sets it."""
    only_ruled = {"enabled", "transport", "max_markets_per_connection"}  # refused where they ask for what is not there
    code = [path for folder in ("actors", "ops", "quant", "kalshi") for path in (ROOT / folder).rglob("*.py")]
    read = "\n".join(path.read_text() for path in [*code, ROOT / "supervisor.py"] if path.name != "settings_rules.py")
    names = {field.name for section in all_sections() for field in section_fields(section)}
    assert {name for name in names - only_ruled if not re.search(rf"\.{name}\b", read)} == set()


# -- order of the sources --


def test_later_sources_win_over_earlier_ones(tmp_path: Path) -> None:
    text = "risk: {per_market_cap_dollars: 1, event_cap_dollars: 2}"
    dotenv = "KALSHI_BOT__RISK__PER_MARKET_CAP_DOLLARS=3\nKALSHI_BOT__FILLS__POLL_S=0.5\n"
    env = {"KALSHI_BOT__RISK__PER_MARKET_CAP_DOLLARS": "2"}
    settings = loaded(tmp_path, text, env, dotenv)
    assert settings.risk.per_market_cap_e6 == 2_000_000
    assert settings.risk.event_cap_e6 == 2_000_000
    assert settings.fills.poll_s == 0.5


def test_an_override_may_leave_the_unit_out_and_be_in_any_case(tmp_path: Path) -> None:
    assert loaded(tmp_path, env={"KALSHI_BOT__RISK__PER_MARKET_CAP": "8"}).risk.per_market_cap_e6 == 8_000_000
    assert loaded(tmp_path, env={"kalshi_bot__Mode": "demo"}).mode is Mode.DEMO


def test_every_key_can_be_overridden_from_the_environment(tmp_path: Path) -> None:
    def names(section: type, prefix: str) -> list[str]:
        found = []
        for field in section_fields(section):
            name = f"{prefix}__{yaml_key(field.name).upper()}"
            found += names(field.type, name) if field.type and attrs.has(field.type) else [name]
        return found

    for name in names(Settings, "KALSHI_BOT"):
        value: Any = plain_settings(Settings())
        for part in name.lower().split("__")[1:]:
            value = value[part]
        text = yaml.safe_dump(value, default_flow_style=True).replace("\n...\n", "")
        assert loaded(tmp_path, env={name: text}) == Settings(), name


def test_lists_mappings_and_single_entries_come_from_the_environment_too(tmp_path: Path) -> None:
    env = {
        "KALSHI_BOT__LOGGING__LEVELS": "{feed: DEBUG}",
        "KALSHI_BOT__LOGGING__LEVELS__order_desk": "TRACE",
        "KALSHI_BOT__DISCOVERY__EXCLUDED_CATEGORIES": "[sports]",
        "KALSHI_BOT__RISK__CATEGORY_CAPS__crypto": "12.5",
    }
    settings = loaded(tmp_path, env=env)
    assert settings.logging.levels == {"feed": "DEBUG", "order_desk": "TRACE"}
    assert settings.discovery.excluded_categories == frozenset({"sports"})
    assert settings.risk.category_caps_e6 == {"crypto": 12_500_000}


def test_the_base_url_has_a_variable_of_its_own(tmp_path: Path) -> None:
    url = "http://127.0.0.1:8123/trade-api/v2"
    assert loaded(tmp_path, env={"KALSHI_BASE_URL": url}).exchange.base_url == url
    assert loaded(tmp_path, env={"KALSHI_BASE_URL": ""}).exchange.base_url is None


def test_a_misspelt_override_is_a_problem_and_never_ignored(tmp_path: Path) -> None:
    found = problems(tmp_path, env={"KALSHI_BOT__RISK__PER_MARKT_CAP": "8", "KALSHI_BOT__MODE__X": "1"})
    assert set(found) == {"KALSHI_BOT__RISK__PER_MARKT_CAP", "KALSHI_BOT__MODE__X"}
    assert all("names no setting" in rule for rule in found.values())


def test_a_bad_override_names_the_variable_that_it_came_from(tmp_path: Path) -> None:
    assert set(problems(tmp_path, env={"KALSHI_BOT__FILLS__POLL_S": "soon"})) == {
        "fills.poll_s (from KALSHI_BOT__FILLS__POLL_S)"
    }
    assert (
        "is no YAML value" in problems(tmp_path, env={"KALSHI_BOT__FILLS__POLL_S": "[1"})["KALSHI_BOT__FILLS__POLL_S"]
    )


def test_dollar_signs_in_the_env_file_are_left_alone(tmp_path: Path) -> None:
    settings = loaded(tmp_path, dotenv='KALSHI_BOT__FOLDERS__STATE="state/${HOME}"\n')
    assert settings.folders.state == "state/${HOME}"


# -- files that are none --


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("risk: [", "line 1"),
        ("a: 1\na: 2", "stands here twice"),
        ("mode: &x demo\nb: *x", "aliases"),
        ("!!python/object/apply:os.system ['true']", "constructor"),
        ("a: " + "[" * 40 + "]" * 40, "nested deeper"),
        ("? [1]\n: 2", "unhashable"),
        ("just words", "a section with keys"),
        ("\x00", "special characters"),
        ("#" * 1_000_001, "larger than"),
    ],
)
def test_text_that_is_no_configuration_is_one_clear_problem(tmp_path: Path, text: str, said: str) -> None:
    ((_, rule),) = problems(tmp_path, text).items()
    assert said in rule


def test_a_file_that_is_missing_binary_or_a_folder_is_named(tmp_path: Path) -> None:
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    for path, said in ((tmp_path / "none.yaml", "no such file"), (binary, "UTF-8"), (tmp_path, "cannot be read")):
        with pytest.raises(SettingsError, match=said):
            load_settings(path, {})


# -- rules --


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ("websockets: {freeze_s: 20}", "websockets.freeze_s", "less than websockets.withdraw_s"),
        ("websockets: {transport: quick}", "websockets.transport", "one of trio-websocket, fast"),
        ("websockets: {ping_every_s: 6}", "websockets.ping_every_s", "less than websockets.freeze_s"),
        ("quoting: {min_total_spread: 0.2}", "quoting.min_total_spread", "at most quoting.max_total_spread"),
        ("quoting: {gamma_per_dollar: -1}", "quoting.gamma_per_dollar", "must be > 0"),
        ("risk: {lease_s: 1}", "risk.renew_s", "less than risk.lease_s"),
        ("risk: {per_market_cap_dollars: 300}", "risk.per_market_cap_dollars", "at most risk.event_cap"),
        ("risk: {balance_floor_dollars: -1}", "risk.balance_floor_dollars", "negative"),
        ("risk: {category_caps_dollars: {crypto: -1}}", "risk.category_caps_dollars", "negative"),
        ("allocation: {max_markets_with_orders: 0}", "allocation.max_markets_with_orders", "kill_switch"),
        ("orders: {lease_floor_s: 5}", "orders.lease_floor_s", "from 10"),
        ("orders: {collar_cents: 101}", "orders.collar_cents", "at most a dollar"),
        ("shutdown: {service_s: 29}", "shutdown.service_s", "service manager"),
        ("shutdown: {terminal_s: 0}", "shutdown.terminal_s", "greater than 0"),
        ("logging: {level: LOUD}", "logging.level", "one of TRACE"),
        ("logging: {levels: {feed: LOUD}}", "logging.levels", "one of TRACE"),
        ("logging: {rotation: weekly}", "logging.rotation", "a size"),
        ("logging: {retention: 0}", "logging.retention", "from 1"),
        ("folders: {state: ' '}", "folders.state", "empty"),
        ("supervision: {root: {max_restarts: -1}}", "supervision.root.max_restarts", ">= 0"),
        ("supervision: {back_off: {base_s: 60}}", "supervision.back_off.base_s", "at most"),
        ("exchange: {base_url: 'http://example.com/x'}", "exchange.base_url", "https"),
        ("exchange: {base_url: 'https://user:pw@example.com'}", "exchange.base_url", "https"),
        ("exchange: {base_url: 'https://example.com:99999/x'}", "exchange.base_url", "https"),
        ("exchange: {websocket_url: 'https://example.com'}", "exchange.websocket_url", "wss"),
        ("exchange: {clock_offset_max_s: 11}", "exchange.clock_offset_max_s", "10 s off"),
        ("volatility_scanner: {rediscovery_s: 30}", "volatility_scanner.rediscovery_s", "from 60"),
        ("volatility_scanner: {tracking: {levels_min: 0}}", "volatility_scanner.tracking.levels_min", "from 1 to 5"),
        (
            "volatility_scanner: {events: {allowed_regimes: [WILD]}}",
            "volatility_scanner.events.allowed_regimes[0]",
            "QUIET",
        ),
        ("fills: {poll_s: 0}", "fills.poll_s", "from 0.05"),
        ("websockets: {enabled: false, freeze_s: 3}", "websockets.freeze_s", "at least 4 without the socket"),
        ("markets: {order_size_contracts: 101}", "markets.order_size_contracts", "pass the limit"),
        ("shadow: {queue_model: lucky}", "shadow.queue_model", "front"),
        (
            (
                "volatility_scanner: {is_enabled: true}\n"
                "programs: {a: {selection: volatility}, b: {selection: volatility}}"
            ),
            "programs",
            "at most one program",
        ),
        ("programs: {a: {selection: volatility}}", "volatility_scanner.is_enabled", "nobody else"),
        ("sessions: {entry: {sessions_max: 0}}", "sessions.entry.sessions_max", "from 1"),
        ("sessions: {entry: {hysteresis: 0}}", "sessions.entry.hysteresis", "share"),
        ("sessions: {guardrails: {time_to_live_s: 0}}", "sessions.guardrails.time_to_live_s", "greater than 0"),
        (
            "sessions: {guardrails: {regime_kill_s: 4}}",
            "sessions.guardrails.regime_freeze_s",
            "less than sessions.guardrails.regime_kill_s",
        ),
        ("sessions: {regime_kill: {adverse_share: 2}}", "sessions.regime_kill.adverse_share", "share"),
        ("sessions: {regime_kill: {adverse_fills_min: 0}}", "sessions.regime_kill.adverse_fills_min", "picked off"),
        ("sessions: {regime_kill: {modes: {SLEEPY: hard}}}", "sessions.regime_kill.modes", "must map regimes"),
        ("sessions: {regime_kill: {modes: {QUIET: soft}}}", "sessions.regime_kill.modes", "may begin"),
        ("sessions: {exits: {unwind_max_s: 0}}", "sessions.exits.unwind_max_s", "greater than 0"),
    ],
)
def test_a_broken_rule_names_key_and_reason(tmp_path: Path, text: str, key: str, said: str) -> None:
    found = problems(tmp_path, text)
    assert list(found) == [key]
    assert said in found[key]


def test_a_value_that_cannot_be_read_is_not_judged_by_its_default_as_well(tmp_path: Path) -> None:
    assert list(problems(tmp_path, "websockets: {freeze_s: x, withdraw_s: 1}")) == ["websockets.freeze_s"]


def test_everything_wrong_is_said_in_one_go(tmp_path: Path) -> None:
    text = "mode: paper\nrisk: {lease_s: -1, foo: 1}\nfills: {poll_s: no}\nnonsense: {}\n"
    assert set(problems(tmp_path, text, {"KALSHI_BOT__FOO": "1"})) == {
        "KALSHI_BOT__FOO",
        "mode",
        "risk.foo",
        "risk.lease_s",
        "risk.renew_s",
        "fills.poll_s",
        "nonsense",
    }


def test_every_rule_is_about_a_key_that_exists() -> None:
    for rule in RULES:
        value_at(Settings(), rule.key)
    assert check_rules(Settings()) == ()


def test_loopback_addresses_need_no_encryption(tmp_path: Path) -> None:
    for host in ("127.0.0.1", "localhost", "[::1]", "127.8.9.1"):
        text = f"exchange: {{base_url: 'http://{host}:80/x', websocket_url: 'ws://{host}:81/y'}}"
        assert loaded(tmp_path, text).exchange.websocket_url == f"ws://{host}:81/y"


# -- strategies of programs --

REFILL = """
programs:
  stakes:
    selection: tickers
    strategy: refill
    refill:
      max_count_contracts: 1500
      max_money_dollars: 700.5
      stakes:
        - {ticker: M, count_contracts: 100, sides: both, yes_price_cents: 45, no_price_cents: 40, off_cents: -1,
           repost_base: market_best_offer, reload_fraction: 0.75, max_count_contracts: 1000}
        - {ticker: N, count_contracts: 10, sides: "no", no_price_cents: 4.5}
"""


def test_a_refill_form_is_read_in_units_for_people_and_names_its_own_markets(tmp_path: Path) -> None:
    program = loaded(tmp_path, REFILL).programs["stakes"]
    assert program.refill is not None
    first, second = program.refill.stakes
    assert program.listed_tickers == ("M", "N")
    assert (program.refill.max_count_e2, program.refill.max_money_e6) == (150_000, 700_500_000)
    assert (first.count_e2, first.yes_price_e4, first.no_price_e4, first.off_e4) == (10_000, 4_500, 4_000, -100)
    assert (first.repost_base, first.max_count_e2) == (RepostBase.MARKET_BEST_OFFER, 100_000)
    assert (second.sides, second.no_price_e4) == (StakeSides.NO, 450)


@pytest.mark.parametrize(
    ("old", "new", "key", "rule"),
    [
        ("no_price_cents: 40", "no_price_cents: 60", "programs.stakes.refill.stakes", "less than the dollar"),
        ("ticker: N", "ticker: M", "programs.stakes.refill", "one stake"),
        ("count_contracts: 10,", "count_contracts: 0.5,", "programs.stakes.refill.stakes", "must be >= 1"),
    ],
)
def test_a_refill_form_that_loses_by_construction_is_refused(
    tmp_path: Path, old: str, new: str, key: str, rule: str
) -> None:
    found = problems(tmp_path, REFILL.replace(old, new))
    assert any(name.startswith(key) and rule in text for name, text in found.items()), found


def test_refill_without_stakes_is_refused(tmp_path: Path) -> None:
    text = "programs: {p: {selection: tickers, tickers: [M], strategy: refill}}"
    assert "at least one stake" in problems(tmp_path, text)["programs"]


def test_incentive_and_throttles_of_a_program_are_its_own(tmp_path: Path) -> None:
    text = """
programs:
  p:
    strategy: incentive
    incentive: {ask_every_s: 2}
    throttles: {wide_spread_cents: 4}
    freezes_on_stale_regime: true
"""
    program = loaded(tmp_path, text).programs["p"]
    assert program.incentive is not None
    assert program.throttles is not None
    assert (program.incentive.ask_every_s, program.throttles.wide_spread_e4) == (2.0, 400)
    assert program.throttles.trigger_checks == 3


@pytest.mark.parametrize(
    "text",
    [
        "signals: {k_by_regime: {SLEEPY: 1}}",
        "signals: {gamma_by_regime: {QUIET: 0}}",
        "signals: {k_by_category: {x: -1}}",
    ],
)
def test_factors_of_unknown_regimes_or_without_a_size_are_refused(tmp_path: Path, text: str) -> None:
    assert "factors above 0" in problems(tmp_path, text)["signals"]
