"""What the exchange tells its listeners (read model, socket hub, tape), synchronously and in order.

`account_id` is None on public events. Orders and positions inside events are copies. A listener names the kinds that it
wants, and the exchange makes no event that nobody hears. The kinds that every operation makes are named tuples, which
cost a seventh of a frozen attrs class to make.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, get_args

import attrs

from kalshi.simulator.accounts import Position
from kalshi.simulator.orders import Fill, Order, Trade
from kalshi.types import Side


class BookDelta(NamedTuple):
    """The size resting at one price changed; `side` is the side of the resting orders."""

    ticker: str
    side: Side
    price_e4: int
    delta_e2: int
    ts_ms: int
    account_id: str | None
    client_order_id: str | None


class TradeHappened(NamedTuple):
    trade: Trade


class FillHappened(NamedTuple):
    fill: Fill


class OrderChanged(NamedTuple):
    order: Order


class PositionChanged(NamedTuple):
    account_id: str
    position: Position
    ts_ms: int


class CashChanged(NamedTuple):
    account_id: str
    cash_by_shard_e6: Mapping[int, int]
    ts_ms: int


@attrs.frozen(kw_only=True)
class Settled:
    """One position was paid out; counts and costs are those before the payout."""

    account_id: str
    ticker: str
    exchange_index: int
    result: str
    settlement_value_e4: int
    position_e2: int
    cost_e6: int
    fees_e6: int
    revenue_e6: int
    ts_ms: int


@attrs.frozen(kw_only=True)
class GroupChanged:
    """`kind` is created, triggered, reset, deleted or limit_updated."""

    account_id: str
    group_id: str
    kind: str
    limit_e2: int | None
    ts_ms: int


@attrs.frozen(kw_only=True)
class MarketChanged:
    """A market's life went on; `kind` in the words of the lifecycle channel, or "closed", which is never sent there."""

    ticker: str
    kind: str
    ts_ms: int


@attrs.frozen(kw_only=True)
class EventListed:
    """A new event is listed; its markets follow as `MarketChanged` of the kind "created"."""

    event_ticker: str
    ts_ms: int


@attrs.frozen(kw_only=True)
class EventFeesChanged:
    """An event has fees of its own from now on; None where it goes back to those of its series."""

    event_ticker: str
    fee_type: str | None
    fee_multiplier_e4: int | None
    ts_ms: int


@attrs.frozen(kw_only=True)
class BookEmptied:
    """Some seconds after close the exchange sends an empty snapshot unasked."""

    ticker: str


Event = (
    BookDelta
    | TradeHappened
    | FillHappened
    | OrderChanged
    | PositionChanged
    | CashChanged
    | Settled
    | GroupChanged
    | MarketChanged
    | EventListed
    | EventFeesChanged
    | BookEmptied
)

Listener = Callable[[Event], None]

KINDS: Final[tuple[type, ...]] = get_args(Event)


class Listeners:
    """Who hears what; within a kind in the order in which they came."""

    def __init__(self) -> None:
        self._by_kind: dict[type, list[Listener]] = {kind: [] for kind in KINDS}

    def append(self, listener: Listener, *kinds: type) -> None:
        """Lets `listener` hear these kinds, all of them where none is named."""
        for kind in kinds or KINDS:
            self._by_kind[kind].append(listener)

    def of(self, kind: type) -> list[Listener]:
        """Returns the listeners of one kind: the list itself, which later ones join."""
        return self._by_kind[kind]
