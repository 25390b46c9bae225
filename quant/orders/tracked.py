"""One order's life, from the intent to the moment when nothing of it can surprise us any more.

    SENT ----> RESTING ----> ENDED ----> CLOSED
      \\----> UNKNOWN --/

Rules:
1. Every order counts with all that may still fill (`open_e2`) until it is CLOSED: filled and resting parts,
   commands in flight at their larger size, unknown orders in full (I8).
2. UNKNOWN means: the create may or may not have landed. It ends by the private channel, by a list, or by
   repeating the *same* client id: 201 proves that the first never landed, 409 `order_already_exists` that it
   did. Nothing else proves anything.
3. An unknown amend or decrease is ended only by cancelling the order; an unknown cancel by repeating it.
4. ENDED means: certainly not resting any more. It becomes CLOSED when the numbered fills are complete past
   its end, so that a late fill always finds its order.
"""

from __future__ import annotations

import enum

import attrs

from kalshi.numbers import CountE2, PriceE4
from kalshi.types import (
    AmendAck,
    AmendOrder,
    CancelAck,
    CancelOrder,
    CreateAck,
    CreateOrder,
    DecreaseAck,
    DecreaseOrder,
    Order,
    OrderStatus,
    Side,
)
from quant.orders.commands import CommandOutcome, OrderRequest, OutcomeKind

ALREADY_EXISTS = "order_already_exists"
# Answers to a cancel, amend or decrease that say that the order rests no longer.
GONE_CODES = frozenset({"not_found", "cannot_update_filled_order", "market_not_found"})


class OrderState(enum.StrEnum):
    SENT = "sent"
    UNKNOWN = "unknown"
    RESTING = "resting"
    ENDED = "ended"
    CLOSED = "closed"


