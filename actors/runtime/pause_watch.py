"""The exchange's own pauses: a refusal says that one has begun, the exchange's status that it is over.

A pause of trading or of the whole exchange (every Thursday night it maintains itself) is no fault of anybody's: the
bot stays up, quotes nothing and says why. Without this each turn would send what can only be refused.

Rejected: asking for the status all the time. The refusal comes in the moment in which it matters, and costs nothing.

Source: Kalshi maintenance and pauses guide; `409 exchange_is_paused` and `trading_is_paused`; `GET /exchange/status`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import trio

from actors.runtime.child import Log
from kalshi.errors import ExchangeError
from kalshi.types import ExchangeStatus

LOOK_EVERY_S: Final = 1.0
PAUSES: Final = {
    "exchange_is_paused": "the exchange is paused: nothing but reads works there",
    "trading_is_paused": "trading is paused by the exchange",
}


class PauseWatch:
    """Knows whether the exchange is paused; `reason` is empty while it is not."""

    def __init__(
        self, read_status: Callable[[], Awaitable[ExchangeStatus]], on_change: Callable[[], None], log: Log
    ) -> None:
        self.reason = ""
        self._read_status = read_status
        self._on_change = on_change
        self._log = log
        self._begun = trio.Event()

    def refused(self, code: str) -> None:
        """Takes in why the exchange refused a command."""
        if code in PAUSES:
            self._change(PAUSES[code])
            self._begun.set()

    async def run(self) -> None:
        """Asks for the status while there is a pause, until cancelled."""
        while True:
            await self._begun.wait()
            await trio.sleep(LOOK_EVERY_S)
            try:
                status = await self._read_status()
            except ExchangeError as error:
                self._log.debug(f"the exchange's status is not known: {error}")
                continue
            if status.exchange_active and status.trading_active:
                self._begun = trio.Event()
                self._change("")
            else:
                self._change(PAUSES["trading_is_paused" if status.exchange_active else "exchange_is_paused"])

    def _change(self, reason: str) -> None:
        if reason != self.reason:
            self.reason = reason
            self._log.info(reason or "the exchange trades again")
            self._on_change()
