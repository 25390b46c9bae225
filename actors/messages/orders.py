"""Quotes wanted, orders working, and commands to the Wire."""

from __future__ import annotations

import enum

import attrs

from actors.runtime.mailbox import ReplySlot
from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.types import (
    AmendOrder,
    CancelOrder,
    CreateOrder,
    DecreaseOrder,
    Order,
    Side,
)
from quant.orders.commands import CommandClass, OutcomeKind
from quant.orders.desk import STOP_LOSS
from quant.quoting.own_orders import OwnOrder


@attrs.frozen(kw_only=True)
class QuoteTarget:
    """One order that should rest. `filled_max_e2`, where given, is the most that all numbered fills of this side of the
    market, since the Ledger began, may ever come to: however late a wish or a fill is heard of, no order passes it.
    """

    price_e4: PriceE4
    count_e2: CountE2
    filled_max_e2: CountE2 | None = None


@attrs.frozen(kw_only=True)
class TargetQuotes:
    """What a MarketActor wants to have resting in its market; None on a side means: nothing there."""

    ticker: str
    bid: QuoteTarget | None
    ask: QuoteTarget | None
    reasons: tuple[str, ...]
    generation: int  # of the book it was decided on
    sequence: int
    incarnation: int  # of the MarketActor that decided
    decided_at_s: float
    fair_value_e4: PriceE4 | None = None
    position_max_e2: CountE2 | None = None  # the owner's own limit either way: the desk knows of fills before it does

    def side(self, side: Side) -> QuoteTarget | None:
        return self.bid if side is Side.BID else self.ask


@attrs.frozen(kw_only=True)
class WorkingOrder:
    """One of our orders as the desk sees it."""

    client_order_id: str
    side: Side
    price_e4: PriceE4
    remaining_e2: CountE2
    state: str
    is_quote: bool


@attrs.frozen(kw_only=True)
class WorkingOrders:
    """All our orders in one market that are not closed."""

    ticker: str
    orders: tuple[WorkingOrder, ...]

    reasons: tuple[str, ...] = ()  # why a side has no quote, in the desk's words

    def as_own(self, state: str | None = None) -> tuple[OwnOrder, ...]:
        """Returns the orders as strategies take them out of a book: all, or those in one state."""
        return tuple(
            OwnOrder(side=order.side, price_e4=order.price_e4, remaining_e2=order.remaining_e2)
            for order in self.orders
            if state is None or order.state == state
        )


@attrs.frozen(kw_only=True)
class ExitClaim:
    """The stop loss, or a volatility session of that market, takes it over: sell or buy back `count_e2` at `limit_e4`
    or better. Renewed while it stands.
    """

    ticker: str
    claim_id: str
    side: Side
    count_e2: CountE2
    limit_e4: PriceE4
    reason: str
    renewed_at_s: float
    is_done: bool = False  # the claimant releases the market
    claimant: str = STOP_LOSS  # of two claimants the stop loss wins
    loss_e6: MoneyE6 = MoneyE6(0)  # what the position has lost by now, negative for a gain


@attrs.frozen(kw_only=True)
class ExitStatus:
    """How far the exit of one market has come."""

    ticker: str
    claim_id: str
    working: bool
    attempts: int
    last_outcome: str


@attrs.frozen(kw_only=True)
class PermitView:
    """Whether quotes may be made now, and if not, why: the reasons are the ones the decision used."""

    may_quote: bool
    must_withdraw: bool
    reasons: tuple[str, ...]
    decided_at_s: float


@attrs.frozen(kw_only=True)
class PrivateOrderSeen:
    """The exchange streamed the state of one of the account's orders."""

    order: Order


@attrs.frozen(kw_only=True)
class GroupSeen:
    """The exchange streamed an event of an order group."""

    group_id: str
    kind: str
    ts_ms: int


@attrs.frozen(kw_only=True)
class OpenGroup:
    """Make a new order group on a shard: the fence of every quote sent there from now on."""

    exchange_index: int
    contracts_limit_e2: CountE2


@attrs.frozen(kw_only=True)
class CloseOrder:
    """The desk is done with an order for good: the journal may forget it."""

    client_order_id: str
    outcome: str


@attrs.frozen(kw_only=True)
class RaiseIncarnation:
    """A new OrderDesk takes over: commands of older ones that are still unsent come back as never sent."""

    incarnation: int


WireRequest = CreateOrder | AmendOrder | DecreaseOrder | CancelOrder | OpenGroup | CloseOrder | RaiseIncarnation


@attrs.frozen(kw_only=True)
class WireCommand:
    """One order for the Wire. It must have left by `valid_until_s`, or it comes back as never sent."""

    command_id: int
    client_order_id: str  # the order it is about; empty for groups
    incarnation: int
    kind: CommandClass
    valid_until_s: float
    request: WireRequest
    reply: ReplySlot


@attrs.frozen(kw_only=True)
class WireOutcome:
    """What became of a command. `ack` is the exchange's answer where it said yes."""

    command_id: int
    client_order_id: str
    kind: OutcomeKind
    request: WireRequest
    ack: object | None = None
    code: str = ""
    message: str = ""
    server_ms: int = 0  # upper bound of the exchange's time of the answer


class JournaledState(enum.StrEnum):
    """How far the journal knows an order."""

    INTENT = "intent"
    UNKNOWN = "unknown"
    RESTING = "resting"


@attrs.frozen(kw_only=True)
class JournaledOrder:
    """An order of this boot that the journal has not seen closed."""

    request: CreateOrder
    state: JournaledState
    order_id: str | None
    filled_e2: CountE2
    ts_ms: int


@attrs.frozen(kw_only=True)
class Recovered:
    """The Wire's answer to a new OrderDesk: what the journal holds open, and the groups of this boot by shard."""

    orders: tuple[JournaledOrder, ...]
    groups: tuple[tuple[int, str], ...]


@attrs.frozen(kw_only=True)
class WireHealth:
    """How the Wire is: journal, clock, latch, and the groups that we ourselves have shut."""

    journal_healthy: bool
    clock_sane: bool
    clock_offset_ms: int
    latch_open: bool
    shut_groups: tuple[str, ...]
    write_tokens: float  # beside the reserve
    write_reserve: float  # for what reduces
    exits_waiting: int  # for tokens; what has left is paid for
    quotes_waiting: int
    write_refill_per_s: float
    read_refill_per_s: float
    published_at_s: float
    exchange_pause: str = ""  # why nothing can be traded there now; empty while it can


# -- Reads: an actor's REST read is a request to the Wire with a one-shot reply. --


@attrs.frozen(kw_only=True)
class ReadOrders:
    """Orders of the account, newest first; `as_of_ms` is read before the list."""

    ticker: str | None = None
    resting_only: bool = True


@attrs.frozen(kw_only=True)
class OrderList:
    """A list of orders; `as_of_ms` is zero when it could not be read."""

    ticker: str | None  # None: all resting orders
    as_of_ms: int
    orders: tuple[Order, ...]


@attrs.frozen(kw_only=True)
class ReadRequest:
    """A read for the Wire to carry out. The reply is the read's own result class, or `ReadFailed`."""

    read: object
    reply: ReplySlot
    is_urgent: bool = False


@attrs.frozen(kw_only=True)
class FeedRead(ReadRequest):
    """A read for the feed, which waits for nobody: one too many is dropped, and asked again in its time."""


@attrs.frozen(kw_only=True)
class ReadFailed:
    read: object
    reason: str