@attrs.define(kw_only=True)
class TrackedOrder:
    """The desk's record of one order. Counts are totals since its creation; times as their names say."""

    request: CreateOrder
    is_quote: bool
    state: OrderState = OrderState.SENT
    order_id: str | None = None
    price_e4: PriceE4 = attrs.field(default=attrs.Factory(lambda self: self.request.price_e4, takes_self=True))
    count_e2: CountE2 = attrs.field(default=attrs.Factory(lambda self: self.request.count_e2, takes_self=True))
    expiry_ts_s: int | None = attrs.field(
        default=attrs.Factory(lambda self: self.request.expiration_ts_s, takes_self=True)
    )
    filled_seen_e2: CountE2 = CountE2(0)  # as the exchange says
    filled_booked_e2: CountE2 = CountE2(0)  # as the numbered fills say
    filled_final_e2: CountE2 | None = None
    pending: OrderRequest | None = None  # the one command in flight
    must_cancel: bool = False
    has_landed: bool = False  # a 409 proved that an unknown create did land
    unknown_since_s: float | None = None
    next_try_s: float = 0.0  # no repeat of an unknown create, nor of a failed cancel, before
    last_change_ms: int = 0  # exchange time of the newest thing known of it
    ended_ms: int | None = None
    outcome: str = ""

    @property
    def client_order_id(self) -> str:
        return self.request.client_order_id

    @property
    def ticker(self) -> str:
        return self.request.ticker

    @property
    def side(self) -> Side:
        return self.request.side

    @property
    def is_live(self) -> bool:
        """Whether it rests, or may rest."""
        return self.state in (OrderState.SENT, OrderState.UNKNOWN, OrderState.RESTING)

    @property
    def count_worst_e2(self) -> CountE2:
        """The largest total that the exchange may hold for it, commands in flight included."""
        match self.pending:
            case AmendOrder(total_count_e2=total):
                return max(self.count_e2, total)
            case CreateOrder(count_e2=count):
                return max(self.count_e2, count)
            case _:
                return self.count_e2

    def price_extremes_e4(self) -> tuple[PriceE4, PriceE4]:
        """The lowest and highest price at which it may rest now, commands in flight included."""
        match self.pending:
            case AmendOrder(price_e4=price) | CreateOrder(price_e4=price):
                return min(self.price_e4, price), max(self.price_e4, price)
            case _:
                return self.price_e4, self.price_e4

    @property
    def open_e2(self) -> CountE2:
        """What may still fill beyond the booked fills (rule 1)."""
        if self.state is OrderState.CLOSED:
            return CountE2(0)
        total = self.filled_final_e2 if self.filled_final_e2 is not None else self.count_worst_e2
        return CountE2(max(0, total - self.filled_booked_e2))

    @property
    def remaining_e2(self) -> CountE2:
        """What rests, as far as known."""
        if not self.is_live:
            return CountE2(0)
        return CountE2(max(0, self.count_e2 - max(self.filled_seen_e2, self.filled_booked_e2)))

    # -- events --

    def command_sent(self, request: OrderRequest) -> None:
        """A command about this order was given to the Wire."""
        self.pending = request

    def command_answered(self, outcome: CommandOutcome, *, now_s: float, retry_s: float) -> None:
        """The Wire told what became of the command in flight."""
        self.pending = None
        match outcome.request:
            case CreateOrder():
                self._create_answered(outcome, now_s=now_s, retry_s=retry_s)
            case AmendOrder() | DecreaseOrder():
                self._change_answered(outcome, now_s=now_s, retry_s=retry_s)
            case CancelOrder():
                self._cancel_answered(outcome, now_s=now_s, retry_s=retry_s)

    def _create_answered(self, outcome: CommandOutcome, *, now_s: float, retry_s: float) -> None:
        request, ack = outcome.request, outcome.ack
        assert isinstance(request, CreateOrder)
        if not self.is_live or self.state is OrderState.RESTING:
            return  # the private channel was faster
        is_repeat = self.state is OrderState.UNKNOWN
        if outcome.kind is OutcomeKind.ACCEPTED and isinstance(ack, CreateAck):
            self.price_e4, self.count_e2 = request.price_e4, request.count_e2
            self.expiry_ts_s = request.expiration_ts_s
            self._landed(ack.order_id, ack.ts_ms)
            self.filled_seen_e2 = max(self.filled_seen_e2, ack.filled_e2)
            if ack.remaining_e2 == 0:
                self.end(ack.ts_ms, filled_final_e2=ack.filled_e2, outcome="done at once")
        elif outcome.kind is OutcomeKind.UNKNOWN:
            self._becomes_unknown(request, now_s=now_s, retry_s=retry_s)
        elif is_repeat or outcome.code == ALREADY_EXISTS:
            # A repeat that was refused or never left proves nothing about the first (rule 2).
            self._becomes_unknown(request, now_s=now_s, retry_s=retry_s)
            self.has_landed = self.has_landed or outcome.code == ALREADY_EXISTS
        else:
            self.state, self.outcome = OrderState.CLOSED, outcome.code or outcome.kind.value

    def _becomes_unknown(self, request: CreateOrder, *, now_s: float, retry_s: float) -> None:
        # Either of the two requests may be the one that rests: keep the larger size and the later expiry.
        self.count_e2 = max(self.count_e2, request.count_e2)
        self.expiry_ts_s = max(self.expiry_ts_s or 0, request.expiration_ts_s or 0) or None
        self.state = OrderState.UNKNOWN
        self.unknown_since_s = now_s if self.unknown_since_s is None else self.unknown_since_s
        self.next_try_s = now_s + retry_s

    def _landed(self, order_id: str, ts_ms: int) -> None:
        self.order_id = order_id
        self.state = OrderState.RESTING
        self.unknown_since_s = None
        self.last_change_ms = max(self.last_change_ms, ts_ms)

    def _change_answered(self, outcome: CommandOutcome, *, now_s: float, retry_s: float) -> None:
        request, ack = outcome.request, outcome.ack
        if outcome.kind is OutcomeKind.UNKNOWN:
            if isinstance(request, AmendOrder):
                self.count_e2 = max(self.count_e2, request.total_count_e2)
            self.must_cancel = True  # rule 3
        elif outcome.kind is OutcomeKind.REJECTED:
            if outcome.code in GONE_CODES:
                self.end(outcome.server_ms, outcome=outcome.code)
            self.next_try_s = now_s + retry_s
        elif isinstance(ack, AmendAck) and isinstance(request, AmendOrder):
            self.price_e4, self.count_e2 = request.price_e4, request.total_count_e2
            self.expiry_ts_s = request.expiration_ts_s or self.expiry_ts_s
            self.last_change_ms = max(self.last_change_ms, ack.ts_ms)
            if ack.filled_e2 is not None:
                self.filled_seen_e2 = max(self.filled_seen_e2, ack.filled_e2)
            if ack.remaining_e2 == 0:
                self.end(ack.ts_ms, outcome="amended away")
        elif isinstance(ack, DecreaseAck):
            # The answer gives what rests, not what filled before: the total stays at its larger value until
            # the private channel or a list tells both.
            self.next_try_s = now_s + retry_s
            if ack.remaining_e2 == 0:
                self.end(ack.ts_ms, outcome="decreased away")

    def _cancel_answered(self, outcome: CommandOutcome, *, now_s: float, retry_s: float) -> None:
        ack = outcome.ack
        if outcome.kind is OutcomeKind.ACCEPTED and isinstance(ack, CancelAck):
            # With an unknown amend behind us the total is not certain, so neither is the filled part.
            final = None if self.must_cancel else CountE2(max(0, self.count_e2 - ack.reduced_by_e2))
            self.end(ack.ts_ms, filled_final_e2=final, outcome="canceled")
        elif outcome.kind is OutcomeKind.REJECTED and outcome.code in GONE_CODES:
            self.end(outcome.server_ms, outcome="gone before the cancel")
        else:
            self.next_try_s = now_s + retry_s

    def reported(self, report: Order) -> None:
        """The private channel or a list showed this order."""
        if report.last_update_ms < self.last_change_ms and report.status is OrderStatus.RESTING:
            return  # older than what we know
        self.filled_seen_e2 = max(self.filled_seen_e2, report.filled_e2)
        if report.status is OrderStatus.RESTING:
            if self.state in (OrderState.SENT, OrderState.UNKNOWN):
                self._landed(report.order_id, report.last_update_ms)
            if self.pending is None or isinstance(self.pending, CreateOrder):
                self.price_e4 = report.price_e4
                self.count_e2 = CountE2(report.filled_e2 + report.remaining_e2)
                self.expiry_ts_s = report.expiration_ts_s or self.expiry_ts_s
            self.last_change_ms = max(self.last_change_ms, report.last_update_ms)
        else:
            self.order_id = report.order_id
            self.end(
                report.last_update_ms,
                filled_final_e2=report.filled_e2,
                outcome=report.reason or report.status.value,
            )

    def end(self, ended_ms: int, *, filled_final_e2: CountE2 | None = None, outcome: str) -> None:
        """It certainly rests no longer."""
        if self.state is OrderState.CLOSED:
            return
        if filled_final_e2 is not None:
            self.filled_final_e2 = max(filled_final_e2, self.filled_final_e2 or CountE2(0))
        if self.state is not OrderState.ENDED:
            self.state, self.outcome = OrderState.ENDED, outcome
        self.ended_ms = max(ended_ms, self.ended_ms or 0)
        self.unknown_since_s = None

    def fill_booked(self, count_e2: CountE2, ts_ms: int) -> None:
        """A numbered fill of this order was added to our position."""
        self.filled_booked_e2 = CountE2(self.filled_booked_e2 + count_e2)
        self.filled_seen_e2 = max(self.filled_seen_e2, self.filled_booked_e2)
        self.last_change_ms = max(self.last_change_ms, ts_ms)
        if self.state in (OrderState.SENT, OrderState.UNKNOWN):
            self.has_landed = True
        if self.is_live and self.pending is None and not self.must_cancel and self.filled_booked_e2 >= self.count_e2:
            self.end(ts_ms, filled_final_e2=self.filled_booked_e2, outcome="executed")

    def fills_complete_to(self, complete_to_ms: int) -> bool:
        """All fills before `complete_to_ms` are booked. Returns True if this closed the order (rule 4)."""
        if self.state is not OrderState.ENDED or self.ended_ms is None or complete_to_ms <= self.ended_ms:
            return False
        if self.filled_final_e2 is not None and self.filled_booked_e2 < self.filled_final_e2:
            return False
        self.state = OrderState.CLOSED
        return True
