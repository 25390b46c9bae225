"""When the events of a series close: each quarter of an hour, each hour, or on certain days in New York."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Final

import attrs

from kalshi.simulator.timestamps import new_york, new_york_ms

_SATURDAY: Final = 5
# Nothing is listed farther ahead than this; a search for closes ends there.
_DAYS_AHEAD_MAX: Final = 400


@attrs.frozen(kw_only=True)
class Every:
    """Each multiple of `period_ms`: quarters and hours, which are the same in New York and UTC."""

    period_ms: int

    def next_close(self, after_ms: int) -> int:
        """Returns the first close later than `after_ms`."""
        return (after_ms // self.period_ms + 1) * self.period_ms


@attrs.frozen(kw_only=True)
class OnDays:
    """At `hour` (and minute) of New York on the days that `holds` names; it must name one in `_DAYS_AHEAD_MAX`."""

    hour: int
    minute: int = 0
    holds: Callable[[date], bool] = lambda day: True

    def next_close(self, after_ms: int) -> int:
        """Returns the first close later than `after_ms`. Raises ValueError where no day fits."""
        day = new_york(after_ms).date()
        for ahead in range(_DAYS_AHEAD_MAX):
            wanted = day + timedelta(days=ahead)
            close_ms = new_york_ms(wanted, self.hour, self.minute)
            if close_ms > after_ms and self.holds(wanted):
                return close_ms
        raise ValueError("no day of the year fits")


Cycle = Every | OnDays


def daily(hour: int, minute: int = 0) -> OnDays:
    return OnDays(hour=hour, minute=minute)


def weekdays(hour: int) -> OnDays:
    return OnDays(hour=hour, holds=lambda day: day.weekday() < _SATURDAY)


def weekly(weekday: int, hour: int) -> OnDays:
    """Monday is 0."""
    return OnDays(hour=hour, holds=lambda day: day.weekday() == weekday)


def monthly(day_of_month: int, hour: int, months: tuple[int, ...] = ()) -> OnDays:
    """Every month, or only in the months given."""
    return OnDays(hour=hour, holds=lambda day: day.day == day_of_month and (not months or day.month in months))
