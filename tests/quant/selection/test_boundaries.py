"""Just below, at and just above each limit of scored discovery, series, incentives and the toxicity memory."""

from __future__ import annotations

import attrs
import pytest

from kalshi.numbers import CountE2, PriceE4
from quant.selection.discovery import DiscoveryParameters, VolumeBand, rank, refusals, time_penalty
from quant.selection.incentives import IncentiveDiscoveryParameters, rank_incentives
from quant.selection.series import SeriesParameters, select_series_of_today
from quant.selection.toxicity import (
    SUBJECTS_MAX,
    Experience,
    ToxicityMemory,
    ToxicityParameters,
    block_reason,
    remember,
)
from tests.quant.rewards.builders import START_MS
from tests.quant.selection.test_discovery import DAY_MS, GOOD, NOW
from tests.quant.selection.test_incentives import candidate
from tests.quant.selection.test_series import NOW as TODAY
from tests.quant.selection.test_series import game

PARAMETERS = DiscoveryParameters()
HOUR_MS = 3_600_000


def refused(**changes: object) -> bool:
    return bool(refusals(attrs.evolve(GOOD, **changes), NOW, PARAMETERS))  # type: ignore[arg-type]


# -- scored discovery --


@pytest.mark.parametrize(("age_ms", "is_refused"), [(59_999, True), (60_000, False), (60_001, False)])
def test_a_market_is_old_enough_at_a_minute(age_ms: int, is_refused: bool) -> None:
    assert refused(open_time_ms=NOW - age_ms) is is_refused


@pytest.mark.parametrize(
    ("category", "nearest_ms", "farthest_ms"),
    [
        ("Politics", DAY_MS, 60 * DAY_MS),
        ("Sports", HOUR_MS, 7 * DAY_MS),
        ("Rates", DAY_MS, 90 * DAY_MS),
        ("Economics", DAY_MS, 90 * DAY_MS),
        ("Crypto", DAY_MS, 90 * DAY_MS),
    ],
)
def test_a_close_lies_within_its_categorys_window_ends_included(
    category: str, nearest_ms: int, farthest_ms: int
) -> None:
    def is_refused(left_ms: int) -> bool:
        return refused(category=category, close_time_ms=NOW + left_ms)

    assert [is_refused(nearest_ms + step) for step in (-1, 0, 1)] == [True, False, False]
    assert [is_refused(farthest_ms + step) for step in (-1, 0, 1)] == [False, False, True]


@pytest.mark.parametrize(("volume_e2", "is_refused"), [(499_999, True), (500_000, False), (500_001, False)])
def test_a_days_volume_is_enough_at_5000_contracts(volume_e2: int, is_refused: bool) -> None:
    assert refused(volume_24h_e2=CountE2(volume_e2)) is is_refused


@pytest.mark.parametrize(
    ("bid_e4", "ask_e4", "is_refused"),
    [
        (1_400, 1_599, True),
        (1_400, 1_600, False),
        (1_401, 1_600, False),
        (8_400, 8_599, False),
        (8_400, 8_600, False),
        (8_401, 8_600, True),
    ],
)
def test_the_middle_lies_from_15_to_85_cents(bid_e4: int, ask_e4: int, is_refused: bool) -> None:
    assert refused(yes_bid_e4=PriceE4(bid_e4), yes_ask_e4=PriceE4(ask_e4)) is is_refused


@pytest.mark.parametrize(("spread_e4", "is_refused"), [(999, False), (1_000, False), (1_001, True)])
def test_a_spread_is_at_most_ten_cents(spread_e4: int, is_refused: bool) -> None:
    assert refused(yes_bid_e4=PriceE4(4_500), yes_ask_e4=PriceE4(4_500 + spread_e4)) is is_refused


@pytest.mark.parametrize(("bid_e4", "is_refused"), [(5_099, False), (5_100, True), (5_101, True)])
def test_a_locked_book_is_refused_like_a_crossed_one(bid_e4: int, is_refused: bool) -> None:
    assert refused(yes_bid_e4=PriceE4(bid_e4)) is is_refused


