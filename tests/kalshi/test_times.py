"""RFC 3339 and HTTP dates become Unix milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi.times import TimeFormatError, parse_http_date_ms, parse_time_ms

moments = st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2099, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def exact_ms(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(milliseconds=1)


@given(moments, st.integers(0, 6))
def test_any_number_of_fraction_digits_parses_and_is_cut(moment: datetime, digits: int) -> None:
    fraction = f"{moment.microsecond:06d}"[:digits]
    text = moment.strftime("%Y-%m-%dT%H:%M:%S") + (f".{fraction}" if fraction else "") + "Z"
    kept = moment.replace(microsecond=int((fraction or "0").ljust(6, "0")))
    assert parse_time_ms(text) == exact_ms(kept)


@given(moments, st.integers(-14 * 60, 14 * 60))
def test_offsets_are_taken_away(moment: datetime, minutes: int) -> None:
    local = moment.astimezone(timezone(timedelta(minutes=minutes)))
    assert parse_time_ms(local.isoformat(timespec="microseconds")) == exact_ms(moment)


def test_recorded_forms() -> None:
    assert parse_time_ms("2026-06-11T06:20:00Z") == 1_781_158_800_000
    assert parse_time_ms("2026-05-13T16:26:29.52251Z") == parse_time_ms("2026-05-13T16:26:29.522Z")
    assert parse_time_ms("2025-08-12T21:00:32.539836022Z") % 1000 == 539


@pytest.mark.parametrize(
    "text",
    ["", "now", "2026-06-11", "2026-06-11T06:20:00", "2026-13-11T06:20:00Z", "2026-02-30T06:20:00Z",
     "2026-06-11T24:00:00Z", "2026-06-11T06:60:00Z", "2026-06-11T06:20:61Z", "0000-01-01T00:00:00Z",
     "2026-06-11T06:20:00.1234567890Z", "1781159400"],
)  # fmt: skip
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(TimeFormatError):
        parse_time_ms(text)


def test_http_dates_have_whole_seconds() -> None:
    assert parse_http_date_ms("Thu, 11 Jun 2026 06:20:00 GMT") == 1_781_158_800_000
    assert parse_http_date_ms("yesterday") is None
    assert parse_http_date_ms("") is None
    assert parse_http_date_ms("Thu, 99 Jun 99999999999999999999 06:20:00 GMT") is None
