"""The New York date by arithmetic agrees with the system's zone data."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quant.selection.exchange_day import day_in_ticker, exchange_day

NEW_YORK = ZoneInfo("America/New_York")
EPOCH = date(1970, 1, 1)


def by_zone_data(time_ms: int) -> int:
    local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)).astimezone(NEW_YORK)
    return (local.date() - EPOCH).days


@settings(max_examples=200)
@given(moment=st.datetimes(datetime(2007, 4, 1), datetime(2037, 12, 30)))  # noqa: DTZ001 - made aware below
def test_the_date_is_that_of_the_zone_data(moment: datetime) -> None:
    time_ms = int(moment.replace(tzinfo=UTC).timestamp() * 1000)
    assert exchange_day(time_ms) == by_zone_data(time_ms)


@pytest.mark.parametrize("year", range(2007, 2038))
def test_every_midnight_around_the_changes_is_met_to_the_millisecond(year: int) -> None:
    for month in (1, 3, 11):
        for day in range(1, 16):
            midnight = datetime(year, month, day, tzinfo=NEW_YORK).astimezone(UTC)
            time_ms = int(midnight.timestamp() * 1000)
            for moment_ms in (time_ms - 1, time_ms):
                assert exchange_day(moment_ms) == by_zone_data(moment_ms)


@pytest.mark.parametrize(
    ("ticker", "expected"),
    [
        ("KXNHLGAME-25OCT27TORBOS-TOR", date(2025, 10, 27)),
        ("KXHIGHNY-24FEB29-T50", date(2024, 2, 29)),
        ("KXHIGHNY-25FEB29-T50", None),
        ("KXNHLGAME-25OKT27TORBOS", None),
        ("KXFED-26DEC-T4", None),
        ("25OCT27", None),
    ],
)
def test_a_date_in_a_ticker_is_read_only_if_there_is_such_a_day(ticker: str, expected: date | None) -> None:
    assert day_in_ticker(ticker) == (None if expected is None else (expected - EPOCH).days)
