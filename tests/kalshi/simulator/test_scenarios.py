"""Scenario files: what they may say, what is said about mistakes, and that the ready ones do what they promise."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

from kalshi.errors import ExchangeError, RateLimited, Rejected
from kalshi.numbers import CountE2, PriceE4
from kalshi.simulator.exchange import SimulatedExchange
from kalshi.simulator.faults import KINDS, Duration, Latency
from kalshi.simulator.scenario import EVENT_KINDS, Jump, News, Scenario, Speed
from kalshi.simulator.scenario_reader import FILE_BYTES_MAX, ScenarioError, load_scenario, read_faults, read_scenario
from kalshi.simulator.settings import SimulatorSettings
from kalshi.types import CancelOrder, MarketStatus, Side
from tests.kalshi.simulator.customer import OTHER_TICKER, TICKER, small_catalogue
from tests.kalshi.simulator.fault_stage import Stage, running

READY = Path(__file__).resolve().parents[3] / "ops" / "scenarios"
MAINTENANCE_MS = 1_795_680_000_000


def problems(values: object) -> dict[str, str]:
    """Returns key -> rule of everything that is wrong."""
    with pytest.raises(ScenarioError) as error:
        read_scenario(values)
    return {problem.key: problem.rule for problem in error.value.problems}


def test_every_mistake_is_named_at_once_with_key_value_and_rule() -> None:
    found = problems(
        {
            "seed": "3",
            "speed": 0,
            "starts_at": "soon",
            "bogus": 1,
            "accounts": [{"cash_dollars": {0: -5}, "tier": "gold"}],
            "settings": {"read_lag_ms": [1], "flow": 1, "post_only_cross": "x", "nope": 2},
            "markets": {"KX*": {"regime": "wild"}},
            "events": [{"kind": "pause", "at_s": -2}, {"kind": "settle", "market": "K*"}, {"kind": "party"}, 3],
            "faults": [{"kind": "latency", "share": 1.5, "delay_ms": 1.5, "colour": "red"}, {"share": 1}],
        }
    )
    assert found["seed"] == "must be a whole number"
    assert found["speed"] == "must be 0.01 to 1000"
    assert found["starts_at"].startswith("must be a date with a time")
    assert found["bogus"].startswith("is no known key here; known are seed, speed")
    assert found["accounts[0].key_id"] == "must be given"
    assert found["accounts[0].tier"].startswith("must be one of basic")
    assert found["accounts[0].cash_dollars[0]"].startswith("must be 0 to")
    assert found["settings.read_lag_ms"] == "must be a list of 2 values"
    assert found["settings.flow"] == "must be true or false"
    assert found["settings.post_only_cross"] == "must be one of reject, cancel"
    assert found["settings.nope"].startswith("is no known key here")
    assert found["markets.KX*.regime"].startswith("must be one of")
    assert found["events[0].at_s"].startswith("must be 0 or more seconds")
    assert found["events[1].result"] == "must be given"
    assert found["events[2]"].startswith("kind must be one of pause")
    assert found["events[3]"] == "must be a section with a kind"
    assert found["faults[0].share"] == "must be 0 to 1"
    assert found["faults[0].delay_ms"] == "must be a whole number"
    assert found["faults[0].colour"].startswith("is no known key here; known are share")
    assert found["faults[1]"].startswith("kind must be one of latency")
    assert len(found) == 20


def test_a_problem_reads_as_one_line() -> None:
    with pytest.raises(ScenarioError, match=r"^faults\[0\]\.share: 2 - must be 0 to 1$"):
        read_scenario({"faults": [{"kind": "lost_reply", "share": 2}]})


@pytest.mark.parametrize("kind", KINDS)
def test_every_fault_can_be_ordered_by_its_name_alone(kind: str) -> None:
    (fault,) = read_faults({"kind": kind})
    assert fault == KINDS[kind]()


def test_every_setting_can_be_written() -> None:
    plain: dict[str, Any] = {}
    for field in attrs.fields(SimulatorSettings):
        value = getattr(SimulatorSettings(), field.name)
        plain[field.name] = list(value) if isinstance(value, tuple) else value
    assert read_scenario({"settings": plain}).settings == SimulatorSettings()


def test_every_event_needs_what_it_is_about() -> None:
    needs = {"halt": 1, "unhalt": 1, "settle": 2, "close_early": 1, "news": 2}
    needs |= {"reopen": 2, "change_grid": 2, "series_fee": 3, "event_fee": 3}
    for kind in EVENT_KINDS:
        missing = needs.get(kind, 0)
        if missing:
            assert list(problems({"events": [{"kind": kind}]}).values()) == ["must be given"] * missing
        else:
            assert len(read_scenario({"events": [{"kind": kind}]}).events) == 1


def test_a_method_that_no_request_has_is_refused() -> None:
    found = problems(
        {"faults": [{"kind": "latency", "methods": ["GET", "PATCHY"]}, {"kind": "html_error", "methods": ["get"]}]}
    )
    rule = "must be one of GET, POST, PUT, DELETE"
    assert found == {"faults[0].methods[1]": rule, "faults[1].methods[0]": rule}


def test_a_settlement_has_a_value_where_it_is_scalar_and_only_there() -> None:
    settle = {"kind": "settle", "market": "K*"}
    found = problems(
        {
            "events": [
                settle | {"result": "scalar"},
                settle | {"result": "yes", "value_cents": 40},
                settle | {"result": "no", "value_cents": 40},
                settle | {"result": "scalar", "value_cents": 40},
            ]
        }
    )
    assert found == {
        "events[0].value_cents": "must be given where the result is scalar",
        "events[1].value_cents": "must not be given where the result is yes: only scalar has one",
        "events[2].value_cents": "must not be given where the result is no: only scalar has one",
    }


def test_what_a_fee_a_grid_and_a_reopening_cannot_be_is_named() -> None:
    found = problems(
        {
            "events": [
                {"kind": "series_fee", "series": "K*", "fee_type": "cubic", "multiplier": -1},
                {"kind": "change_grid", "market": "K*", "structure": "half_cent"},
                {"kind": "reopen", "market": "K*", "closes_in_s": 0},
            ]
        }
    )
    assert found["events[0].fee_type"].startswith("must be one of quadratic, ")
    assert found["events[0].multiplier"] == "must be 0 to 100 times the usual fee"
    assert found["events[1].structure"].startswith("must be one of linear_cent, ")
    assert found["events[2].closes_in_s"].startswith("must be above 0 seconds")
    assert len(found) == 4


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("seed: [1", "no usable YAML"),
        ("seed: 1\nseed: 2", "stands here twice"),
        ("- 1", "must be a section"),
        ("a: !!python/object:os.system x", "no usable YAML"),
        ("#" * (FILE_BYTES_MAX + 1), "is larger than"),
    ],
)
def test_a_file_that_is_no_scenario_is_explained(tmp_path: Path, content: str, words: str) -> None:
    file = tmp_path / "scenario.yaml"
    file.write_text(content)
    with pytest.raises(ScenarioError, match=words):
        load_scenario(file)


def test_a_missing_file_is_named_and_an_empty_one_says_nothing(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"none\.yaml.*No such file"):
        load_scenario(tmp_path / "none.yaml")
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    assert load_scenario(tmp_path / "empty.yaml") == Scenario()


async def test_market_rules_change_the_listing_and_the_first_pattern_counts(autojump_clock: MockClock) -> None:
    rules = {
        TICKER: {"fair_cents": 70, "half_spread_cents": 2.5, "trades_per_minute": 6, "closes_in_s": 90},
        "*": {"fair_cents": 20},
    }
    scenario = read_scenario({"settings": {"flow": False}, "markets": rules})
    stage = Stage(scenario=scenario, catalogue=small_catalogue())
    chosen, other = (stage.exchange.core.markets[ticker] for ticker in (TICKER, OTHER_TICKER))
    assert (chosen.listing.fair_e4, chosen.listing.half_spread_e4, chosen.listing.trades_per_minute) == (7_000, 250, 6)
    assert chosen.close_ms == stage.wall_ms() + 90_000
    assert other.listing.fair_e4 == 2_000


def moved_e4(regime: str | None) -> int:
    """Returns how far a market's hidden value went on its way through five minutes."""
    rules = {} if regime is None else {"*": {"regime": regime}}
    now_ms = [1_795_182_900_000]
    exchange = SimulatedExchange(
        seed=9, wall_ms=lambda: now_ms[0], scenario=read_scenario({"markets": rules}), catalogue=small_catalogue()
    )
    market, way_e4 = exchange.core.markets[TICKER], 0
    for _ in range(300):
        before_e4 = market.fair_e4
        now_ms[0] += 1_000
        exchange.tick()
        way_e4 += abs(market.fair_e4 - before_e4)
    return way_e4


