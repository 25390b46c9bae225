"""Times as the exchange writes them: RFC 3339 with a trimmed fraction, HTTP dates, and dates in New York.

The New York offset is computed from the rule of 2007 instead of a zone database, because a bare machine may
have none.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from functools import lru_cache
from typing import Final

_SUNDAY: Final = 6
SECONDS_KEPT: Final = 4096  # one answer names the same few moments over and over
MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def utc(time_ms: int) -> datetime:
    """Returns the moment as an aware datetime."""
    return datetime.fromtimestamp(time_ms // 1000, tz=UTC) + timedelta(milliseconds=time_ms % 1000)


def rfc3339(time_ms: int) -> str:
    """Returns "2026-06-11T06:29:42.6Z": trailing zeros of the fraction trimmed, as recorded."""
    second_s, fraction_ms = divmod(time_ms, 1000)
    return _to_the_second(second_s) + (f".{fraction_ms:03d}".rstrip("0") if fraction_ms else "") + "Z"


@lru_cache(maxsize=SECONDS_KEPT)
def _to_the_second(second_s: int) -> str:
    return datetime.fromtimestamp(second_s, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S")


def http_date(time_ms: int) -> str:
    """Returns the moment as an HTTP Date header, which has whole seconds."""
    return format_datetime(utc(time_ms // 1000 * 1000), usegmt=True)


def _nth_sunday(year: int, month: int, nth: int) -> int:
    first_weekday = datetime(year, month, 1, tzinfo=UTC).weekday()
    return 1 + (_SUNDAY - first_weekday) % 7 + 7 * (nth - 1)


def new_york(time_ms: int) -> datetime:
    """Returns the wall clock of New York at that moment (aware, in UTC arithmetic)."""
    moment = utc(time_ms)
    starts = datetime(moment.year, 3, _nth_sunday(moment.year, 3, 2), 7, tzinfo=UTC)
    ends = datetime(moment.year, 11, _nth_sunday(moment.year, 11, 1), 6, tzinfo=UTC)
    return moment - timedelta(hours=4 if starts <= moment < ends else 5)


def ticker_date(time_ms: int) -> str:
    """Returns New York's date as tickers write it: "26NOV20"."""
    day = new_york(time_ms)
    return f"{day.year % 100:02d}{MONTHS[day.month - 1]}{day.day:02d}"


def new_york_ms(day: date, hour: int, minute: int = 0) -> int:
    """Returns the moment at which New York's clock shows that hour and minute of that day."""
    as_utc_ms = int(datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC).timestamp()) * 1000
    offset_ms = as_utc_ms - _milliseconds(new_york(as_utc_ms))
    # The offset is that of a moment some hours off; asked again at the moment found, it is right.
    return as_utc_ms + as_utc_ms + offset_ms - _milliseconds(new_york(as_utc_ms + offset_ms))


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
