"""Faults of the socket on demand (kalshi-websocket.md §15, points 14 to 16).

Rules:
1. A fault changes what clients hear, never what happened: books, orders and money are untouched.
2. A lost frame has taken its number, so a client that counts finds the gap; a doubled one comes with the same
   number; a snapshot that is dropped takes none.
3. A fault says how many it struck, so that a scenario can tell a hit from a miss.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from kalshi.simulator.socket_channels import BUFFER_OVERFLOW, CHANNEL_ERROR, CHANNELS
from kalshi.simulator.socket_subscription import FrameFault, Subscription

if TYPE_CHECKING:
    from kalshi.simulator.socket_session import SocketSession


class SocketFaults:
    """The faults that are on, and the strikes."""

    def __init__(self, now_ms: Callable[[], int], sessions: Callable[[], tuple[SocketSession, ...]]) -> None:
        self._now_ms = now_ms
        self._sessions = sessions
        self._snapshots_to_drop = 0
        self._silent_until_ms = 0
        self.ack_delay_ms = 0
        self.is_silent = False
        self.audible = trio.Event()
        self.audible.set()

    def gap(self, channel: str, ticker: str | None = None) -> int:
        """Loses the next data frame of each subscription of the channel; returns how many that hits."""
        return self._strike(channel, FrameFault("lose", ticker))

    def duplicate(self, channel: str, ticker: str | None = None) -> int:
        """Sends the next data frame of each subscription of the channel twice; returns how many that hits."""
        return self._strike(channel, FrameFault("double", ticker))

    def delay_acks_ms(self, delay_ms: int) -> None:
        """Lets every command wait so long before it is carried out and answered; 0 ends that."""
        self.ack_delay_ms = delay_ms

    def drop_snapshots(self, count: int) -> None:
        """Never sends the next `count` snapshots; deltas follow as if they had been sent."""
        self._snapshots_to_drop += count

    def silence(self, seconds: float) -> None:
        """Lets nothing leave for so long, on any connection: no frames, no pings, no answers to pings."""
        self._silent_until_ms = self._now_ms() + round(seconds * 1000)
        if not self.is_silent:
            self.is_silent, self.audible = True, trio.Event()

    def drop_all(self) -> int:
        """Breaks every connection off without a closing handshake; returns how many there were."""
        sessions = self._sessions()
        for session in sessions:
            session.abort()
        return len(sessions)

    def kick_slow(self, channel: str | None = None) -> int:
        """Treats every reader as too slow: error 25 ends the subscriptions of the channel, or all; returns how many."""
        return self._end(channel, BUFFER_OVERFLOW)

    def channel_error(self, channel: str | None = None) -> int:
        """Ends the subscriptions of the channel, or all, with error 10; returns how many."""
        return self._end(channel, CHANNEL_ERROR)

    def takes_snapshot(self) -> bool:
        """Says whether the snapshot that is due now is one that must be missing."""
        if not self._snapshots_to_drop:
            return False
        self._snapshots_to_drop -= 1
        return True

    def tick(self, now_ms: int) -> None:
        """Ends a silence whose time has passed; what waited goes out then."""
        if self.is_silent and now_ms >= self._silent_until_ms:
            self.is_silent = False
            self.audible.set()
            for session in self._sessions():
                session.wake()

    def _strike(self, channel: str, fault: FrameFault) -> int:
        struck = [one for one in self._subscriptions(channel) if _covers(one, fault.ticker)]
        for subscription in struck:
            subscription.faults.append(fault)
        return len(struck)

    def _end(self, channel: str | None, code: int) -> int:
        ended = [one for name in ((channel,) if channel else CHANNELS) for one in self._subscriptions(name)]
        for subscription in ended:
            subscription.session.end_subscription(subscription, code)
        return len(ended)

    def _subscriptions(self, channel: str) -> list[Subscription]:
        found = (session.subscription(channel) for session in self._sessions())
        return [subscription for subscription in found if subscription is not None]


def _covers(subscription: Subscription, ticker: str | None) -> bool:
    return ticker is None or subscription.tickers is None or ticker in subscription.tickers
