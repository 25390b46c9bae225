"""C6, C6.x: which markets are watched. Every filter's boundary itself passes; the most active keep their places."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi.numbers import CountE2, PriceE4
from kalshi.types import MarketStatus
from quant.selection.volatility_tracking import (
    FullScan,
    Listing,
    TrackingParameters,
    activity,
    add_page,
    refusals,
    too_many,
)
from tests.quant.selection.volatility_builders import HOUR_MS, LIVELY, NOW_MS, listing

PARAMETERS = TrackingParameters()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"status": MarketStatus.CLOSED}, "status is closed"),
        ({"market_type": "scalar"}, "type is scalar"),
        ({"category": "Sports"}, "category is excluded"),
        ({"volume_24h_e2": CountE2(499_999)}, "volume of 24 hours is too low"),
        ({"last_trade_age_s": 1_800.1}, "no trade for too long"),
        ({"yes_bid_e4": None}, "the book is one-sided, empty or crossed"),
        ({"yes_ask_e4": None}, "the book is one-sided, empty or crossed"),
        ({"yes_ask_e4": PriceE4(4_900)}, "the book is one-sided, empty or crossed"),
        ({"yes_ask_e4": PriceE4(5_901)}, "spread is too wide"),
        ({"close_time_ms": NOW_MS + 24 * HOUR_MS + 1}, "closes too late"),
        ({"close_time_ms": NOW_MS + 480_000 - 1}, "closes too soon"),
    ],
)
def test_each_filter_refuses_past_its_boundary(changes: dict[str, Any], reason: str) -> None:
    assert refusals(listing(**changes), NOW_MS, PARAMETERS) == (reason,)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"volume_24h_e2": CountE2(500_000)},
        {"last_trade_age_s": 1_800.0},
        {"yes_ask_e4": PriceE4(5_900)},
        {"close_time_ms": NOW_MS + 24 * HOUR_MS},
        {"close_time_ms": NOW_MS + 480_000},
    ],
)
def test_the_boundary_itself_passes(changes: dict[str, Any]) -> None:
    assert refusals(listing(**changes), NOW_MS, PARAMETERS) == ()


def test_every_failed_filter_is_named() -> None:
    bad = listing(category="sports", volume_24h_e2=CountE2(0), close_time_ms=NOW_MS)
    assert refusals(bad, NOW_MS, PARAMETERS) == (
        "category is excluded",
        "volume of 24 hours is too low",
        "closes too soon",
    )


def test_volume_size_and_recent_trades_make_a_market_active_and_a_wide_spread_less_so() -> None:
    usual = activity(LIVELY, PARAMETERS)
    assert activity(listing(volume_24h_e2=CountE2(9_000_000)), PARAMETERS) > usual
    assert activity(listing(yes_bid_size_e2=CountE2(100), yes_ask_size_e2=CountE2(90_000)), PARAMETERS) < usual
    assert (
        activity(listing(last_trade_age_s=1.0), PARAMETERS)
        > usual
        > activity(listing(last_trade_age_s=1_700.0), PARAMETERS)
    )
    assert activity(listing(yes_ask_e4=PriceE4(5_500)), PARAMETERS) < usual


@pytest.mark.parametrize(
    ("changes", "score"),
    [
        ({}, 0.0),
        ({"volume_24h_e2": CountE2(100_000_000)}, 0.4),
        ({"volume_24h_e2": CountE2(100_000_100)}, 0.4),
        ({"yes_bid_size_e2": CountE2(1_000_000), "yes_ask_size_e2": CountE2(2_000_000)}, 0.25),
        ({"last_trade_age_s": 0.0}, 0.2),
        ({"last_trade_age_s": 900.0}, 0.1),
        ({"yes_bid_e4": PriceE4(4_000)}, -0.15),
    ],
)
def test_each_part_of_activity_has_its_weight_when_it_is_full(changes: dict[str, Any], score: float) -> None:
    nothing: dict[str, Any] = {
        "volume_24h_e2": 0,
        "yes_bid_size_e2": 0,
        "yes_ask_size_e2": 0,
        "last_trade_age_s": 1_800.0,
    }
    bare = listing(**nothing | {"yes_bid_e4": PriceE4(5_000), "yes_ask_e4": PriceE4(5_000)} | changes)
    assert activity(bare, PARAMETERS) == pytest.approx(score)


def many(count: int, **changes: Any) -> list[Listing]:
    """Markets whose activity falls with their number."""
    return [
        listing(ticker=f"M{number:05}", volume_24h_e2=CountE2(5_000_000 - 10 * number), **changes)
        for number in range(count)
    ]


def test_the_most_active_two_hundred_are_watched_whatever_the_pages() -> None:
    markets = many(450)
    whole, verdicts = add_page(FullScan(), reversed(markets), frozenset(), NOW_MS, PARAMETERS)
    assert [scored.listing.ticker for scored in whole.best] == [market.ticker for market in markets[:200]]
    assert whole.looked_at == whole.passed == 450
    last = {verdict.ticker: verdict.reasons for verdict in verdicts}
    assert last["M00199"] == ()
    assert last["M00200"] == (too_many(PARAMETERS),)
    paged = FullScan()
    for start in range(0, 450, 7):
        paged, _ = add_page(paged, markets[start : start + 7], frozenset(), NOW_MS, PARAMETERS)
    assert paged == whole


@given(st.permutations(range(12)), st.integers(1, 12))
def test_the_order_of_pages_changes_nothing(order: list[int], page: int) -> None:
    parameters = attrs.evolve(PARAMETERS, tracked_max=5)
    markets = many(12)
    scan = FullScan()
    told: dict[str, tuple[str, ...]] = {}
    for start in range(0, 12, page):
        listings = [markets[number] for number in order[start : start + page]]
        scan, verdicts = add_page(scan, listings, frozenset(), NOW_MS, parameters)
        told |= {verdict.ticker: verdict.reasons for verdict in verdicts}
    assert [scored.listing.ticker for scored in scan.best] == [f"M{number:05}" for number in range(5)]
    # The last word on each market is right, also where it had a place for a while.
    assert {ticker for ticker, reasons in told.items() if not reasons} == {f"M{number:05}" for number in range(5)}


def test_what_is_refused_is_counted_by_its_first_reason_and_takes_no_place() -> None:
    page = [*many(3), listing(ticker="S", category="sports"), listing(ticker="T", category="sports")]
    scan, verdicts = add_page(FullScan(), page, frozenset(), NOW_MS, PARAMETERS)
    assert (scan.passed, scan.refused) == (3, (("category is excluded", 2),))
    assert {v.ticker for v in verdicts if v.reasons} == {"S", "T"}


def test_who_is_watched_already_keeps_its_place_against_a_hair_and_not_against_more() -> None:
    parameters = attrs.evolve(PARAMETERS, tracked_max=1)
    better = listing(ticker="B", volume_24h_e2=CountE2(5_100_000))
    much_better = listing(ticker="B", volume_24h_e2=CountE2(60_000_000))
    for rival, winner in ((better, "A"), (much_better, "B")):
        scan, _ = add_page(FullScan(), [LIVELY, rival], {"A"}, NOW_MS, parameters)
        assert [scored.listing.ticker for scored in scan.best] == [winner]
    scan, _ = add_page(FullScan(), [LIVELY, better], frozenset(), NOW_MS, parameters)
    assert scan.best[0].listing.ticker == "B"


@pytest.mark.parametrize(("step", "winner"), [(-1e-9, "B"), (1e-9, "A")])
def test_a_rival_must_be_ahead_by_more_than_the_margin(step: float, winner: str) -> None:
    rival = listing(ticker="B", volume_24h_e2=CountE2(9_000_000))
    ahead = activity(rival, PARAMETERS) - activity(LIVELY, PARAMETERS)
    parameters = attrs.evolve(PARAMETERS, tracked_max=1, stay_margin=ahead + step)
    scan, _ = add_page(FullScan(), [LIVELY, rival], {"A"}, NOW_MS, parameters)
    assert [scored.listing.ticker for scored in scan.best] == [winner]


def test_a_market_that_two_pages_show_counts_once() -> None:
    scan, _ = add_page(FullScan(), [LIVELY], frozenset(), NOW_MS, PARAMETERS)
    scan, _ = add_page(scan, [LIVELY], frozenset(), NOW_MS, PARAMETERS)
    assert len(scan.best) == 1
