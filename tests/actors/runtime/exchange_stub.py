"""A RestClient that answers as a test says, on the virtual clock: what the sweep and the Wire see of an exchange."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import attrs
import trio

from kalshi.errors import ExchangeError, Rejected, Unavailable
from kalshi.numbers import CountE2
from kalshi.rest import RestClient
from kalshi.types import CancelAck, CancelOrder, Order
from tests.quant.orders.sentences import report

NOT_FOUND = Rejected(404, "not_found", "not found")
DOWN = Unavailable("the line is dead")


def server_ms() -> int:
    """The exchange's clock: it follows the virtual one."""
    return 1_000_000 + round(trio.current_time() * 1000)


@attrs.define(eq=False)
class ExchangeStub:
    """Resting orders and groups, with failures to come; `lag_ms` is how far lists and `as_of` are behind."""

    resting: dict[str, Order] = attrs.field(factory=dict)
    lag_ms: int = 0
    latency_s: float = 0.01
    shut: dict[str, int] = attrs.field(factory=dict)
    triggers: list[str] = attrs.field(factory=list)
    cancels: list[str] = attrs.field(factory=list)
    lists: int = 0
    failures: dict[str, list[ExchangeError]] = attrs.field(factory=dict)  # by call; taken one after the other
    always: dict[str, ExchangeError] = attrs.field(factory=dict)
    hangs: set[str] = attrs.field(factory=set)
    has_cancelled: trio.Event = attrs.field(factory=trio.Event)
    _past: list[tuple[int, dict[str, Order]]] = attrs.field(factory=list)

    def client(self) -> RestClient:
        return cast("RestClient", self)

    def put(self, order_id: str, *, client_order_id: str = "us-1", group_id: str | None = "g1", shard: int = 0) -> None:
        """An order comes to rest now."""
        self._remember()
        order = report(order_id=order_id, client_order_id=client_order_id, group_id=group_id, at_ms=server_ms())
        self.resting[order_id] = attrs.evolve(order, exchange_index=shard)

    def _remember(self) -> None:
        self._past.append((server_ms(), dict(self.resting)))

    async def _called(self, name: str) -> None:
        await trio.sleep(self.latency_s)
        if name in self.hangs:
            await trio.sleep_forever()
        if name in self.always:
            raise self.always[name]
        if self.failures.get(name):
            raise self.failures[name].pop(0)

    async def trigger_order_group(self, group_id: str, exchange_index: int, **_: object) -> int:
        self.triggers.append(group_id)
        await self._called(f"trigger {group_id}")
        self._remember()
        self.shut[group_id] = exchange_index
        for order_id, order in list(self.resting.items()):
            if order.order_group_id == group_id:
                del self.resting[order_id]
        return server_ms() // 1000 * 1000 + 1000

    async def user_data_timestamp(self, **_: object) -> int:
        await self._called("as_of")
        return server_ms() - self.lag_ms - 1

    async def orders_page(self, cursor: str, **_: object) -> tuple[tuple[Order, ...], str]:
        await self._called("list")
        self.lists += 1
        then_ms = server_ms() - self.lag_ms
        shown = next((orders for at_ms, orders in self._past if at_ms > then_ms), self.resting)
        return tuple(shown.values()), ""

    async def cancel_order(
        self, request: CancelOrder, *, before_send: Callable[[], None] | None = None, **_: object
    ) -> CancelAck:
        self.cancels.append(request.order_id)
        if before_send is not None:
            before_send()
        await self._called(f"cancel {request.order_id}")
        if request.order_id not in self.resting:
            raise NOT_FOUND
        self._remember()
        del self.resting[request.order_id]
        self.has_cancelled.set()
        return CancelAck(order_id=request.order_id, reduced_by_e2=CountE2(100), ts_ms=server_ms())


__all__ = ["DOWN", "NOT_FOUND", "ExchangeStub", "server_ms"]
