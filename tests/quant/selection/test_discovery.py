"""Discovery refuses with every reason, ranks what is left, and does not put everything into one corner."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kalshi.numbers import CountE2, PriceE4
from kalshi.types import MarketStatus
from quant.selection.discovery import (
    Candidate,
    DiscoveryParameters,
    TimeWindow,
    VolumeBand,
    rank,
    ranking,
    refusals,
    time_penalty,
)

NOW = 1_800_000_000_000
DAY_MS = 86_400_000
PARAMETERS = DiscoveryParameters()
GOOD = Candidate(
    ticker="T",
    event_ticker="E",
    category="Politics",
    status=MarketStatus.ACTIVE,
    market_type="binary",
    open_time_ms=NOW - DAY_MS,
    close_time_ms=NOW + 10 * DAY_MS,
    yes_bid_e4=PriceE4(4_900),
    yes_ask_e4=PriceE4(5_100),
    yes_bid_size_e2=CountE2(10_000),
    yes_ask_size_e2=CountE2(10_000),
    volume_24h_e2=CountE2(1_000_000),
)


def with_(**changes: object) -> Candidate:
    return attrs.evolve(GOOD, **changes)  # type: ignore[arg-type]


def test_a_good_market_passes_and_is_selected() -> None:
    outcome = rank((GOOD,), NOW, PARAMETERS)
    assert outcome.selected == ("T",)
    assert outcome.verdicts[0].reasons == ()
    assert outcome.verdicts[0].score is not None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"status": MarketStatus.CLOSED}, "status is closed"),
        ({"status": MarketStatus.UNKNOWN}, "status is unknown"),
        ({"market_type": "scalar"}, "type is scalar"),
        ({"open_time_ms": NOW - 59_000}, "opened too recently"),
        ({"close_time_ms": NOW + DAY_MS - 1}, "closes too soon for politics"),
        ({"close_time_ms": NOW + 61 * DAY_MS}, "closes too late for politics"),
        ({"category": "Sports"}, "closes too late for sports"),
        ({"category": "Niche-Rankings"}, "category niche-rankings is excluded"),
        ({"volume_24h_e2": CountE2(499_999)}, "24-hour volume is too low"),
        ({"yes_bid_e4": None}, "the book is one-sided or empty"),
        ({"yes_ask_e4": None}, "the book is one-sided or empty"),
        ({"yes_ask_e4": PriceE4(4_900)}, "the book is crossed or locked"),
        ({"yes_bid_e4": PriceE4(1_300), "yes_ask_e4": PriceE4(1_600)}, "price is in an extreme band"),
        ({"yes_bid_e4": PriceE4(8_500), "yes_ask_e4": PriceE4(8_600)}, "price is in an extreme band"),
        ({"yes_ask_e4": PriceE4(6_000)}, "spread is too wide"),
        ({"block_reason": "toxic fills last week"}, "toxic fills last week"),
    ],
)
def test_a_market_that_fails_a_filter_is_refused_with_the_reason(changes: dict[str, object], reason: str) -> None:
    verdict = rank((with_(**changes),), NOW, PARAMETERS).verdicts[0]
    assert verdict.reasons == (reason,)
    assert (verdict.score, verdict.volume_band) == (None, None)


def test_every_failed_filter_is_named() -> None:
    assert len(refusals(with_(status=MarketStatus.CLOSED, volume_24h_e2=0, yes_bid_e4=None), NOW, PARAMETERS)) == 3


def test_recent_trades_count_only_where_they_are_known_and_asked_for() -> None:
    strict = attrs.evolve(PARAMETERS, recent_trades_min=3)
    assert refusals(with_(recent_trades=2), NOW, strict) == ("too few recent trades",)
    assert refusals(with_(recent_trades=3), NOW, strict) == refusals(GOOD, NOW, strict) == ()


def test_a_category_has_its_own_time_window() -> None:
    hourly = attrs.evolve(PARAMETERS, windows={"politics": TimeWindow(min_s=600, max_s=7_200)})
    assert refusals(with_(close_time_ms=NOW + 3_600_000), NOW, hourly) == ()


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"volume_24h_e2": CountE2(2_000_000)}, {}),
        ({"recent_volume_1h_e2": CountE2(100)}, {}),
        ({"yes_bid_size_e2": CountE2(20_000)}, {}),
        ({"yes_ask_e4": PriceE4(5_000)}, {}),
        ({"close_time_ms": NOW + 30 * DAY_MS}, {}),
    ],
)
def test_each_feature_counts_in_its_direction(better: dict[str, object], worse: dict[str, object]) -> None:
    pair = (with_(ticker="A-worse", **worse), with_(ticker="Z-better", **better))
    assert rank(pair, NOW, PARAMETERS).selected == ("Z-better", "A-worse")


def test_equal_scores_are_ordered_by_ticker() -> None:
    assert rank((with_(ticker="B"), with_(ticker="A")), NOW, PARAMETERS).selected == ("A", "B")


def test_the_time_penalty_falls_from_one_day_to_sixty() -> None:
    assert time_penalty(DAY_MS // 2, PARAMETERS) == 1.0
    assert time_penalty(61 * DAY_MS, PARAMETERS) == 0.0
    assert time_penalty(int(30.5 * DAY_MS), PARAMETERS) == pytest.approx(0.5)


def test_volume_bands_are_quarters_of_the_span() -> None:
    volumes = [1_000_000, 1_250_001, 1_500_000, 1_750_000, 2_000_000]
    outcome = rank(
        tuple(with_(ticker=str(n), volume_24h_e2=CountE2(volume)) for n, volume in enumerate(volumes)),
        NOW,
        PARAMETERS,
    )
    assert [verdict.volume_band for verdict in outcome.verdicts] == [
        VolumeBand.VERY_LOW,
        VolumeBand.LOW,
        VolumeBand.MEDIUM,
        VolumeBand.HIGH,
        VolumeBand.HIGH,
    ]


def test_one_event_gives_only_its_share_of_markets() -> None:
    outcome = rank(tuple(with_(ticker=str(n)) for n in range(6)), NOW, PARAMETERS)
    assert len(outcome.selected) == 4
    assert outcome.verdicts[5].reasons == ("its event has 4 markets already",)


def test_places_that_stay_free_go_to_the_category_that_had_its_share() -> None:
    candidates = tuple(with_(ticker=f"{n:02}", event_ticker=f"E{n}") for n in range(40))
    outcome = rank(candidates, NOW, PARAMETERS)
    assert len(outcome.selected) == 30
    assert outcome.verdicts[39].reasons == ("not among the best 30",)


def test_no_candidates_give_no_selection() -> None:
    assert rank((), NOW, PARAMETERS) == rank((), NOW + 1, PARAMETERS)
    assert rank((), NOW, PARAMETERS).selected == ()


CATEGORIES = ("Politics", "Entertainment", "Climate", "Financials", "World", "Science")


@settings(max_examples=150)
@given(
    described=st.lists(
        st.tuples(st.sampled_from(CATEGORIES), st.integers(0, 12), st.integers(400_000, 3_000_000)),
        max_size=60,
    ),
    places=st.integers(4, 24),
)
def test_the_selection_spans_four_categories_wherever_four_have_a_candidate(
    described: list[tuple[str, int, int]], places: int
) -> None:
    candidates = tuple(
        with_(
            ticker=f"T{n:03}",
            event_ticker=f"{category}-{event}",
            category=category,
            volume_24h_e2=CountE2(volume),
        )
        for n, (category, event, volume) in enumerate(described)
    )
    outcome = rank(candidates, NOW, attrs.evolve(PARAMETERS, markets_max=places))
    by_ticker = {candidate.ticker: candidate for candidate in candidates}
    passed = [verdict.ticker for verdict in outcome.verdicts if verdict.score is not None]
    available = {by_ticker[ticker].category for ticker in passed}
    taken = {by_ticker[ticker].category for ticker in outcome.selected}
    assert len(taken) >= min(4, len(available))
    assert len(outcome.selected) <= places
    assert len(set(outcome.selected)) == len(outcome.selected)
    scores = {verdict.ticker: verdict.score for verdict in outcome.verdicts}
    ranked = [-(scores[ticker] or 0.0) for ticker in outcome.selected]
    assert ranked == sorted(ranked)
    assert all((verdict.reasons == ()) == (verdict.ticker in outcome.selected) for verdict in outcome.verdicts)


ACTIVITY = attrs.evolve(PARAMETERS, recent_trades_min=3, execution_trades_min=10)


@pytest.mark.parametrize(
    ("trades", "volume_e2", "is_refused"),
    [
        (2, 1_000_000, True),
        (3, 1_000_000, False),
        (None, 1_000_000, False),
        (2, 1_000_001, False),
        (0, 1_000_001, False),
    ],
)
def test_to_be_scored_takes_recent_trades_or_the_daily_volume_that_stands_for_them(
    trades: int | None, volume_e2: int, is_refused: bool
) -> None:
    one = with_(recent_trades=trades, volume_24h_e2=CountE2(volume_e2))
    assert refusals(one, NOW, ACTIVITY) == (("too few recent trades",) if is_refused else ())


@pytest.mark.parametrize(
    ("trades", "reason"),
    [(None, "its recent trades are not known yet"), (9, "too few recent trades to be quoted"), (10, None)],
)
def test_to_be_quoted_takes_more_trades_and_to_know_them(trades: int | None, reason: str | None) -> None:
    outcome = rank((with_(recent_trades=trades, volume_24h_e2=CountE2(2_000_000)),), NOW, ACTIVITY)
    assert outcome.selected == (() if reason else ("T",))
    assert outcome.verdicts[0].reasons == ((reason,) if reason else ())
    assert outcome.verdicts[0].score is not None
    assert outcome.leading == ("T",)  # worth being read about, selected or not


def test_what_is_held_back_takes_no_place_and_leads_all_the_same() -> None:
    held = with_(ticker="A", held_back=("the book is dead",), volume_24h_e2=CountE2(5_000_000))
    outcome = rank((held, GOOD), NOW, attrs.evolve(PARAMETERS, markets_max=1))
    assert outcome.selected == ("T",)
    assert outcome.leading == ("A", "T")
    assert outcome.verdicts[0].reasons == ("the book is dead",)


def test_twice_as_many_lead_as_there_are_places() -> None:
    many = tuple(with_(ticker=f"T{n:03}", event_ticker=f"E{n}") for n in range(50))
    outcome = rank(many, NOW, attrs.evolve(PARAMETERS, markets_max=7))
    assert outcome.leading == tuple(f"T{n:03}" for n in range(14))


def test_many_candidates_are_judged_in_slices_and_in_the_order_of_one_sort() -> None:
    """Runs that are sorted apart are merged: more than two of them, with scores that repeat over the runs."""
    many = tuple(
        with_(ticker=f"T{n * 7919 % 2_500:04}", event_ticker=f"E{n}", volume_24h_e2=CountE2(1_000_000 + n % 50))
        for n in range(2_500)
    )
    parameters = attrs.evolve(PARAMETERS, markets_max=2_500, max_per_category_fraction=1.0)
    steps = ranking(many, NOW, parameters)
    pauses = 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            outcome = end.value
            break
        pauses += 1
    scores = {one.ticker: one.score for one in outcome.verdicts}
    assert list(outcome.selected) == sorted(scores, key=lambda ticker: (-scores[ticker], ticker))
    assert pauses > 2_500 / 250 * 5  # refused, scored, ordered, selected and said in slices of their own
    assert outcome == rank(many, NOW, parameters)
