"""One order's life, from the intent to the moment when nothing of it can surprise us any more.

    SENT ----> RESTING ----> ENDED ----> CLOSED
      \\----> UNKNOWN --/

Rules:
1. Every order counts with all that may still fill (`open_e2`) until it is CLOSED: filled and resting parts,
   commands in flight at their larger size, unknown orders in full (I8).
2. UNKNOWN means: the create may or may not have landed. It ends by the private channel, by a list, or by
   repeating the *same* client id: 201 proves that the first never landed, 409 `order_already_exists` that it
   did. Nothing else proves anything. Until then each of the requests sent may be the one that rests.
3. An unknown amend or decrease may land late, so its larger size and its price count until the order has
   ended; it is ended only by cancelling the order, an unknown cancel by repeating it.
4. An order's total changes by our own commands alone. Reports therefore correct it only where an answer left
   it open, and only if they are surely newer: two changes can share a millisecond.
5. ENDED means: certainly not resting any more. It becomes CLOSED when the numbered fills are complete past
   its end, so that a late fill always finds its order.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, Final, TypeVar

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

T = TypeVar("T")

ALREADY_EXISTS = "order_already_exists"
# Answers to a cancel, amend or decrease that say that the order rests no longer.
GONE_CODES = frozenset({"not_found", "cannot_update_filled_order"})
# An order without an expiry (an exit) can land no longer once its signature is too old: the exchange refuses
# one of 30 s (recorded June 2026); twice that is beyond doubt.
SIGNATURE_LIFE_MS = 60_000
# A change that came back unsent waits so long; at once it would come back at once, and the desk would spin.
UNSENT_WAIT_S = 0.1


class OrderState(enum.StrEnum):
    SENT = "sent"
    UNKNOWN = "unknown"
    RESTING = "resting"
    ENDED = "ended"
    CLOSED = "closed"


_LIVE: Final = (OrderState.RESTING, OrderState.SENT, OrderState.UNKNOWN)


def unwatched() -> None:
    """Nobody wants to hear of the order's changes."""


def _tell_change(order: TrackedOrder, _: attrs.Attribute[Any], value: Any) -> Any:
    order.on_change()
    return value


