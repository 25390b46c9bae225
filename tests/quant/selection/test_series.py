"""A series of today by volume, and explicit choices in the order in which they were made, each with its reasons."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import attrs
import pytest

from kalshi.numbers import CountE2
from kalshi.types import MarketStatus
from quant.selection.series import (
    FROM_TICKER,
    ListedMarket,
    SelectionVerdict,
    SeriesParameters,
    select_event,
    select_pair,
    select_series_of_today,
    select_tickers,
)

NEW_YORK = ZoneInfo("America/New_York")


def at(day: int, hour: int, minute: int = 0, second: int = 0) -> int:
    """Exchange time of a New York moment in November 2026."""
    return int(datetime(2026, 11, day, hour, minute, second, tzinfo=NEW_YORK).timestamp() * 1000)


NOW = at(26, 12)
PARAMETERS = SeriesParameters(series_ticker="KXNHLGAME")
GAME = ListedMarket(
    ticker="KXNHLGAME-26NOV26TORBOS-TOR",
    event_ticker="KXNHLGAME-26NOV26TORBOS",
    series_ticker="KXNHLGAME",
    status=MarketStatus.ACTIVE,
    close_time_ms=at(26, 23),
    volume_e2=CountE2(1_000),
)


def game(**changes: object) -> ListedMarket:
    return attrs.evolve(GAME, **changes)  # type: ignore[arg-type]


def verdict(market: ListedMarket, parameters: SeriesParameters = PARAMETERS) -> SelectionVerdict:
    return select_series_of_today((market,), NOW, parameters).verdicts[0]


@pytest.mark.parametrize(
    ("strike_ms", "close_ms", "is_selected"),
    [
        (at(26, 0), at(30, 0), True),
        (at(26, 23, 59, 59), at(30, 0), True),
        (at(27, 0), at(26, 23), False),
        (at(25, 23, 59, 59), at(26, 23), False),
        (None, at(26, 23, 59, 59), True),
    ],
)
def test_the_strike_date_decides_and_else_the_close(strike_ms: int | None, close_ms: int, is_selected: bool) -> None:
    """The ticker's date is today's in all of these, and does not overrule a strike date."""
    found = verdict(game(strike_date_ms=strike_ms, close_time_ms=close_ms))
    assert (found.is_selected, found.reasons) == (is_selected, () if is_selected else ("its event is not today",))


def test_today_is_the_day_in_new_york_and_not_in_utc() -> None:
    evening = at(26, 23)  # 04:00 UTC of the 27th
    market = game(strike_date_ms=at(26, 20), close_time_ms=at(30, 0))
    assert select_series_of_today((market,), evening, PARAMETERS).selected == (market.ticker,)


def test_the_date_in_the_ticker_is_a_recorded_fallback_that_can_be_switched_off() -> None:
    late = game(close_time_ms=at(30, 0))
    assert verdict(late) == SelectionVerdict(ticker=late.ticker, is_selected=True, reasons=(FROM_TICKER,))
    strict = attrs.evolve(PARAMETERS, is_ticker_date_used=False)
    assert verdict(late, strict).reasons == ("its event is not today",)
    other_day = game(ticker="KXNHLGAME-26NOV27TORBOS-TOR", close_time_ms=at(30, 0))
    assert verdict(other_day).reasons == ("its event is not today",)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"status": MarketStatus.CLOSED}, "status is closed"),
        ({"block_reason": "toxic"}, "toxic"),
        ({"close_time_ms": NOW}, "its close has passed"),
    ],
)
def test_a_market_that_cannot_be_quoted_is_refused(changes: dict[str, object], reason: str) -> None:
    assert verdict(game(**changes)).reasons == (reason,)


@pytest.mark.parametrize(("volume", "is_selected"), [(999, False), (1_000, True)])
def test_a_least_volume_may_be_asked_for(volume: int, is_selected: bool) -> None:
    asking = attrs.evolve(PARAMETERS, volume_min_e2=1_000)
    assert verdict(game(volume_e2=CountE2(volume)), asking).is_selected is is_selected


def test_the_greatest_volumes_are_taken_and_ties_go_by_ticker() -> None:
    games = tuple(game(ticker=f"G{n:02}", volume_e2=CountE2(n // 2)) for n in range(18))
    outcome = select_series_of_today(games, NOW, PARAMETERS)
    assert len(outcome.selected) == 16
    assert outcome.selected[:3] == ("G16", "G17", "G14")
    assert outcome.verdicts[0].reasons == ("not among the 16 of the greatest volume",)
    assert select_series_of_today(games[::-1], NOW, PARAMETERS).selected == outcome.selected


def test_other_series_are_not_looked_at() -> None:
    assert select_series_of_today((game(series_ticker="KXNBAGAME"),), NOW, PARAMETERS).verdicts == ()


PAIR = (
    game(ticker="A", event_ticker="E"),
    game(ticker="B", event_ticker="E"),
    game(ticker="C", event_ticker="F"),
)


def test_explicit_tickers_keep_their_order_and_missing_ones_are_named() -> None:
    outcome = select_tickers(PAIR, ("C", "nowhere", "A", "C"))
    assert outcome.selected == ("C", "A")
    assert outcome.verdicts[1] == SelectionVerdict(
        ticker="nowhere", is_selected=False, reasons=("the exchange does not list it",)
    )
    closed = (game(ticker="A", status=MarketStatus.CLOSED),)
    assert select_tickers(closed, ("A",)).verdicts[0].reasons == ("status is closed",)


def test_a_whole_event_is_every_outcome_of_it() -> None:
    assert select_event(reversed(PAIR), "E").selected == ("A", "B")
    assert select_event(PAIR, "G").verdicts[0].reasons == ("the exchange does not list it",)


def test_a_pair_is_both_outcomes_with_the_one_asked_for_first() -> None:
    assert select_pair(PAIR, "B").selected == ("B", "A")


def test_a_pair_is_taken_whole_or_not_at_all() -> None:
    broken = (PAIR[0], attrs.evolve(PAIR[1], status=MarketStatus.CLOSED))
    outcome = select_pair(broken, "A")
    assert outcome.selected == ()
    assert [one.reasons for one in outcome.verdicts] == [("its other outcome is refused",), ("status is closed",)]
    assert select_pair(PAIR, "C").verdicts[0].reasons == ("its event has 1 outcomes and is no pair",)
    three = (*PAIR, game(ticker="D", event_ticker="E"))
    assert select_pair(three, "A").verdicts[0].reasons == ("its event has 3 outcomes and is no pair",)
    assert select_pair(PAIR, "nowhere").verdicts[0].reasons == ("the exchange does not list it",)