def test_regimes_change_how_far_a_market_moves() -> None:
    assert 3 * moved_e4("quiet") < moved_e4("mean_reverting") < moved_e4("chaotic") / 2


async def test_events_happen_when_they_are_due(autojump_clock: MockClock) -> None:
    events = [
        {"at_s": 8, "kind": "settle", "market": OTHER_TICKER, "result": "scalar", "value_cents": 30},
        {"at_s": 1, "kind": "pause"},
        {"at_s": 2, "kind": "resume"},
        {"at_s": 3, "kind": "halt", "market": "KXTEST*"},
        {"at_s": 5, "kind": "unhalt", "market": "KXTEST*"},
        {"at_s": 10, "kind": "close_early", "market": TICKER, "in_s": 1},
    ]
    scenario = read_scenario({"settings": {"flow": False}, "events": events})
    async with running(Stage(scenario=scenario, catalogue=small_catalogue())) as stage:
        core = stage.exchange.core
        seen: list[tuple[bool, MarketStatus, MarketStatus]] = []
        chosen, other = core.markets[TICKER], core.markets[OTHER_TICKER]
        for _ in range(12):
            await trio.sleep(1 if seen else 0.5)
            seen.append((core.trading_active, chosen.status, other.status))
        assert [trading for trading, _, _ in seen] == [True, False] + [True] * 10
        active, inactive = MarketStatus.ACTIVE, MarketStatus.INACTIVE
        assert [status for _, status, _ in seen] == [active] * 3 + [inactive] * 2 + [active] * 6 + [MarketStatus.CLOSED]
        assert [status for _, _, status in seen][-3:-1] == [MarketStatus.DETERMINED] * 2
        assert other.settlement_value_e4 == 3_000


