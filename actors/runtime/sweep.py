"""Fence and sweep: make sure that none of our orders rests, and that none can come to rest any more.

The fence triggers our order groups: the exchange cancels what is in them and refuses what lands later. The
sweep then reads the list of resting orders, cancels what is ours, and repeats until two clean lists, at least
CLEAN_LISTS_APART_S apart, each with an `as_of_time` read before it that lies past the last trigger's answer by
FENCE_SETTLE_MS and past every cancel.

Neither waits for the other: a group that cannot be triggered keeps the end unverified, but what the lists show
is cancelled all the same.

Used by the exit guard, by the boot, and by the `sweep` command. It is a plain function of its client: no actor,
no mailbox.

Rejected: listing and cancelling without a fence. Measured in a model with late-landing creates it left orders
in one run of four, because a create can land after the last list.

Source: Kalshi order groups guide (trigger cancels all and rejects new), `GET /exchange/user_data_timestamp`,
October 2026.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs
import trio

from actors.runtime.child import Log
from kalshi.budget import Priority
from kalshi.errors import ExchangeError, Rejected
from kalshi.rest import RestClient, read_all
from kalshi.types import CancelOrder, Order

CLEAN_LISTS_APART_S = 0.5
FENCE_SETTLE_MS = 1_000
RETRY_FIRST_S = 0.05
RETRY_MAX_S = 0.5
LIST_EVERY_S = 0.1
PAGES_MAX = 50  # of 1,000 orders: far more than we ever open
CANCELS_AT_ONCE = 4
NOT_FOUND = 404


@attrs.frozen(kw_only=True)
class SweepReport:
    """How a sweep ended. `verified` means: the exchange showed twice that nothing of ours rests, behind a fence."""

    verified: bool
    groups_triggered: tuple[str, ...]
    groups_not_triggered: tuple[str, ...]
    orders_cancelled: int
    orders_left: tuple[str, ...]
    lists_read: int
    seconds: float
    reason: str


async def trigger_until_answered(
    client: RestClient,
    group_id: str,
    exchange_index: int,
    *,
    server_ms: Callable[[], int],
    tell: Callable[[str], object],
) -> int:
    """Triggers a group, as often as it takes; returns the exchange's time of the answer, at the latest.

    It gives up never, because nothing else ends the group: whoever calls it is bounded by a deadline or by the
    life of the process.
    """
    delay_s = RETRY_FIRST_S
    while True:
        try:
            return await client.trigger_order_group(group_id, exchange_index, priority=Priority.EXIT_GUARD)
        except ExchangeError as error:
            if isinstance(error, Rejected) and error.status == NOT_FOUND:  # no such group: nothing can be in it
                return server_ms()
            tell(f"group {group_id} is not triggered yet: {error}")
        await trio.sleep(delay_s)
        delay_s = min(RETRY_MAX_S, delay_s * 2)


class Sweep:
    """One fence and sweep in progress; its fields are readable at any moment, so that a deadline can still report."""

    def __init__(
        self,
        *,
        client: RestClient,
        is_ours: Callable[[Order], bool],
        groups: Mapping[str, int],
        server_ms: Callable[[], int],
        now: Callable[[], float],
        log: Log,
        on_triggered: Callable[[str, int], None] | None = None,
    ) -> None:
        self._client = client
        self._is_ours = is_ours
        self._groups = dict(groups)
        self._server_ms = server_ms
        self._now = now
        self._log = log
        self._on_triggered = on_triggered
        self._started_s = now()
        self._floor_ms = 0  # a list must be later than this, and than the start
        self._triggered: dict[str, int] = {}
        self._fencing: set[str] = set()  # groups whose trigger is under way or answered
        self._cancelled: set[str] = set()
        self._left: tuple[str, ...] = ()
        self._lists = 0
        self._verified = False
        self._last_trouble = ""

    async def fence(self) -> None:
        """Triggers every group, each retried until it is answered; returns when all those begun here are."""
        async with trio.open_nursery() as nursery:
            self._fence_more(nursery)

    def _fence_more(self, nursery: trio.Nursery) -> None:
        for group_id, exchange_index in self._groups.items():
            if group_id not in self._fencing:
                self._fencing.add(group_id)
                nursery.start_soon(self._trigger, group_id, exchange_index)

    async def _trigger(self, group_id: str, exchange_index: int) -> None:
        try:
            answered_ms = await trigger_until_answered(
                self._client, group_id, exchange_index, server_ms=self._server_ms, tell=self._trouble
            )
        except trio.Cancelled:
            self._fencing.discard(group_id)  # whoever goes on with this sweep must do it again
            raise
        self._triggered[group_id] = answered_ms
        self._floor_ms = max(self._floor_ms, answered_ms + FENCE_SETTLE_MS)
        if self._on_triggered is not None:
            self._on_triggered(group_id, answered_ms)

    async def verify(self) -> None:
        """Lists and cancels until two clean lists prove that nothing of ours rests. Blocks until then: bound it."""
        async with trio.open_nursery() as nursery:
            await self._look_until_clean(nursery)

    async def _look_until_clean(self, nursery: trio.Nursery) -> None:
        first_clean_s: float | None = None
        while not self._verified:
            ours = await self._look()
            if ours:
                first_clean_s = None
                await self._remove(ours, nursery)
            elif ours is not None and first_clean_s is None:
                first_clean_s = self._now()
            elif ours is not None and first_clean_s is not None:
                self._verified = self._now() - first_clean_s >= CLEAN_LISTS_APART_S
            if not self._verified:
                await trio.sleep(LIST_EVERY_S)

    async def _look(self) -> list[Order] | None:
        """Returns what rests of ours; None where the list proves nothing, because it failed or is not late enough."""
        try:
            as_of_ms = await self._client.user_data_timestamp(priority=Priority.EXIT_GUARD)
            ours = await self._list_ours()
        except ExchangeError as error:
            self._trouble(str(error))
            await trio.sleep(RETRY_MAX_S)
            return None
        is_late_enough = as_of_ms > max(self._floor_ms, self._start_ms()) and len(self._triggered) == len(self._groups)
        return ours if ours or is_late_enough else None

    async def _list_ours(self) -> list[Order]:
        async def page(cursor: str) -> tuple[tuple[Order, ...], str]:
            return await self._client.orders_page(cursor, status="resting", priority=Priority.EXIT_GUARD)

        orders = await read_all(page, PAGES_MAX)
        self._lists += 1
        ours = [order for order in orders if self._is_ours(order)]
        self._left = tuple(order.order_id for order in ours)
        return ours

    async def _remove(self, ours: list[Order], nursery: trio.Nursery) -> None:
        for order in ours:
            if order.order_group_id is not None:
                # A group that only its orders tell of: fence it too, or a late create could still join it.
                self._groups.setdefault(order.order_group_id, order.exchange_index)
        self._fence_more(nursery)
        limiter = trio.CapacityLimiter(CANCELS_AT_ONCE)
        async with trio.open_nursery() as cancels:
            for order in ours:
                cancels.start_soon(self._cancel, order, limiter)

    async def _cancel(self, order: Order, limiter: trio.CapacityLimiter) -> None:
        request = CancelOrder(order_id=order.order_id, ticker=order.ticker, exchange_index=order.exchange_index)
        async with limiter:
            try:
                ack = await self._client.cancel_order(request, priority=Priority.EXIT_GUARD)
            except Rejected as refusal:
                if refusal.status == NOT_FOUND:
                    self._floor_ms = max(self._floor_ms, self._server_ms() + FENCE_SETTLE_MS)
                else:
                    self._trouble(f"order {order.order_id}: {refusal}")
            except ExchangeError as error:
                self._trouble(f"order {order.order_id}: {error}")
            else:
                self._cancelled.add(order.order_id)
                self._floor_ms = max(self._floor_ms, ack.ts_ms)

    def _start_ms(self) -> int:
        """Returns when the sweep began, in the exchange's time as we know it now: our clock may have been corrected."""
        return self._server_ms() - int((self._now() - self._started_s) * 1000)

    def _trouble(self, text: str) -> None:
        self._last_trouble = text
        self._log.warning(f"sweep: {text}")

    def report(self) -> SweepReport:
        """Returns how far it has come."""
        missing = tuple(g for g in self._groups if g not in self._triggered)
        reason = "two clean lists behind the fence" if self._verified else self._last_trouble or "out of time"
        return SweepReport(
            verified=self._verified,
            groups_triggered=tuple(self._triggered),
            groups_not_triggered=missing,
            orders_cancelled=len(self._cancelled),
            orders_left=self._left,
            lists_read=self._lists,
            seconds=round(self._now() - self._started_s, 3),
            reason=reason,
        )
