"""REST: order groups. A group belongs to one shard, and every write names it.

Source: Kalshi OpenAPI 3.34.0 of October 2026.
"""

from __future__ import annotations

from typing import Final, Literal

from kalshi import rest_account_answers as account_answers
from kalshi import rest_write_answers as write_answers
from kalshi.budget import COST_DEFAULT, Priority
from kalshi.errors import OutcomeUnknown
from kalshi.numbers import CountE2, format_count
from kalshi.rest_area import RestArea, acked, segment
from kalshi.rest_send import Answer, BeforeSend, Query
from kalshi.types import OrderGroup

_GROUPS: Final = "/portfolio/order_groups"


class OrderGroups(RestArea):
    """Reads and writes of order groups."""

    async def order_groups(self, *, priority: Priority = Priority.BACKGROUND) -> tuple[OrderGroup, ...]:
        """Returns our order groups on all shards, without their orders."""
        return await self._read(_GROUPS, {}, account_answers.parse_order_groups, priority)

    async def order_group(
        self, group_id: str, exchange_index: int, *, priority: Priority = Priority.BACKGROUND
    ) -> OrderGroup:
        """Returns one order group with the ids of its orders."""
        query: Query = {"exchange_index": exchange_index}
        path = f"{_GROUPS}/{segment(group_id)}"
        return await self._read(path, query, lambda body: account_answers.parse_order_group(body, group_id), priority)

    async def create_order_group(
        self,
        contracts_limit_e2: CountE2,
        exchange_index: int,
        *,
        priority: Priority = Priority.CREATE,
        before_send: BeforeSend | None = None,
    ) -> str:
        """Opens an order group with a limit of matched contracts per 15 s; returns its id."""
        body = {"contracts_limit_fp": format_count(contracts_limit_e2), "exchange_index": exchange_index}
        answer = await self._sender.write(
            "POST",
            f"{_GROUPS}/create",
            {},
            body,
            cost=COST_DEFAULT,
            priority=priority,
            before_send=before_send,
        )
        return acked(answer, write_answers.parse_group_created)

    async def trigger_order_group(
        self,
        group_id: str,
        exchange_index: int,
        *,
        priority: Priority = Priority.EXIT_GUARD,
        before_send: BeforeSend | None = None,
    ) -> int:
        """Cancels all orders of the group and closes it for new ones.

        Returns the exchange's time of the answer in Unix milliseconds, rounded up to the next full second
        because the Date header has no fractions. Raises OutcomeUnknown where the answer has no date;
        triggering twice is harmless.
        """
        answer = await self._group_write("PUT", group_id, "/trigger", exchange_index, priority, before_send)
        if answer.date_ms is None:
            raise OutcomeUnknown("the order group was triggered, but the answer has no Date to count from")
        return answer.date_ms + 1000

    async def reset_order_group(
        self,
        group_id: str,
        exchange_index: int,
        *,
        priority: Priority = Priority.CREATE,
        before_send: BeforeSend | None = None,
    ) -> None:
        """Opens a triggered group again and forgets what it has matched.

        The bot never does this to a group of its own: a fence that opens again is none.
        """
        await self._group_write("PUT", group_id, "/reset", exchange_index, priority, before_send)

    async def limit_order_group(
        self,
        group_id: str,
        exchange_index: int,
        contracts_limit_e2: CountE2,
        *,
        priority: Priority = Priority.CREATE,
        before_send: BeforeSend | None = None,
    ) -> None:
        """Changes the limit per 15 s; one below what is matched already triggers the group at once."""
        body = {"contracts_limit_fp": format_count(contracts_limit_e2)}
        await self._group_write("PUT", group_id, "/limit", exchange_index, priority, before_send, body)

    async def delete_order_group(
        self,
        group_id: str,
        exchange_index: int,
        *,
        priority: Priority = Priority.CANCEL,
        before_send: BeforeSend | None = None,
    ) -> None:
        """Cancels all orders of the group and removes it."""
        await self._group_write("DELETE", group_id, "", exchange_index, priority, before_send)

    async def _group_write(
        self,
        method: Literal["PUT", "DELETE"],
        group_id: str,
        action: str,
        exchange_index: int,
        priority: Priority,
        before_send: BeforeSend | None,
        body: object | None = None,
    ) -> Answer:
        path = f"{_GROUPS}/{segment(group_id)}{action}"
        query: Query = {"exchange_index": exchange_index}
        return await self._sender.write(
            method, path, query, body, cost=COST_DEFAULT, priority=priority, before_send=before_send
        )
