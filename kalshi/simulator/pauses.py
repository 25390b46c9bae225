"""Who pauses the exchange: the operator, the weekly maintenance, a fault. It trades again when nobody does any more.

A trading pause takes no creates and amends, while cancels work and orders rest on; in an exchange pause nothing
works but reads. The maintenance is Thursday 03:00 to 05:00 in New York (kalshi-rest.md §7.1).
"""

from __future__ import annotations

from typing import Final, Literal

from kalshi.simulator.exchange_core import ExchangeCore
from kalshi.simulator.lifecycle import Lifecycle
from kalshi.simulator.timestamps import new_york

Source = Literal["operator", "maintenance", "fault"]

_THURSDAY: Final = 3
MAINTENANCE_HOURS: Final = (3, 5)


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

    def tick(self) -> None:
        """Begins and ends the weekly maintenance, where it is switched on."""
        if self._core.settings.weekly_maintenance:
            self.set("maintenance", trading=in_maintenance(self._core.now_ms()))


def in_maintenance(now_ms: int) -> bool:
    """Says whether the moment lies in a weekly maintenance window."""
    there = new_york(now_ms)
    first_hour, end_hour = MAINTENANCE_HOURS
    return there.weekday() == _THURSDAY and first_hour <= there.hour < end_hour
