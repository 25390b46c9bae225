"""The exchange's calendar day: the date in New York of a moment, by arithmetic.

Daylight saving in New York is on from 02:00 standard time on the second Sunday of March to 02:00 daylight time on the
first Sunday of November (US law since 2007). There is no clock and no time zone file here; the test compares with the
system's zone data.
"""

from __future__ import annotations

import re
from typing import Final

_DAY_MS: Final = 86_400_000
_HOUR_MS: Final = 3_600_000
_STANDARD_MS: Final = -5 * _HOUR_MS
_DAYLIGHT_MS: Final = -4 * _HOUR_MS
_SUNDAY: Final = 3  # 1970-01-01 was a Thursday: days since then modulo 7 are 3 on Sundays
_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
# A date inside a ticker: after a hyphen, as in "-25OCT27TORBOS".
_TICKER_DATE: Final = re.compile(rf"-(\d\d)({'|'.join(_MONTHS)})(\d\d)", re.ASCII)


def exchange_day(time_ms: int) -> int:
    """Returns the New York date of exchange time `time_ms`, as days since 1970-01-01."""
    year = _civil(time_ms // _DAY_MS)[0]
    begins_ms = _nth_sunday(year, 3, 2) * _DAY_MS + 2 * _HOUR_MS - _STANDARD_MS
    ends_ms = _nth_sunday(year, 11, 1) * _DAY_MS + 2 * _HOUR_MS - _DAYLIGHT_MS
    offset_ms = _DAYLIGHT_MS if begins_ms <= time_ms < ends_ms else _STANDARD_MS
    return (time_ms + offset_ms) // _DAY_MS


def day_in_ticker(ticker: str) -> int | None:
    """Returns the date written in a ticker, such as "25OCT27", as days since 1970-01-01, or None."""
    match = _TICKER_DATE.search(ticker)
    if match is None:
        return None
    year, month, day = 2000 + int(match[1]), _MONTHS.index(match[2]) + 1, int(match[3])
    days = _days(year, month, day)
    return days if _civil(days) == (year, month, day) else None


def _nth_sunday(year: int, month: int, nth: int) -> int:
    first = _days(year, month, 1)
    return first + (_SUNDAY - first) % 7 + 7 * (nth - 1)


def _days(year: int, month: int, day: int) -> int:
    """Returns a date of the Gregorian calendar as days since 1970-01-01."""
    shifted = year - (month <= 2)  # years begin in March, so that the leap day comes last
    era, year_of_era = divmod(shifted, 400)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146_097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719_468


def _civil(days: int) -> tuple[int, int, int]:
    """Returns year, month and day of a number of days since 1970-01-01."""
    era, day_of_era = divmod(days + 719_468, 146_097)
    year_of_era = (day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted_month + 2) // 5 + 1
    month = shifted_month + 3 if shifted_month < 10 else shifted_month - 9
    return year_of_era + era * 400 + (month <= 2), month, day