@attrs.define(kw_only=True, eq=False, on_setattr=_tell_change)
class TrackedOrder:
    """The desk's record of one order. Counts are totals since its creation; times as their names say."""

    request: CreateOrder
    is_quote: bool
    state: OrderState = OrderState.SENT
    order_id: str | None = None
    price_e4: PriceE4 = attrs.field(default=attrs.Factory(lambda self: self.request.price_e4, takes_self=True))
    # The total that it has, or the largest that it may have.
    count_e2: CountE2 = attrs.field(default=attrs.Factory(lambda self: self.request.count_e2, takes_self=True))
    expiry_ts_s: int | None = attrs.field(
        default=attrs.Factory(lambda self: self.request.expiration_ts_s, takes_self=True)
    )
    group_ids: tuple[str | None, ...] = attrs.field(
        default=attrs.Factory(lambda self: (self.request.order_group_id,), takes_self=True)
    )
    other_prices_e4: tuple[PriceE4, ...] = ()  # where it may rest instead, while an answer is missing
    is_total_sure: bool = True  # `count_e2` is what the exchange holds, not only its bound
    rests_at_most_e2: CountE2 | None = None  # as the answer to a decrease says
    filled_seen_e2: CountE2 = CountE2(0)  # as the exchange says
    filled_booked_e2: CountE2 = CountE2(0)  # as the numbered fills say
    filled_final_e2: CountE2 | None = None
    pending: OrderRequest | None = None  # the one command in flight
    must_cancel: bool = False
    may_change_late: bool = False  # an amend or decrease without an answer may still land (rule 3)
    landed_by_ms: int | None = None  # exchange time by which it surely had landed: an answer, a 409 or a fill
    unknown_since_s: float | None = None
    signed_before_ms: int = 0  # exchange time at which no create of it was still to be signed
    next_change_s: float = 0.0  # no amend, decrease or repeat of an unknown create before
    next_cancel_s: float = 0.0
    last_change_ms: int = 0  # exchange time of the newest thing known of it
    ended_ms: int | None = None  # not before it ended
    outcome: str = ""
    on_change: Callable[[], object] = unwatched  # called at every assignment, before the new value holds

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
        return self.state in _LIVE

    @property
    def has_landed(self) -> bool:
        """Whether it surely has landed, even where nothing else of it is known."""
        return self.landed_by_ms is not None

    @property
    def count_worst_e2(self) -> CountE2:
        """The largest total that the exchange may hold for it, commands in flight included."""
        match self.pending:
            case AmendOrder(total_count_e2=count) | CreateOrder(count_e2=count):
                return max(self.count_e2, count)
            case _:
                return self.count_e2

    @property
    def worst_price_e4(self) -> PriceE4:
        """The most aggressive price at which it may rest, commands in flight included."""
        if self.pending is None and not self.other_prices_e4:
            return self.price_e4  # nearly always; this is asked of every order at every plan
        prices = [self.price_e4, *self.other_prices_e4]
        if isinstance(self.pending, AmendOrder | CreateOrder):
            prices.append(self.pending.price_e4)
        return max(prices) if self.side is Side.BID else min(prices)

    @property
    def open_e2(self) -> CountE2:
        """What may still fill beyond the booked fills (rule 1)."""
        if self.state is OrderState.CLOSED:
            return CountE2(0)
        total = self.filled_final_e2 if self.filled_final_e2 is not None else self.count_worst_e2
        return CountE2(max(0, total - self.filled_booked_e2))

    @property
    def filled_known_e2(self) -> CountE2:
        """What certainly has filled."""
        return max(self.filled_seen_e2, self.filled_booked_e2)

    @property
    def remaining_e2(self) -> CountE2:
        """What rests, as far as known."""
        if not self.is_live:
            return CountE2(0)
        by_total = CountE2(max(0, self.count_e2 - self.filled_known_e2))
        return by_total if self.rests_at_most_e2 is None else min(by_total, self.rests_at_most_e2)

    @property
    def lands_before_ms(self) -> int:
        """The exchange time from which on an unknown create of it can land no more."""
        if self.expiry_ts_s is not None:
            return self.expiry_ts_s * 1000
        return self.signed_before_ms + SIGNATURE_LIFE_MS

    # -- commands and their answers --

    def command_sent(self, request: OrderRequest) -> None:
        """A command about this order was given to the Wire."""
        self.pending = request

    def command_answered(self, outcome: CommandOutcome, *, now_s: float, retry_s: float) -> None:
        """The Wire told what became of the command in flight."""
        if self.pending == outcome.request:
            self.pending = None
        match outcome.request:
            case CreateOrder() as create:
                self._create_answered(create, outcome, now_s=now_s, retry_s=retry_s)
            case AmendOrder() | DecreaseOrder():
                self._change_answered(outcome, now_s=now_s, retry_s=retry_s)
            case CancelOrder():
                self._cancel_answered(outcome, now_s=now_s, retry_s=retry_s)
        self._end_if_filled()

    def _create_answered(self, request: CreateOrder, outcome: CommandOutcome, *, now_s: float, retry_s: float) -> None:
        if self.state not in (OrderState.SENT, OrderState.UNKNOWN):
            return  # the private channel was faster
        if outcome.kind is OutcomeKind.ACCEPTED and isinstance(outcome.ack, CreateAck):
            self._create_accepted(request, outcome.ack)
        elif outcome.kind is OutcomeKind.UNKNOWN:
            self._may_rest_as(request)
            self.signed_before_ms = max(self.signed_before_ms, outcome.server_ms)
            self._becomes_unknown(now_s=now_s, retry_s=retry_s)
        elif outcome.code == ALREADY_EXISTS or self.has_landed or self.state is OrderState.UNKNOWN:
            # A repeat that was refused or never left proves nothing about the first (rule 2).
            if outcome.code == ALREADY_EXISTS and not self.has_landed:
                self.landed_by_ms = outcome.server_ms
            self._becomes_unknown(now_s=now_s, retry_s=retry_s)
        else:
            self.state, self.outcome = OrderState.CLOSED, outcome.code or outcome.kind.value

    def _create_accepted(self, request: CreateOrder, ack: CreateAck) -> None:
        self.request = request
        self.group_ids = (request.order_group_id,)
        self._now_known(request.price_e4, request.count_e2, request.expiration_ts_s)
        self._landed(ack.order_id, ack.ts_ms)
        self.filled_seen_e2 = max(self.filled_seen_e2, ack.filled_e2)
        if ack.remaining_e2 == 0:
            self.end(ack.ts_ms, filled_final_e2=ack.filled_e2, outcome="done at once")

    def _may_rest_as(self, request: CreateOrder) -> None:
        """One more request may be the one that rests: the larger size, both prices, the later expiry count."""
        self.is_total_sure = self.is_total_sure and request.count_e2 == self.count_e2
        self.count_e2 = max(self.count_e2, request.count_e2)
        self.other_prices_e4 = _with(self.other_prices_e4, request.price_e4)
        self.group_ids = _with(self.group_ids, request.order_group_id)
        self.expiry_ts_s = _later(self.expiry_ts_s, request.expiration_ts_s)

    def _becomes_unknown(self, *, now_s: float, retry_s: float) -> None:
        self.state = OrderState.UNKNOWN
        self.unknown_since_s = now_s if self.unknown_since_s is None else self.unknown_since_s
        self.next_change_s = now_s + retry_s

    def _landed(self, order_id: str, ts_ms: int) -> None:
        self.order_id = order_id
        self.state, self.unknown_since_s = OrderState.RESTING, None
        self.landed_by_ms = ts_ms if self.landed_by_ms is None else self.landed_by_ms
        self.last_change_ms = max(self.last_change_ms, ts_ms)

    def _now_known(self, price_e4: PriceE4, count_e2: CountE2, expiry_ts_s: int | None) -> None:
        self.price_e4, self.count_e2 = price_e4, count_e2
        self.expiry_ts_s = expiry_ts_s or self.expiry_ts_s
        self.other_prices_e4, self.rests_at_most_e2, self.is_total_sure = (), None, True

    def _change_answered(self, outcome: CommandOutcome, *, now_s: float, retry_s: float) -> None:
        request, ack = outcome.request, outcome.ack
        if outcome.kind is OutcomeKind.UNKNOWN:
            self.must_cancel = self.may_change_late = True  # rule 3
            self.is_total_sure = False
            if isinstance(request, AmendOrder):
                self.count_e2 = max(self.count_e2, request.total_count_e2)
                self.other_prices_e4 = _with(self.other_prices_e4, request.price_e4)
                self.expiry_ts_s = _later(self.expiry_ts_s, request.expiration_ts_s)
        elif outcome.kind is OutcomeKind.REJECTED:
            if outcome.code in GONE_CODES:
                self.end(outcome.server_ms, outcome=outcome.code)
            self.next_change_s = now_s + retry_s
        elif outcome.kind is OutcomeKind.NEVER_SENT:
            # What kept it from leaving (no token, a full disk, a word that is about to end) does so for a moment more.
            self.next_change_s = now_s + UNSENT_WAIT_S
        elif isinstance(ack, AmendAck) and isinstance(request, AmendOrder):
            self._amended(request, ack)
        elif isinstance(ack, DecreaseAck):
            self._decreased(ack)

    def _amended(self, request: AmendOrder, ack: AmendAck) -> None:
        self._now_known(request.price_e4, request.total_count_e2, request.expiration_ts_s)
        self.last_change_ms = max(self.last_change_ms, ack.ts_ms)
        if ack.filled_e2 is not None:
            self.filled_seen_e2 = max(self.filled_seen_e2, ack.filled_e2)
        if ack.remaining_e2 == 0:
            self.end(ack.ts_ms, outcome="amended away")

    def _decreased(self, ack: DecreaseAck) -> None:
        # The answer gives what rests, not what filled before: the total stays at its larger value until a
        # report tells both.
        self.rests_at_most_e2, self.is_total_sure = ack.remaining_e2, False
        self.last_change_ms = max(self.last_change_ms, ack.ts_ms)
        if ack.remaining_e2 == 0:
            self.end(ack.ts_ms, outcome="decreased away")

    def _cancel_answered(self, outcome: CommandOutcome, *, now_s: float, retry_s: float) -> None:
        ack = outcome.ack
        if outcome.kind is OutcomeKind.ACCEPTED and isinstance(ack, CancelAck):
            # What filled follows from the total, where that is sure and the answer says what it removed.
            is_exact = self.is_total_sure and 0 < ack.reduced_by_e2 <= self.count_e2
            final_e2 = CountE2(self.count_e2 - ack.reduced_by_e2) if is_exact else None
            self.end(ack.ts_ms, filled_final_e2=final_e2, outcome="canceled")
        elif outcome.kind is OutcomeKind.REJECTED and outcome.code in GONE_CODES:
            self.end(outcome.server_ms, outcome="gone before the cancel")
        else:
            self.must_cancel = self.must_cancel or outcome.kind is OutcomeKind.UNKNOWN  # rule 3
            self.next_cancel_s = now_s + retry_s

    # -- what others tell of it --

    def reported(self, report: Order) -> None:
        """The private channel or a list showed this order."""
        if self.state is OrderState.CLOSED:
            return
        self.filled_seen_e2 = max(self.filled_seen_e2, report.filled_e2)
        if report.status is not OrderStatus.RESTING:
            self.order_id = report.order_id
            self.filled_final_e2 = None  # the exchange's own word replaces what we worked out
            reason = report.reason or report.status.value
            self.end(report.last_update_ms, filled_final_e2=report.filled_e2, outcome=reason)
        elif self.state in (OrderState.SENT, OrderState.UNKNOWN):
            self._take_numbers(report)
            if report.order_group_id is not None:
                self.group_ids = (report.order_group_id,)
            self._landed(report.order_id, report.last_update_ms)
        elif self.state is OrderState.RESTING and report.last_update_ms >= self.last_change_ms:
            self._resting_reported(report)
        self._end_if_filled()

    def _resting_reported(self, report: Order) -> None:
        total_e2 = CountE2(report.filled_e2 + report.remaining_e2)
        is_newer = report.last_update_ms > self.last_change_ms
        is_as_known = self.rests_at_most_e2 is None and (report.price_e4, total_e2) == (self.price_e4, self.count_e2)
        is_decreased = self.rests_at_most_e2 is not None and report.remaining_e2 <= self.rests_at_most_e2
        if not self.may_change_late and (is_newer or is_as_known or is_decreased):
            self._take_numbers(report)
        else:
            self.count_e2 = max(self.count_e2, total_e2)
            self.other_prices_e4 = _with(self.other_prices_e4, report.price_e4)
        self.last_change_ms = max(self.last_change_ms, report.last_update_ms)

    def _take_numbers(self, report: Order) -> None:
        total_e2 = CountE2(report.filled_e2 + report.remaining_e2)
        self._now_known(report.price_e4, total_e2, report.expiration_ts_s)

    def end(self, ended_ms: int, *, filled_final_e2: CountE2 | None = None, outcome: str) -> None:
        """It certainly rests no longer; `ended_ms` is the exchange's time, not before it ended."""
        if self.state is OrderState.CLOSED:
            return
        if filled_final_e2 is not None:
            self.filled_final_e2 = max(filled_final_e2, self.filled_final_e2 or CountE2(0))
        if self.state is not OrderState.ENDED:
            self.state, self.outcome = OrderState.ENDED, outcome
        self.ended_ms = max(ended_ms, self.ended_ms or 0)
        self.unknown_since_s = None

    def revive(self, report: Order) -> None:
        """A list from after its supposed end shows it resting: it rests, and is to be cancelled."""
        self.state, self.ended_ms, self.filled_final_e2 = OrderState.RESTING, None, None
        self.count_e2 = max(self.count_e2, CountE2(report.filled_e2 + report.remaining_e2))
        self.must_cancel, self.is_total_sure = True, False
        self.order_id = report.order_id

    def fill_booked(self, count_e2: CountE2, ts_ms: int) -> None:
        """A numbered fill of this order was added to our position."""
        self.filled_booked_e2 = CountE2(self.filled_booked_e2 + count_e2)
        self.last_change_ms = max(self.last_change_ms, ts_ms)
        self.landed_by_ms = ts_ms if self.landed_by_ms is None else min(ts_ms, self.landed_by_ms)
        if self.ended_ms is not None:
            self.ended_ms = max(self.ended_ms, ts_ms)
        self._end_if_filled()

    def _end_if_filled(self) -> None:
        # The worst total includes what is in flight or unknown, so nothing can be left of it.
        if self.is_live and self.filled_booked_e2 >= self.count_worst_e2:
            self.end(self.last_change_ms, filled_final_e2=self.filled_booked_e2, outcome="executed")

    def fills_complete_to(self, complete_to_ms: int) -> bool:
        """All fills before `complete_to_ms` are booked. Returns True if this closed the order (rule 5)."""
        if self.state is not OrderState.ENDED or self.ended_ms is None or complete_to_ms <= self.ended_ms:
            return False
        if self.filled_final_e2 is not None and self.filled_booked_e2 < self.filled_final_e2:
            return False
        self.state = OrderState.CLOSED
        return True


def _with(known: tuple[T, ...], one: T) -> tuple[T, ...]:
    return known if one in known else (*known, one)


def _later(first_ts_s: int | None, second_ts_s: int | None) -> int | None:
    return max(first_ts_s or 0, second_ts_s or 0) or None
