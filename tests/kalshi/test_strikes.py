"""Strikes off the wire: every type of the schema, and whatever else may stand there loses no market."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi.rest_market_answers import parse_events, parse_market, parse_markets
from kalshi.simulator.catalogue import build_catalogue
from kalshi.types import Market, Strike, StrikeKind
from tests.kalshi.simulator.customer import START_MS, World
from tests.kalshi.test_rest import MARKET
from tests.kalshi.test_rest_recordings import DEMO, needs_recordings

EVENT = "KXBTCD-26SEP2117"


def strike(ticker: str = f"{EVENT}-T4000", **fields: Any) -> Strike | None:
    listed = {**MARKET, "ticker": ticker, "event_ticker": EVENT, **fields}
    return parse_market(json.dumps({"market": listed}).encode()).strike


def known(kind: str, floor: float | None, cap: float | None) -> Strike:
    return Strike(figure=EVENT, kind=StrikeKind(kind), floor=floor, cap=cap)


@pytest.mark.parametrize(
    ("kind", "floor", "cap", "expected"),
    [
        ("greater", 4000, None, known("greater", 4000, None)),
        ("greater_or_equal", 4000.5, None, known("greater_or_equal", 4000.5, None)),
        ("less", None, 4000, known("less", None, 4000)),
        ("less_or_equal", None, -0.1, known("less_or_equal", None, -0.1)),
        ("between", 4000, 4100, known("between", 4000, 4100)),
        ("between", 4000, 4000, known("between", 4000, 4000)),
        ("greater", 4000, 4100, known("greater", 4000, None)),  # the other bound says nothing
        ("functional", 4000, None, None),
        ("custom", 4000, None, None),
        ("structured", 4000, None, None),
        ("brand_new", 4000, 4100, None),
        ("", 4000, 4100, None),
        (None, 4000, 4100, None),
    ],
)
def test_every_type_of_strike(
    kind: str | None, floor: float | None, cap: float | None, expected: Strike | None
) -> None:
    assert strike(strike_type=kind, floor_strike=floor, cap_strike=cap) == expected


def test_absent_fields_are_no_strike() -> None:
    assert strike() is None
    assert strike(strike_type="greater", cap_strike=1) is None
    assert strike(strike_type="less", floor_strike=1) is None
    assert strike(strike_type="between", floor_strike=1) is None
    assert strike(strike_type="between", floor_strike=2, cap_strike=1) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4000", 4000.0),
        ('"4000"', 4000.0),
        ('"4000.00"', 4000.0),
        ("4000.00", 4000.0),
        ("149999.99", 149_999.99),
        ('"149999.99"', 149_999.99),
        ("-0.25", -0.25),
        ("8.12e-06", 0.00000812),
        ("1e+21", 1e21),
        ("0", 0.0),
    ],
)
def test_a_bound_is_a_number_or_decimal_text(text: str, value: float) -> None:
    body = json.dumps({"market": {**MARKET, "ticker": f"{EVENT}-T1", "event_ticker": EVENT, "strike_type": "greater"}})
    market = parse_market(body.replace('"strike_type"', f'"floor_strike": {text}, "strike_type"').encode())
    assert market.strike == known("greater", value, None)


@pytest.mark.parametrize(
    "text",
    [
        *("null", "true", "[4000]", '{"a": 4000}'),
        *('""', '"4,000"', '"4_000"', '" 4000"', '"nan"', '"inf"', '"$4000"', '"٤"'),
        *("1e400", "1e-400", "9" * 400, "0.12345678901234567", "1234567890123456"),
    ],
)
@pytest.mark.parametrize("field", ["floor_strike", "cap_strike", "strike_type"])
def test_a_malformed_strike_is_none_and_loses_neither_its_market_nor_the_page(field: str, text: str) -> None:
    fields = {"strike_type": '"between"', "floor_strike": "1", "cap_strike": "2"} | {field: text}
    broken = json.dumps({**MARKET, "ticker": f"{EVENT}-T1", "event_ticker": EVENT})
    broken = broken[:-1] + "".join(f', "{name}": {value}' for name, value in fields.items()) + "}"
    markets, _ = parse_markets(f'{{"markets": [{broken}, {json.dumps(MARKET)}], "cursor": ""}}'.encode())
    assert [(market.ticker, market.strike) for market in markets] == [(f"{EVENT}-T1", None), (MARKET["ticker"], None)]


ANY_JSON = st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)


@given(kind=st.just("greater") | ANY_JSON, value=ANY_JSON | st.lists(ANY_JSON, max_size=2))
def test_whatever_stands_in_the_fields_is_a_strike_or_none(kind: object, value: object) -> None:
    found = strike(strike_type=kind, floor_strike=value, cap_strike=value)
    if found is not None:
        assert isinstance(value, float | str)
        assert not isinstance(value, bool)
        assert found == known(str(kind), float(value), None)


def test_what_a_custom_or_functional_strike_says_is_not_said_by_the_bounds() -> None:
    ladder: dict[str, Any] = {"strike_type": "greater", "floor_strike": 0.5}
    assert strike(**ladder, custom_strike={"baseball_player": "73c3c2e2"}) is None
    assert strike(**ladder, functional_strike="min(1, x)") is None
    assert strike(**ladder, custom_strike={}, functional_strike="") == known("greater", 0.5, None)
    assert strike(**ladder, custom_strike=None, functional_strike=None) == known("greater", 0.5, None)


def test_a_scalar_market_settles_anywhere_and_has_no_strike() -> None:
    assert strike(strike_type="greater", floor_strike=1, market_type="scalar") is None


@pytest.mark.parametrize(
    ("ticker", "figure"),
    [
        (f"{EVENT}-T4000", EVENT),
        (f"{EVENT}-T3999.99", EVENT),
        (f"{EVENT}-B4050", EVENT),
        (f"{EVENT}-45", EVENT),
        (f"{EVENT}-AZCCARROLL7-2", f"{EVENT}-AZCCARROLL7"),  # the hits of one player of several
        (f"{EVENT}-DEC31-149999.99", f"{EVENT}-DEC31"),
        (f"{EVENT}-T-0.1", f"{EVENT}-T"),
        (f"{EVENT}-KC3", None),  # a team and its margin: the other team's is another figure
        (f"{EVENT}-UP", None),
        (EVENT, None),
        ("KXOTHER-1-T4000", None),
        (f"{EVENT}X-T4000", None),
    ],
)
def test_the_ticker_before_the_strike_names_the_figure(ticker: str, figure: str | None) -> None:
    found = strike(ticker, strike_type="greater", floor_strike=1)
    assert (None if found is None else found.figure) == figure


@needs_recordings
def test_in_recorded_answers_each_player_of_a_game_is_a_figure_of_its_own() -> None:
    markets: dict[str, Market] = {}
    for name in ("page1", "page2", "page3", "status_closed", "unauth_list", "garbage_cursor"):
        page, _ = parse_markets((DEMO / f"markets__{name}.json").read_bytes())
        markets |= {market.ticker: market for market in page}
    game = "KXMLBHIT-26JUN111310AZMIA"
    hits = [market for market in markets.values() if market.event_ticker == game]
    found = {market.strike.figure for market in hits if market.strike is not None}
    assert found == {f"{game}-{player}" for player in ("AZCCARROLL7", "AZGPERDOMO2", "AZKMARTE4")}
    oil = markets["KXWTIH-26JUN1102-T91.89"]
    assert oil.strike == Strike(figure="KXWTIH-26JUN1102", kind=StrikeKind.GREATER, floor=91.89)
    assert markets["KXMLBHR-26JUN111310AZMIA-AZCCARROLL7-2"].strike is None  # structured


async def test_the_simulated_exchange_lists_its_thresholds_with_strikes_and_its_races_without() -> None:
    world = World(catalogue=build_catalogue(5, START_MS, 2))
    answer = await world.alice.send("GET", "/events?with_nested_markets=true&limit=200")  # held against the schema
    events, _ = parse_events(answer.content)
    by_name = {event.ticker: event for event in events}
    assert len(events) > 50
    for event in world.exchange.core.events.values():
        for listed, market in zip(event.markets, by_name[event.ticker].markets, strict=True):
            if listed.strike_type == "custom" or listed.floor_strike is None:  # nobody knows it before the opening
                assert market.strike is None
            else:
                kind = StrikeKind.GREATER_OR_EQUAL
                assert market.strike == Strike(figure=event.ticker, kind=kind, floor=listed.floor_strike)
    ladders = [event for event in events if sum(market.strike is not None for market in event.markets) > 1]
    assert len(ladders) > 20
    assert not any(event.mutually_exclusive for event in ladders)
