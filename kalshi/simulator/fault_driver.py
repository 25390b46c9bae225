"""Carries out the faults that are no single request's: pauses, skew, stale reads, the feed's, and the news of fills.

`tick` is called with the exchange's own tick.
"""

from __future__ import annotations

import heapq
from typing import Final, Protocol

from kalshi.simulator.clock import ExchangeClock
from kalshi.simulator.events import Event, FillHappened
from kalshi.simulator.exchange_core import ExchangeCore
from kalshi.simulator.fault_plan import FaultPlan, State
from kalshi.simulator.faults import (
    ChannelError,
    DuplicateFrame,
    FeedFault,
    LostSnapshot,
    SequenceGap,
    Silence,
    SlowConsumerKick,
    SocketDrop,
)
from kalshi.simulator.pauses import Pauses
from kalshi.simulator.read_model import ReadModel

# Fills that are held back at a time; beyond it the oldest are told at once.
LATE_FILLS_MAX: Final = 10_000


class Feed(Protocol):
    """What the WebSocket side can be made to do to its conversations."""

    def take(self, event: Event) -> None:
        """Listens to the exchange."""
        ...

    def fault_gap(self, channel: str, ticker: str | None = None) -> object:
        """Breaks the sequence of the channel once."""
        ...

    def fault_duplicate(self, channel: str, ticker: str | None = None) -> object:
        """Sends the next frame of the channel twice."""
        ...

    def fault_drop_snapshots(self, count: int) -> object:
        """Never sends the next snapshots."""
        ...

    def fault_delay_acks_ms(self, delay_ms: int) -> object:
        """Lets every command wait; 0 ends that."""
        ...

    def fault_channel_error(self) -> object:
        """Ends subscriptions with error 10."""
        ...

    def fault_drop_all(self) -> object:
        """Closes every connection."""
        ...

    def fault_silence(self, seconds: float) -> object:
        """Sends nothing on any connection for so long."""
        ...

    def fault_kick_slow(self) -> object:
        """Ends subscriptions as if their readers were too slow."""
        ...


class FillNews:
    """Stands between the exchange and its feed: tells fills late or twice, everything else at once."""

    def __init__(self, core: ExchangeCore, plan: FaultPlan, feed: Feed) -> None:
        self._core = core
        self._plan = plan
        self._feed = feed
        self._late: list[tuple[int, int, Event]] = []
        self._number = 0

    def take(self, event: Event) -> None:
        """Listens to the exchange."""
        if self._plan.is_idle or not isinstance(event, FillHappened):
            self._feed.take(event)
            return
        fill = event.fill
        plan = self._plan.fill(fill.ticker, self._core.accounts[fill.account_id].key_id)
        for _ in range(plan.copies):
            if plan.delay_ms and len(self._late) < LATE_FILLS_MAX:
                self._number += 1
                heapq.heappush(self._late, (self._core.now_ms() + plan.delay_ms, self._number, event))
            else:
                self._feed.take(event)

    def tick(self) -> None:
        """Tells what is due by now."""
        while self._late and self._late[0][0] <= self._core.now_ms():
            self._feed.take(heapq.heappop(self._late)[2])


class FaultDriver:
    """Applies the plan to the exchange as a whole, tick by tick."""

    def __init__(
        self,
        *,
        plan: FaultPlan,
        clock: ExchangeClock,
        reads: ReadModel,
        pauses: Pauses,
        feed: Feed,
    ) -> None:
        self._plan = plan
        self._clock = clock
        self._reads = reads
        self._pauses = pauses
        self._feed = feed
        self._state = State()

    def tick(self) -> None:
        """Does what is due by now."""
        state = State() if self._plan.is_idle else self._plan.state()
        if state != self._state:
            self._apply(state)
        if not self._plan.is_idle:
            for fault in self._plan.due_feed_faults():
                self._strike(fault)

    def _apply(self, state: State) -> None:
        self._state = state
        self._clock.skew_ms = state.skew_ms
        self._reads.extra_lag_ms = state.read_lag_ms
        self._feed.fault_delay_acks_ms(state.ack_delay_ms)
        self._pauses.set("fault", trading=state.trading_paused, exchange=state.exchange_paused)

    def _strike(self, fault: FeedFault) -> None:
        match fault:
            case SocketDrop():
                self._feed.fault_drop_all()
            case Silence(lasts_s=lasts_s):
                self._feed.fault_silence(lasts_s)
            case SequenceGap(channel=channel):
                self._feed.fault_gap(channel)
            case DuplicateFrame(channel=channel):
                self._feed.fault_duplicate(channel)
            case LostSnapshot():
                self._feed.fault_drop_snapshots(1)
            case ChannelError():
                self._feed.fault_channel_error()
            case SlowConsumerKick():
                self._feed.fault_kick_slow()
            case _:
                raise AssertionError(f"{fault.kind} is no fault of the feed")