async def test_news_moves_the_value_and_then_the_book(autojump_clock: MockClock) -> None:
    scenario = Scenario(events=(News(at_s=Duration(20.0), market=TICKER, jump_cents=Jump(-30.0)),))
    async with running(Stage(scenario=scenario, catalogue=small_catalogue())) as stage:
        market = stage.exchange.core.markets[TICKER]
        await trio.sleep(19)
        before_e4, ask_before_e4 = market.fair_e4, market.quote().ask_e4
        # News is true at once, and public some seconds later.
        await trio.sleep(10)
        assert market.fair_e4 < before_e4 - 2_000
        await trio.sleep(15)
        assert market.quote().ask_e4 < ask_before_e4 - 2_000


async def trade(stage: Stage, seconds: int, *, every_s: float = 0.5) -> list[tuple[float, str]]:
    """Places and cancels orders for so long; returns what each attempt came to, with its time."""
    came_to: list[tuple[float, str]] = []
    began_s = trio.current_time()
    while (at_s := trio.current_time() - began_s) < seconds:
        now_ms = stage.exchange.core.now_ms()
        # Minutes before the close nothing is in the way of an order and its cancel.
        markets = [one for one in stage.exchange.core.markets.values() if one.is_tradable(now_ms + 60_000)]
        market = markets[len(came_to) % len(markets)]
        order = stage.order(
            Side.BID,
            ticker=market.ticker,
            exchange_index=market.exchange_index,
            price_e4=PriceE4(100),
            count_e2=CountE2(100),
        )
        try:
            ack = await stage.alice.create_order(order)
            cancel = CancelOrder(order_id=ack.order_id, exchange_index=market.exchange_index, ticker=market.ticker)
            await stage.alice.cancel_order(cancel)
            came_to.append((at_s, "done"))
        except ExchangeError as error:
            came_to.append((at_s, error.code if isinstance(error, Rejected) else type(error).__name__))
        await trio.sleep(every_s)
    return came_to


def without_traders(name: str) -> Scenario:
    """Returns a ready scenario with empty books, where nothing of it is about them: traders cost most of the time."""
    scenario = load_scenario(READY / f"{name}.yaml")
    return attrs.evolve(scenario, settings=attrs.evolve(scenario.settings, flow=False))


