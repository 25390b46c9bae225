"""Times as the exchange writes them: RFC 3339 with up to nine fraction digits, and HTTP dates.

No clock is read here.

Source: recorded answers of 2026-06-11 ("…42.60323Z", "06:20:00Z"): trailing zeros of the fraction are
trimmed.
"""

from __future__ import annotations

import calendar
import re
from email.utils import parsedate_tz
from functools import lru_cache
from typing import Final

# Markets of a list open and close together: their times repeat.
_TIME_TEXTS_MAX: Final = 4_096

_RFC3339: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII
)


class TimeFormatError(ValueError):
    """The other side sent text that is no time."""


@lru_cache(maxsize=_TIME_TEXTS_MAX)
def parse_time_ms(text: str) -> int:
    """Returns an RFC 3339 time as Unix milliseconds, cut, not rounded. Raises TimeFormatError."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise TimeFormatError(f"expected an RFC 3339 time, found {text[:40]!r}")
    year, month, day, hour, minute, second = (int(match[group]) for group in range(1, 7))
    if not (1 <= month <= 12 and 1 <= day <= calendar.monthrange(max(year, 1), month)[1]):
        raise TimeFormatError(f"there is no such day: {text[:40]!r}")
    if year < 1 or hour > 23 or minute > 59 or second > 60:
        raise TimeFormatError(f"there is no such time of day: {text[:40]!r}")
    seconds = calendar.timegm((year, month, day, hour, minute, second))
    if match[8]:
        offset_s = int(match[9]) * 3600 + int(match[10]) * 60
        seconds -= offset_s if match[8] == "+" else -offset_s
    return seconds * 1000 + int((match[7] or "0").ljust(3, "0")[:3])


def parse_http_date_ms(text: str) -> int | None:
    """Returns an HTTP `Date` header as Unix milliseconds (whole seconds), or None where it is no date."""
    parts = parsedate_tz(text)
    if parts is None:
        return None
    try:
        return (calendar.timegm(parts[:6]) - (parts[9] or 0)) * 1000
    except (ValueError, OverflowError):
        return None