@pytest.mark.parametrize(
    ("to_close_ms", "is_whole", "is_nothing"),
    [
        (DAY_MS - 1, True, False),
        (DAY_MS, True, False),
        (DAY_MS + 1, False, False),
        (60 * DAY_MS - 1, False, False),
        (60 * DAY_MS, False, True),
        (60 * DAY_MS + 1, False, True),
    ],
)
def test_the_time_penalty_is_whole_up_to_a_day_and_nothing_from_sixty_on(
    to_close_ms: int, is_whole: bool, is_nothing: bool
) -> None:
    penalty = time_penalty(to_close_ms, PARAMETERS)
    assert (penalty == 1.0, penalty == 0.0) == (is_whole, is_nothing)


@pytest.mark.parametrize(
    ("share", "band"),
    [
        (0.24999, VolumeBand.VERY_LOW),
        (0.25, VolumeBand.LOW),
        (0.49999, VolumeBand.LOW),
        (0.5, VolumeBand.MEDIUM),
        (0.74999, VolumeBand.MEDIUM),
        (0.75, VolumeBand.HIGH),
        (0.75001, VolumeBand.HIGH),
    ],
)
def test_volume_bands_begin_at_their_quarter(share: float, band: VolumeBand) -> None:
    volumes = {"low": 1_000_000, "this": 1_000_000 + round(share * 1_000_000), "high": 2_000_000}
    outcome = rank(
        tuple(attrs.evolve(GOOD, ticker=name, volume_24h_e2=CountE2(volume)) for name, volume in volumes.items()),
        NOW,
        PARAMETERS,
    )
    assert {verdict.ticker: verdict.volume_band for verdict in outcome.verdicts}["this"] is band


@pytest.mark.parametrize(("listed", "selected"), [(3, 3), (4, 4), (5, 4)])
def test_an_event_gives_four_markets(listed: int, selected: int) -> None:
    outcome = rank(tuple(attrs.evolve(GOOD, ticker=str(n)) for n in range(listed)), NOW, PARAMETERS)
    assert len(outcome.selected) == selected


@pytest.mark.parametrize(("listed", "selected"), [(29, 29), (30, 30), (31, 30)])
def test_thirty_markets_are_selected(listed: int, selected: int) -> None:
    candidates = tuple(attrs.evolve(GOOD, ticker=f"{n:02}", event_ticker=f"E{n}") for n in range(listed))
    assert len(rank(candidates, NOW, PARAMETERS).selected) == selected


@pytest.mark.parametrize(("of_best", "taken"), [(6, 6), (7, 7), (8, 7)])
def test_a_category_gives_a_quarter_of_the_places_while_others_have_candidates(of_best: int, taken: int) -> None:
    """A quarter of 30 places, rounded down, is 7."""
    best = tuple(
        attrs.evolve(GOOD, ticker=f"A{n:02}", event_ticker=f"A{n}", volume_24h_e2=CountE2(2_000_000))
        for n in range(of_best)
    )
    rest = tuple(
        attrs.evolve(GOOD, ticker=f"{category[0]}{n:02}", event_ticker=f"{category}{n}", category=category)
        for category in ("Climate", "World", "Science", "Transport")
        for n in range(7)
    )
    selected = rank((*best, *rest), NOW, PARAMETERS).selected
    assert sum(ticker.startswith("A") for ticker in selected) == taken


# -- series and incentives --


@pytest.mark.parametrize(("listed", "selected"), [(15, 15), (16, 16), (17, 16)])
def test_a_series_gives_its_sixteen_greatest(listed: int, selected: int) -> None:
    games = tuple(game(ticker=f"G{n:02}", volume_e2=CountE2(n)) for n in range(listed))
    outcome = select_series_of_today(games, TODAY, SeriesParameters(series_ticker="KXNHLGAME"))
    assert len(outcome.selected) == selected


@pytest.mark.parametrize(("step_ms", "is_selected"), [(-1, False), (0, False), (1, True)])
def test_a_close_that_is_now_has_passed(step_ms: int, is_selected: bool) -> None:
    outcome = select_series_of_today(
        (game(close_time_ms=TODAY + step_ms),), TODAY, SeriesParameters(series_ticker="KXNHLGAME")
    )
    assert bool(outcome.selected) is is_selected


