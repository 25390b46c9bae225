"""One channel of one connection: its number, its sequence, what it hears, the faults that wait for its next frame."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Literal

import attrs

from kalshi.simulator.socket_channels import Channel

if TYPE_CHECKING:
    from kalshi.simulator.socket_session import SocketSession


@attrs.frozen
class FrameFault:
    """What befalls the next data frame: lost after it took its number, or sent twice; `ticker` None means any."""

    kind: Literal["lose", "double"]
    ticker: str | None


@attrs.define(kw_only=True, eq=False)
class Subscription:
    """A subscription; `tickers` None means every market. `ids` are the markets that the client named by id."""

    session: SocketSession
    channel: Channel
    sid: int
    account_id: str
    tickers: dict[str, None] | None
    ids: dict[str, None] = attrs.field(factory=dict)
    names: dict[str, None] = attrs.field(factory=dict)
    yes_price: bool = False
    skip_ack: bool = False
    is_live: bool = True
    seq: int = 0
    unread: int = 0
    faults: deque[FrameFault] = attrs.field(factory=deque)

    def next_seq(self) -> int | None:
        """Returns the number of the next frame, None on a channel that has none."""
        if not self.channel.is_sequenced:
            return None
        self.seq += 1
        return self.seq

    def last_seq(self) -> int:
        """Returns the number of the frame that ends the subscription; every channel's `unsubscribed` has one."""
        self.seq += 1
        return self.seq

    def take_fault(self, ticker: str) -> FrameFault | None:
        """Returns and forgets the fault that is meant for a frame of this market, None where there is none."""
        for fault in self.faults:
            if fault.ticker is None or fault.ticker == ticker:
                self.faults.remove(fault)
                return fault
        return None
