"""Who pauses the exchange: the operator, the weekly maintenance, a fault. It trades again when nobody does any more.

A trading pause takes no creates and amends, while cancels work and orders rest on; in an exchange pause nothing
works but reads. The maintenance is Thursday 03:00 to 05:00 in New York (kalshi-rest.md §7.1). Only its end is known
beforehand: nobody can say when an operator or a fault has had enough.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final, Literal

from kalshi.simulator.exchange_core import ExchangeCore
from kalshi.simulator.lifecycle import Lifecycle
from kalshi.simulator.timestamps import new_york, new_york_ms

Source = Literal["operator", "maintenance", "fault"]

_THURSDAY: Final = 3
MAINTENANCE_HOURS: Final = (3, 5)
WINDOWS_TOLD: Final = 4


class Pauses:
    """The union of all pauses; it tells the lifecycle only of changes, so that one set there directly stays."""

    def __init__(self, core: ExchangeCore, lifecycle: Lifecycle) -> None:
        self._core = core
        self._lifecycle = lifecycle
        self._trading: set[Source] = set()
        self._exchange: set[Source] = set()

    def set(self, source: Source, *, trading: bool, exchange: bool = False) -> None:
        """States what one source wants now: a pause of trading, or of the whole exchange."""
        before = (bool(self._trading), bool(self._exchange))
        for paused, sources in ((trading, self._trading), (exchange, self._exchange)):
            if paused:
                sources.add(source)
            else:
                sources.discard(source)
        if (bool(self._trading), bool(self._exchange)) != before:
            self._lifecycle.set_pause(trading_active=not self._trading, exchange_active=not self._exchange)

    def resume_ms(self) -> int | None:
        """Returns when the exchange will trade again; None while it trades, and where nobody knows."""
        if self._trading | self._exchange != {"maintenance"}:
            return None
        now_ms = self._core.now_ms()
        return next(end_ms for start_ms, end_ms in maintenance_windows(now_ms, 1) if start_ms <= now_ms)

    def windows(self) -> tuple[tuple[int, int], ...]:
        """Returns start and end of the next weekly windows, the present one included; none where they are off."""
        if not self._core.settings.weekly_maintenance:
            return ()
        return maintenance_windows(self._core.now_ms(), WINDOWS_TOLD)

    def tick(self) -> None:
        """Begins and ends the weekly maintenance, where it is switched on."""
        if self._core.settings.weekly_maintenance:
            self.set("maintenance", trading=in_maintenance(self._core.now_ms()))


def maintenance_windows(now_ms: int, count: int) -> tuple[tuple[int, int], ...]:
    """Returns start and end (ms) of so many weekly windows that are not over yet, soonest first."""
    today = new_york(now_ms).date()
    days = (today + timedelta(days=(_THURSDAY - today.weekday()) % 7 + 7 * week) for week in range(count + 1))
    windows = [tuple(new_york_ms(day, hour) for hour in MAINTENANCE_HOURS) for day in days]
    return tuple((start_ms, end_ms) for start_ms, end_ms in windows if end_ms > now_ms)[:count]


def in_maintenance(now_ms: int) -> bool:
    """Says whether the moment lies in a weekly maintenance window."""
    there = new_york(now_ms)
    first_hour, end_hour = MAINTENANCE_HOURS
    return there.weekday() == _THURSDAY and first_hour <= there.hour < end_hour
