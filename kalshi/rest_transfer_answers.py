"""Answers about money moved between the shards of one account.

Source: Kalshi OpenAPI 3.34.0 of October 2026.
"""

from __future__ import annotations

import attrs
import msgspec

from kalshi.numbers import MoneyE6, parse_money
from kalshi.rest_wire import decode


@attrs.frozen(kw_only=True)
class ShardTransfer:
    """One transfer. It is `pending` until its last step is done."""

    transfer_id: str
    client_transfer_id: str | None
    source_index: int
    destination_index: int
    amount_e6: MoneyE6
    is_complete: bool
    created_ts_s: int


class _Transfer(msgspec.Struct, gc=False):
    transfer_id: str
    source_exchange_shard: int
    destination_exchange_shard: int
    amount: str
    status: str
    created_ts: int
    client_transfer_id: str | None = None


class _CreatedAnswer(msgspec.Struct):
    transfer_id: str


class _TransferAnswer(msgspec.Struct):
    transfer: _Transfer


class _TransfersAnswer(msgspec.Struct):
    transfers: list[_Transfer] | None = None
    cursor: str = ""


def parse_transfer_created(body: bytes) -> str:
    return decode(body, _CreatedAnswer).transfer_id


def parse_transfer(body: bytes) -> ShardTransfer:
    return _transfer(decode(body, _TransferAnswer).transfer)


def parse_transfers(body: bytes) -> tuple[tuple[ShardTransfer, ...], str]:
    answer = decode(body, _TransfersAnswer)
    return tuple(_transfer(item) for item in answer.transfers or ()), answer.cursor


def _transfer(item: _Transfer) -> ShardTransfer:
    return ShardTransfer(
        transfer_id=item.transfer_id,
        client_transfer_id=item.client_transfer_id or None,
        source_index=item.source_exchange_shard,
        destination_index=item.destination_exchange_shard,
        amount_e6=parse_money(item.amount),
        is_complete=item.status == "complete",
        created_ts_s=item.created_ts,
    )
