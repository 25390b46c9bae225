"""REST: money between the shards of one account. Nothing moves by itself: an order finds the cash of its own shard.

A transfer takes up to three steps at the exchange and is not atomic; its state is read by id. The client's own id
makes the same transfer safe to send again after an unknown outcome.

Source: Kalshi OpenAPI 3.34.0 and sharding page of October 2026.
"""

from __future__ import annotations

from kalshi import rest_transfer_answers as transfer_answers
from kalshi.budget import COST_DEFAULT, Priority
from kalshi.numbers import MoneyE6
from kalshi.rest_area import RestArea, acked, segment
from kalshi.rest_send import BeforeSend, Query

_INSTANCE = "event_contract"
_CENTI_CENT_E6 = 100


class ShardTransfers(RestArea):
    """Moves cash between shards and tells what became of it."""

    async def transfer_between_shards(
        self,
        *,
        client_transfer_id: str,
        source_index: int,
        destination_index: int,
        amount_e6: MoneyE6,
        priority: Priority = Priority.CREATE,
        before_send: BeforeSend | None = None,
    ) -> str:
        """Asks for a transfer and returns its id; the same client id names the same transfer for ever.

        The amount is a positive multiple of 1/10,000 dollar.
        """
        if amount_e6 <= 0 or amount_e6 % _CENTI_CENT_E6:
            raise ValueError(f"expected a positive multiple of 1/10,000 dollar, found {amount_e6} / 1,000,000 dollar")
        body = {
            "client_transfer_id": client_transfer_id,
            "source": _INSTANCE,
            "destination": _INSTANCE,
            "source_exchange_shard": source_index,
            "destination_exchange_shard": destination_index,
            "amount": amount_e6 // _CENTI_CENT_E6,
        }
        answer = await self._sender.write(
            "POST",
            "/portfolio/intra_exchange_instance_transfer",
            {},
            body,
            cost=COST_DEFAULT,
            priority=priority,
            before_send=before_send,
        )
        return acked(answer, transfer_answers.parse_transfer_created)

    async def shard_transfer(
        self, transfer_id: str, *, priority: Priority = Priority.BACKGROUND
    ) -> transfer_answers.ShardTransfer:
        """Returns one transfer and how far it is."""
        path = f"/portfolio/intra_exchange_instance_transfers/{segment(transfer_id)}"
        return await self._read(path, {}, transfer_answers.parse_transfer, priority)

    async def shard_transfers_page(
        self, cursor: str = "", *, limit: int = 100, priority: Priority = Priority.BACKGROUND
    ) -> tuple[tuple[transfer_answers.ShardTransfer, ...], str]:
        """Returns one page of transfers and the cursor of the next."""
        query: Query = {"limit": limit, "cursor": cursor}
        path = "/portfolio/intra_exchange_instance_transfers"
        return await self._read(path, query, transfer_answers.parse_transfers, priority)
