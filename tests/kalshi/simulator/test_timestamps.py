"""Times as recorded on the wire."""

from __future__ import annotations

import pytest

from kalshi.simulator.timestamps import http_date, new_york, rfc3339, ticker_date


@pytest.mark.parametrize(
    ("time_ms", "text"),
    [
        (1_781_159_382_603, "2026-06-11T06:29:42.603Z"),
        (1_781_159_382_600, "2026-06-11T06:29:42.6Z"),
        (1_781_159_382_000, "2026-06-11T06:29:42Z"),
    ],
)
def test_the_fraction_of_a_time_has_no_trailing_zeros(time_ms: int, text: str) -> None:
    assert rfc3339(time_ms) == text


def test_an_http_date_has_whole_seconds() -> None:
    assert http_date(1_781_159_382_603) == "Thu, 11 Jun 2026 06:29:42 GMT"


@pytest.mark.parametrize(
    ("time_ms", "clock"),
    [
        (1_772_953_199_000, "2026-03-08 01:59:59"),  # the last second of standard time
        (1_772_953_200_000, "2026-03-08 03:00:00"),
        (1_793_512_799_000, "2026-11-01 01:59:59"),  # the last second of daylight time
        (1_793_512_800_000, "2026-11-01 01:00:00"),
    ],
)
def test_new_york_changes_its_clock_by_rule(time_ms: int, clock: str) -> None:
    assert new_york(time_ms).strftime("%Y-%m-%d %H:%M:%S") == clock


def test_a_ticker_carries_the_date_of_new_york() -> None:
    assert ticker_date(1_795_150_800_000) == "26NOV20"  # 05:00 UTC is midnight there
    assert ticker_date(1_795_150_799_000) == "26NOV19"