def strikes(stage: Stage) -> Mapping[str, int]:
    return {ordered.fault.kind: ordered.strikes for ordered in stage.exchange.faults.orders()}


async def test_the_calm_scenario_is_calm(autojump_clock: MockClock) -> None:
    async with running(Stage(scenario=load_scenario(READY / "calm.yaml"))) as stage:
        assert {outcome for _, outcome in await trade(stage, 20)} == {"done"}
        assert stage.exchange.faults.is_idle


async def test_the_rough_network_loses_answers_and_no_money(autojump_clock: MockClock) -> None:
    async with running(Stage(scenario=without_traders("rough-network"))) as stage:
        outcomes = [outcome for _, outcome in await trade(stage, 60, every_s=0.2)]
        assert 0.5 < outcomes.count("done") / len(outcomes) < 0.95
        assert "OutcomeUnknown" in outcomes
        assert all(strikes(stage)[kind] for kind in ("latency", "lost_reply", "late_write"))
        assert stage.exchange.truth.imbalance_e6() == 0


async def test_the_storm_of_429s_refuses_in_its_hours_alone(autojump_clock: MockClock) -> None:
    async with running(Stage(scenario=without_traders("storm-of-429s"))) as stage:
        outcomes = await trade(stage, 80)
        refused = [at_s for at_s, outcome in outcomes if outcome == RateLimited.__name__]
        assert refused
        assert all(10 <= at_s <= 30 or 60 <= at_s <= 70 for at_s in refused)
        assert {outcome for at_s, outcome in outcomes if 60.5 < at_s < 69.5} == {"RateLimited"}


async def test_maintenance_thursday_pauses_after_half_a_minute(autojump_clock: MockClock) -> None:
    scenario = attrs.evolve(without_traders("maintenance-thursday"), speed=Speed(600.0))
    async with running(Stage(scenario=scenario)) as stage:
        assert abs(stage.exchange.clock() - (MAINTENANCE_MS - 30_000)) < 2_000
        active = []
        for _ in range(123):
            await trio.sleep(0.1)
            active.append(stage.exchange.core.trading_active)
        # A tenth of a second is a minute here: half a minute to go, then two hours.
        assert active == [False] * 120 + [True] * 3


async def test_the_fast_crash_crashes_halts_and_settles(autojump_clock: MockClock) -> None:
    async with running(Stage(scenario=load_scenario(READY / "fast-crash.yaml"))) as stage:
        markets = stage.exchange.core.markets
        opened = {ticker: market for ticker, market in markets.items() if market.status is MarketStatus.ACTIVE}
        bitcoin = [market for ticker, market in opened.items() if ticker.startswith("KXBTCD")]
        await trio.sleep(9)
        before_e4 = [stage.exchange.flow.fair_e4(market.ticker) for market in bitcoin]
        await trio.sleep(2)
        after_e4 = [stage.exchange.flow.fair_e4(market.ticker) for market in bitcoin]
        assert sum(before_e4) - sum(after_e4) > 1_000 * len(bitcoin)
        await trio.sleep(5)
        assert {market.status for market in bitcoin} == {MarketStatus.INACTIVE}
        await trio.sleep(15)
        assert {market.status for market in bitcoin} == {MarketStatus.ACTIVE}
        ether = [market.status for ticker, market in opened.items() if ticker.startswith("KXETHD")]
        assert set(ether) == {MarketStatus.DETERMINED}
        await trade(stage, 6)
        quarter = [market.status for ticker, market in opened.items() if ticker.startswith("KXBTC15M")]
        assert set(quarter) == {MarketStatus.CLOSED}
        assert strikes(stage)["latency"] > 0
        assert stage.exchange.truth.imbalance_e6() == 0


def test_each_ready_scenario_has_its_test_here() -> None:
    assert {path.stem for path in READY.glob("*.yaml")} == {
        "calm",
        "rough-network",
        "storm-of-429s",
        "maintenance-thursday",
        "fast-crash",
    }


def test_a_latency_is_read_with_all_of_its_parameters() -> None:
    (fault,) = read_faults([{"kind": "latency", "delay_ms": 5, "tail_ms": 10, "tail_shape": 1.2, "methods": ["POST"]}])
    assert isinstance(fault, Latency)
    assert (fault.delay_ms, fault.tail_ms, fault.tail_shape, fault.methods) == (5, 10, 1.2, ("POST",))