@pytest.mark.parametrize(("listed", "selected"), [(19, 19), (20, 20), (21, 20)])
def test_twenty_incentive_markets_are_selected(listed: int, selected: int) -> None:
    many = tuple(candidate(ticker=f"{n:02}", event_ticker=f"E{n}") for n in range(listed))
    assert len(rank_incentives(many, START_MS, IncentiveDiscoveryParameters()).selected) == selected


@pytest.mark.parametrize(("listed", "selected"), [(3, 3), (4, 4), (5, 4)])
def test_an_event_gives_four_incentive_markets(listed: int, selected: int) -> None:
    many = tuple(candidate(ticker=str(n)) for n in range(listed))
    assert len(rank_incentives(many, START_MS, IncentiveDiscoveryParameters()).selected) == selected


# -- toxicity --

TOXICITY = ToxicityParameters()
TOXIC = Experience(ticker="T", series_ticker="S", at_ms=NOW, contracts=60.0, markout_dollars=-3.0)


def is_blocked(memory: ToxicityMemory, ticker: str = "T", at_ms: int = NOW) -> bool:
    return block_reason(memory, ticker, "S", at_ms) is not None


@pytest.mark.parametrize(("contracts", "blocks"), [(49.99, False), (50.0, True), (50.01, True)])
def test_fifty_contracts_are_enough_to_be_toxic(contracts: float, blocks: bool) -> None:
    seen = attrs.evolve(TOXIC, contracts=contracts, markout_dollars=-10.0)
    assert is_blocked(remember(ToxicityMemory(), seen, TOXICITY)) is blocks


@pytest.mark.parametrize(("cents", "blocks"), [(1.99, False), (2.0, False), (2.01, True)])
def test_a_market_may_lose_two_cents_a_contract(cents: float, blocks: bool) -> None:
    seen = attrs.evolve(TOXIC, contracts=100.0, markout_dollars=-cents)
    assert is_blocked(remember(ToxicityMemory(), seen, TOXICITY)) is blocks


@pytest.mark.parametrize(("factor", "ticker"), [(1.0, "T"), (3.0, "U")])
@pytest.mark.parametrize(("lost", "blocks"), [(24.99, False), (25.0, False), (25.01, True)])
def test_a_market_may_lose_25_dollars_and_a_series_three_times_as_much(
    factor: float, ticker: str, lost: float, blocks: bool
) -> None:
    """U is another market of the same series."""
    seen = attrs.evolve(TOXIC, contracts=0.0, markout_dollars=0.0, pnl_dollars=-lost * factor)
    assert is_blocked(remember(ToxicityMemory(), seen, TOXICITY), ticker) is blocks


@pytest.mark.parametrize(("step_ms", "blocks"), [(-1, True), (0, False), (1, False)])
def test_an_exclusion_lasts_six_hours(step_ms: int, blocks: bool) -> None:
    memory = remember(ToxicityMemory(), TOXIC, TOXICITY)
    assert is_blocked(memory, at_ms=NOW + 6 * HOUR_MS + step_ms) is blocks


@pytest.mark.parametrize(("step_ms", "blocks"), [(-1, True), (0, False), (1, False)])
def test_a_loss_halves_in_a_day(step_ms: int, blocks: bool) -> None:
    """Twenty dollars are ten a day later: with fifteen more that is 25, and a hair more where a day is not over."""
    first = attrs.evolve(TOXIC, contracts=0.0, markout_dollars=0.0, pnl_dollars=-20.0)
    second = attrs.evolve(first, pnl_dollars=-15.0, at_ms=NOW + DAY_MS + step_ms)
    memory = remember(remember(ToxicityMemory(), first, TOXICITY), second, TOXICITY)
    assert is_blocked(memory, at_ms=second.at_ms) is blocks


@pytest.mark.parametrize(("before", "kept"), [(4_998, True), (4_999, True), (5_000, False)])
def test_the_memory_holds_its_5000_subjects(before: int, kept: bool) -> None:
    others = {str(n): attrs.evolve(RECORD, at_ms=NOW) for n in range(before)}
    memory = remember(ToxicityMemory(markets=others), attrs.evolve(TOXIC, contracts=1.0), TOXICITY)
    assert ("0" in memory.markets) is kept
    assert len(memory.markets) <= SUBJECTS_MAX == 5_000


RECORD = remember(ToxicityMemory(), attrs.evolve(TOXIC, contracts=1.0), TOXICITY).markets["T"]
